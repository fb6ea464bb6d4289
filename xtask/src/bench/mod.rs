//! `cargo xtask bench`: QuartzDB beside its rivals, in release, on this machine.

mod vectors;

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{
    cache, edge,
    process::{self, cargo, program, root},
    setup::{environment, need},
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Option<Which>,
    #[command(flatten)]
    data: Data,
    /// Seconds for each key-value measurement of the native server
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u32,
}

#[derive(Debug, clap::Args)]
struct Data {
    /// Folder with base.f16.npy, base.jsonl, queries.f16.npy and gt_all_ids.npy
    #[arg(long, global = true, default_value = "../shared/data/wordnet-minilm")]
    data: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    /// Key-value, upserts and exact search, as without a name, and then the approximate searches
    All,
    /// Key-value only
    Kv,
    /// Upserts and exact search only
    Exact,
    /// The Worker on workerd, beside one written by hand and the native server
    Edge,
    /// 10,000 accounts on one server: memory, key checks, revocation, neighbours
    Accounts,
    /// Approximate search; an hour or more the first time, as graphs over a million vectors are built
    Vectors(vectors::Args),
}

const REQUIREMENTS: &str = "faiss-cpu==1.15.1\nnumpy==2.4.6\n";

/// Installs the rivals, builds everything in release, measures, and writes a record.
pub(crate) fn run(args: &Args) -> Result<()> {
    let data = || args.data.found();
    let simple = |name| run_simple(name, &data()?, args.seconds);
    match &args.which {
        None => simple("all"),
        Some(Which::Kv) => simple("kv"),
        Some(Which::Exact) => simple("exact"),
        Some(Which::Accounts) => run_accounts(args.seconds),
        Some(Which::Edge) => edge::bench(&data()?),
        Some(Which::Vectors(chosen)) => vectors::run(chosen, &data()?),
        Some(Which::All) => {
            simple("all")?;
            vectors::run(&vectors::Args::default(), &data()?)
        }
    }
}

impl Data {
    fn found(&self) -> Result<PathBuf> {
        let data = root().join(&self.data);
        if !data.join("base.f16.npy").is_file() {
            bail!(
                "there is no base.f16.npy in {}; name the data with --data",
                data.display()
            );
        }
        Ok(data)
    }
}

fn run_simple(name: &str, data: &std::path::Path, seconds: u32) -> Result<()> {
    need("wrk", &["wrk"])?;
    need("redis-server", &["redis-server"])?;
    need("redis-benchmark", &["redis-tools"])?;
    let python = environment(REQUIREMENTS)?.join("python");
    process::run(
        measurer(name)?
            .args(["--seconds", &seconds.to_string(), "--data"])
            .arg(data)
            .arg("--cache")
            .arg(cache::dir().join("bench"))
            .arg("--python")
            .arg(python),
    )
}

fn run_accounts(seconds: u32) -> Result<()> {
    need("wrk", &["wrk"])?;
    process::run(measurer("accounts")?.args(["--seconds", &seconds.to_string()]))
}

/// The program that measures, with the server it measures; both built in release.
fn measurer(name: &str) -> Result<Command> {
    process::run(cargo().args(["build", "--release", "-p", "quartzdb", "-p", "quartz-bench"]))?;
    let release = cache::target_dir().join("release");
    let mut command = program(release.join("quartz-bench"));
    command
        .arg(name)
        .arg("--quartz")
        .arg(release.join("quartz"));
    Ok(command)
}
