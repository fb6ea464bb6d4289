//! Loading the real embeddings over HTTP with the command line's own import, durable, metadata indexed.

use std::{process::Command, time::Instant};

use crate::{All, command, command::median, data::Matrix, record::Record, server::Server};

const ROUNDS: usize = 3;

pub(crate) fn run(args: &All, record: &mut Record) -> anyhow::Result<()> {
    let vectors = Matrix::read(&args.data.join("base.f16.npy"))?.len();
    let mut rates = vec![];
    for _ in 0..ROUNDS {
        let temporary = tempfile::tempdir_in(".")?;
        let server = Server::start(&args.quartz, &temporary.path().join("quartz"))?;
        let copy = temporary.path().join("base.npy");
        std::fs::copy(args.data.join("base.f16.npy"), &copy)?;
        let started = Instant::now();
        command::output(
            Command::new(&args.quartz)
                .args(["import", "bench"])
                .arg(&copy)
                .arg("--sidecar")
                .arg(args.data.join("base.jsonl"))
                .args(["--url", &server.url, "--api-key", &server.api_key]),
        )?;
        rates.push(vectors as f64 / started.elapsed().as_secs_f64());
    }
    let rate = median(rates);
    record.add_bar(
        "durable upsert over HTTP, client included",
        rate,
        "vectors/s",
        "≥ 10,000",
        rate >= 10_000.0,
    );
    Ok(())
}
