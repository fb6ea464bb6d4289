//! Many accounts on one server: what one that idles takes, what the check of its key costs, how soon a
//! revoked key is refused, and what a tenant over its limits does to another.

mod key_check;
mod memory;
mod neighbour;
mod population;
mod revocation;

use std::path::PathBuf;

pub(crate) use self::key_check::{Served, serve};
use self::population::Population;
use crate::{record::Record, server::Server};

/// What to measure with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The `quartz` binary to measure
    #[arg(long)]
    quartz: PathBuf,
    /// Where the record goes
    #[arg(long, default_value = "bench/record")]
    record: PathBuf,
    /// Seconds for each measurement of a load
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

/// All accounts there are in the end, the server's own not counted.
const ACCOUNTS: usize = 10_000;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir_in(".")?;
    let data = temporary.path().join("quartz");
    // The load of one core at most, so that the server has the others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut record = Record::default();
    let population = runtime.block_on(memory::run(args, &data, &mut record))?;
    key_check::run(args, &data, &population, &mut record)?;
    let server = Server::start(&args.quartz, &data)?;
    runtime.block_on(revocation::run(&server, &mut record))?;
    neighbour::run(args, &server, &runtime, &mut record)?;
    record.write(&args.record, "-accounts")
}
