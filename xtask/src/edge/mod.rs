//! `cargo xtask edge`: the same engine on Cloudflare Workers.

mod bench;
mod build;
mod bundler;
mod deploy;
mod runtime;
mod test;

use anyhow::Result;

pub(crate) use self::{
    bench::bench,
    build::build,
    runtime::{Runtime, Tools, node_test, npm},
    test::{faults, same_answers, start},
};
use crate::setup;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Compile and pack the Worker into target/worker, and check its size
    Build,
    /// Serve the Worker on this machine, with its data in target/worker-dev
    Dev(runtime::DevArgs),
    /// The store, the conformance suite and faults, on the real runtime
    Test,
    /// Send the Worker to Cloudflare with wrangler; what follows is passed on
    Deploy(deploy::Args),
}

/// Does it.
pub(crate) fn run(args: &Args) -> Result<()> {
    match args {
        Args::Build => build(&setup::wasm()?).map(drop),
        Args::Dev(args) => runtime::dev(args),
        Args::Test => test::run(),
        Args::Deploy(args) => deploy::run(args),
    }
}
