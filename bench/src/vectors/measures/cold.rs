use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::super::{Bench, set, set::Set, stores};
use crate::{command, server::Server};

const ROUNDS: usize = 3;

/// From the start of the process to the first answer, which must hold the true nearest neighbour.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for set in [Set::Synthetic384, Set::Real] {
        if !bench.args.wants(set) {
            continue;
        }
        let data = imported(bench, set)?;
        for (cold, how) in [(false, "files in memory"), (true, "files not in memory")] {
            let mut times = vec![];
            let mut correct = true;
            for _ in 0..ROUNDS {
                if cold {
                    forget(&data)?;
                }
                let started = Instant::now();
                let server = Server::start(&bench.args.quartz, &data)?;
                let served = started.elapsed();
                let text = command::output(
                    set::python(bench.args, "first_answer.py")
                        .arg(set.prepare(bench.args)?)
                        .args([&server.url, &server.api_key]),
                )?;
                let mut words = text.split_whitespace();
                let seconds: f64 = words.next().context("no time")?.parse()?;
                correct &= words.next() == Some("True");
                times.push((served + Duration::from_secs_f64(seconds)).as_secs_f64());
            }
            let time = command::median(times);
            bench.record.row(
                &format!(
                    "{}: process start to first correct answer, {how}",
                    set.name()
                ),
                &format!("{time:.3} s, correct: {correct}"),
                "",
                None,
                "≤ 1 s",
                Some(correct && time <= 1.0),
            );
        }
    }
    Ok(())
}

/// A data directory of the server with the set in it; filled if it is not there.
pub(super) fn imported(bench: &Bench<'_>, set: Set) -> anyhow::Result<PathBuf> {
    let data = stores::home(bench.args)?.join(format!("{}-server", set.name()));
    let done = data.with_extension("done");
    if !done.is_file() {
        println!("importing {}", set.name());
        let _ = fs::remove_dir_all(&data);
        let server = Server::start(&bench.args.quartz, &data)?;
        // The extension says what it is.
        let copy = data.with_extension("npy");
        let _ = fs::remove_file(&copy);
        std::os::unix::fs::symlink(
            fs::canonicalize(set.prepare(bench.args)?.join("base.f16.npy"))?,
            &copy,
        )?;
        command::output(
            Command::new(&bench.args.quartz)
                .args(["import", "bench"])
                .arg(&copy)
                .args(["--url", &server.url, "--api-key", &server.api_key]),
        )?;
        fs::write(done, "")?;
    }
    Ok(data)
}

/// Asks the system to drop the directory's files from its memory.
fn forget(data: &std::path::Path) -> anyhow::Result<()> {
    command::output(Command::new("sync").arg("--file-system").arg(data))?;
    command::output(
        Command::new("find")
            .arg(data)
            .args(["-type", "f", "-exec"])
            .args([
                "dd",
                "if={}",
                "iflag=nocache",
                "count=0",
                "status=none",
                ";",
            ]),
    )?;
    Ok(())
}
