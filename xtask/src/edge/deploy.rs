//! `cargo xtask edge deploy`: to Cloudflare, by its own program.

use anyhow::Result;

use super::{
    build,
    runtime::{Tools, npm},
};
use crate::{
    process::{self, program},
    setup,
};

/// What wrangler is told besides.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Options of `wrangler deploy`, e.g. `--dry-run` or `--env production`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Builds the Worker and deploys it.
pub(crate) fn run(args: &Args) -> Result<()> {
    build(&setup::wasm()?)?;
    let tools = npm(Tools::Deploy)?;
    process::run(
        program(tools.node)
            .arg(tools.modules.join("wrangler/bin/wrangler.js"))
            .env("WRANGLER_SEND_METRICS", "false")
            .args(["deploy", "--config", "crates/worker/wrangler.jsonc"])
            .args(&args.options),
    )
}
