use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::process;

/// A process that is killed when this is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `quartz serve`.
pub(crate) struct Server {
    process: Process,
    pub(crate) url: String,
    pub(crate) api_key: String,
}

impl Server {
    /// Starts a server on `data` and waits until it serves.
    pub(crate) fn start(quartz: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start_as(Command::new(quartz), data)
    }

    /// As [`start`](Self::start), for a server whose memory is looked at: without huge pages, which are
    /// quicker and larger, and with a small cache of what is stored.
    pub(crate) fn start_lean(quartz: &Path, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(quartz);
        command.envs([("MIMALLOC_ALLOW_THP", "0"), ("QUARTZ_STORE_CACHE", "1MiB")]);
        Self::start_as(command, data)
    }

    fn start_as(mut command: Command, data: &Path) -> anyhow::Result<Self> {
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .arg("--data")
            .arg(data);
        let (process, url) = start(&mut command, "serves ")?;
        let api_key = fs::read_to_string(data.join("root.key"))?.trim().to_owned();
        Ok(Self {
            process,
            url,
            api_key,
        })
    }

    /// Bytes of it that are in memory.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        process::resident_bytes(&self.process.0.id().to_string())
    }

    /// Lets it end in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let process = Pid::from_child(&self.process.0);
        kill_process(process, Signal::TERM)?;
        let status = self.process.0.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// Starts a process that prints a line with `marker` and its URL, and keeps its output flowing.
pub(crate) fn start(command: &mut Command, marker: &str) -> anyhow::Result<(Process, String)> {
    let mut process = Process(command.stdout(Stdio::piped()).spawn()?);
    let output = process.0.stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    let url = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            line.split_once(marker)
                .map(|(_, url)| url.trim().to_owned())
        })
        .context("the server ended before it served")?;
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Ok((process, url))
}
