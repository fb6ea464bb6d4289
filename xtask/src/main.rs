//! Every developer command: `cargo xtask --help`.

mod bench;
mod cache;
mod conformance;
mod edge;
mod fuzz;
mod mail;
mod openapi;
mod process;
mod schemathesis;
mod server;
mod setup;
mod sso;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "QuartzDB's developer commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything CI checks, cheapest first
    Test(test::Args),
    /// The black-box suite against a server, by default one of its own
    Conformance(conformance::Args),
    /// Sign-up, reset and invitation by mail, against an SMTP server of its own
    Mail,
    /// Single sign-on, against an OpenID Connect provider of its own
    Sso,
    /// Build, serve, test or deploy the Cloudflare Worker
    #[command(subcommand)]
    Edge(edge::Args),
    /// Feed every parser with mutated input until one of them fails
    Fuzz(fuzz::Args),
    /// Check what no compiler checks: file lengths, the crate map, forbidden words
    Tidy,
    /// Measure beside the rivals, in release; writes bench/record/DATE.md
    Bench(bench::Args),
    /// Write docs/openapi.json from the handlers
    Openapi,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Mail => server::build().and_then(|()| mail::run()),
        Command::Sso => server::build().and_then(|()| sso::natively()),
        Command::Edge(args) => edge::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Tidy => tidy::run(),
        Command::Bench(args) => bench::run(&args),
        Command::Openapi => openapi::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
