//! `cargo xtask bench`: QuartzDB beside its rivals, in release, on this machine.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    cache,
    process::{self, cargo, program, root},
    setup::{environment, need},
};

/// What to measure with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder with base.f16.npy, base.jsonl and queries.f16.npy
    #[arg(long, default_value = "../shared/data/wordnet-minilm")]
    data: PathBuf,
    /// Seconds for each key-value measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

const REQUIREMENTS: &str = "faiss-cpu==1.15.1\nnumpy==2.4.6\n";

/// Installs the rivals, builds everything in release, measures, and writes a record.
pub(crate) fn run(args: &Args) -> Result<()> {
    let data = root().join(&args.data);
    if !data.join("base.f16.npy").is_file() {
        bail!(
            "there is no base.f16.npy in {}; name the data with --data",
            data.display()
        );
    }
    need("wrk", &["wrk"])?;
    need("redis-server", &["redis-server"])?;
    need("redis-benchmark", &["redis-tools"])?;
    let python = environment(REQUIREMENTS)?.join("python");
    process::run(cargo().args(["build", "--release", "-p", "quartzdb", "-p", "quartz-bench"]))?;
    let release = cache::target_dir().join("release");
    process::run(
        program(release.join("quartz-bench"))
            .args(["all", "--seconds", &args.seconds.to_string(), "--data"])
            .arg(data)
            .arg("--quartz")
            .arg(release.join("quartz"))
            .arg("--python")
            .arg(python),
    )
}
