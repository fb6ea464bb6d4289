//! Side-by-side benchmarks: each figure beside its rival's, taken in one run on one machine.
//!
//! `cargo xtask bench` installs the rivals, builds everything in release and calls this program, which
//! prints the ratios and writes them to `bench/record/`.

mod accounts;
mod command;
mod connection;
mod data;
mod edge;
mod exact;
mod fsync;
mod kv;
mod process;
mod record;
mod results;
mod server;
mod upsert;
mod vectors;
mod wrk;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Benchmarks QuartzDB beside its rivals")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Key-value, upserts and exact search; writes a record
    All(All),
    /// Only the key-value part of that
    Kv(All),
    /// Only the vector part of that
    Exact(All),
    /// Approximate search beside its rivals
    Vectors(vectors::Args),
    /// One measurement of our side in a process of its own
    #[command(hide = true, subcommand)]
    Ours(vectors::Ours),
    /// The Worker on workerd, beside one written by hand and the native server
    Edge(edge::Args),
    /// Many accounts on one server
    Accounts(accounts::Args),
    /// Serves a store with its keys checked, and with the checks made beforehand
    #[command(hide = true)]
    KeyCheckServed(accounts::Served),
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
    /// Where results are kept between runs
    #[arg(long)]
    cache: PathBuf,
    /// Where the record goes
    #[arg(long, default_value = "bench/record")]
    record: PathBuf,
    /// Seconds for each key-value measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::All(args) => all(&args, &["kv", "upsert", "exact"]),
        Command::Kv(args) => all(&args, &["kv"]),
        Command::Exact(args) => all(&args, &["upsert", "exact"]),
        Command::Vectors(args) => vectors::run(&args),
        Command::Ours(ours) => vectors::run_ours(&ours),
        Command::Edge(args) => edge::run(&args),
        Command::Accounts(args) => accounts::run(&args),
        Command::KeyCheckServed(served) => accounts::serve(&served),
        Command::ExactProcess {
            store,
            data,
            queries,
        } => exact::process(&store, &data, queries),
        Command::ExactLoad { store, data } => exact::load(&store, &data),
        Command::Baseline => kv::baseline(),
    }
}

type Measure = fn(&All, &mut record::Record) -> anyhow::Result<()>;

/// What one record holds, in its order.
const MEASURES: [(&str, Measure); 3] = [
    ("kv", kv::run),
    ("upsert", upsert::run),
    ("exact", exact::run),
];

/// Measures what is wanted and writes the record, which also has what the same program measured before.
fn all(args: &All, wanted: &[&str]) -> anyhow::Result<()> {
    let results = results::Results::open(&args.cache, &args.quartz)?;
    for (name, measure) in MEASURES {
        if wanted.contains(&name) {
            let mut found = record::Record::default();
            measure(args, &mut found)?;
            results.keep(name, &found)?;
        }
    }
    let record = results.record(MEASURES.map(|(name, _)| name))?;
    record.write(&args.record, "")
}
