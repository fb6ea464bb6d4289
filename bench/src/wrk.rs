use std::{path::Path, process::Command};

use anyhow::Context;

use crate::command;

/// A run of `wrk` with a script, which says what is asked for.
pub(crate) fn command(url: &str, script: &Path, connections: u32, seconds: u32) -> Command {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(url);
    command
}

/// Requests a second, none of which may fail.
pub(crate) fn rate(
    url: &str,
    script: &Path,
    connections: u32,
    seconds: u32,
) -> anyhow::Result<f64> {
    let text = command::output(&mut command(url, script, connections, seconds))?;
    anyhow::ensure!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "requests failed:\n{text}"
    );
    figure(&text, "Requests/sec:")
}

/// What `wrk` says behind a word.
pub(crate) fn figure(text: &str, word: &str) -> anyhow::Result<f64> {
    let figure = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(word))
        .with_context(|| format!("no {word} in:\n{text}"))?;
    Ok(figure.trim().parse()?)
}
