//! Side-by-side benchmarks: each figure beside its rival's, taken in one run on one machine.
//!
//! `cargo xtask bench` installs the rivals, builds everything in release and calls this program, which
//! prints the ratios and writes them to `bench/record/`.

mod command;
mod data;
mod exact;
mod fsync;
mod kv;
mod record;
mod server;
mod upsert;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Benchmarks QuartzDB beside its rivals")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything and write a record
    All(All),
    /// One measurement of exact search in a process of its own, for its memory
    #[command(hide = true)]
    ExactProcess {
        /// Directory of a loaded store
        store: PathBuf,
        /// Directory of the data
        data: PathBuf,
        /// Queries to run
        queries: usize,
    },
    /// Fills the store that exact search is measured on
    #[command(hide = true)]
    ExactLoad {
        /// Directory of the store
        store: PathBuf,
        /// Directory of the data
        data: PathBuf,
    },
    /// The bare handler that key-value reads are compared with
    #[command(hide = true)]
    Baseline,
}

#[derive(Debug, clap::Args)]
struct All {
    /// Data in the layout of the real embeddings: base.f16.npy, base.jsonl, queries.f16.npy
    #[arg(long)]
    data: PathBuf,
    /// The `quartz` binary to measure
    #[arg(long)]
    quartz: PathBuf,
    /// A Python with faiss-cpu and numpy
    #[arg(long)]
    python: PathBuf,
    /// Where the record goes
    #[arg(long, default_value = "bench/record")]
    record: PathBuf,
    /// Seconds for each key-value measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::All(args) => all(&args),
        Command::ExactProcess {
            store,
            data,
            queries,
        } => exact::process(&store, &data, queries),
        Command::ExactLoad { store, data } => exact::load(&store, &data),
        Command::Baseline => kv::baseline(),
    }
}

fn all(args: &All) -> anyhow::Result<()> {
    let mut record = record::Record::default();
    kv::run(args, &mut record)?;
    upsert::run(args, &mut record)?;
    exact::run(args, &mut record)?;
    record.write(&args.record)
}
