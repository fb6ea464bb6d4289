//! The command line. One command, one file.

mod admin;
mod audit;
mod batch;
mod completions;
mod connect;
mod delete;
mod demo;
mod exit;
mod export;
mod fetch;
mod format;
mod get;
mod import;
mod input;
mod key;
mod list;
mod namespace;
mod output;
mod put;
mod query;
mod token;
mod update;
mod upsert;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{check, server};

#[derive(Debug, Parser)]
#[command(
    name = "quartz",
    version,
    about = "Key-value records and vector search: one store, one commit, one API",
    long_about = "QuartzDB keeps key-value records and vectors in one store and searches them over \
                  one HTTP API.\n\nStart a server with `quartz serve`, or see it work with `quartz \
                  demo`. All other commands are clients of a running server: name it with --url \
                  and --api-key, or with QUARTZ_URL and QUARTZ_API_KEY.",
    after_help = exit::HELP,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server
    Serve(Box<server::ServeArgs>),
    /// Start a server with sample data and search it
    Demo(demo::Args),
    /// Check a data directory while no server uses it
    Check(check::CheckArgs),
    /// Read a value
    Get(get::Args),
    /// Store a value
    Put(put::Args),
    /// Delete records
    Delete(delete::Args),
    /// List keys, or whole records
    List(list::Args),
    /// Store records with vectors, metadata and text
    Upsert(upsert::Args),
    /// Change parts of one record, or of all that match a filter
    Update(update::Args),
    /// Do several operations at once, all of them or none
    Batch(batch::Args),
    /// Find the records nearest to a vector or to another record
    Query(query::Args),
    /// Read records by id
    Fetch(fetch::Args),
    /// List, create, describe or delete namespaces
    #[command(subcommand, visible_alias = "ns")]
    Namespace(namespace::Command),
    /// Load a file: JSON Lines, Parquet or NumPy
    Import(import::Args),
    /// Write a namespace to a file: JSON Lines, Parquet or NumPy
    Export(export::Args),
    /// Run the server's accounts: create, list, suspend, plans, usage
    #[command(subcommand)]
    Admin(admin::Command),
    /// API keys: list, create, rotate, revoke
    #[command(subcommand)]
    Key(key::Command),
    /// Make a short-lived token for one namespace, for a browser that is to search
    Token(token::Args),
    /// Export the audit log, or prove that none of it was changed
    #[command(subcommand)]
    Audit(audit::Command),
    /// Webhooks: where events of the account are sent, and what became of them
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the version
    Version,
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    // `parse` exits with 2 on a wrong command line and with 0 after --help.
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => server::run(*args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => wait_for(demo::run(args)),
        Command::Get(args) => wait_for(get::run(args)),
        Command::Put(args) => wait_for(put::run(args)),
        Command::Delete(args) => wait_for(delete::run(args)),
        Command::List(args) => wait_for(list::run(args)),
        Command::Upsert(args) => wait_for(upsert::run(args)),
        Command::Update(args) => wait_for(update::run(args)),
        Command::Batch(args) => wait_for(batch::run(args)),
        Command::Query(args) => wait_for(query::run(args)),
        Command::Fetch(args) => wait_for(fetch::run(args)),
        Command::Namespace(command) => wait_for(namespace::run(command)),
        Command::Import(args) => wait_for(import::run(args)),
        Command::Export(args) => wait_for(export::run(args)),
        Command::Admin(command) => wait_for(admin::run(command)),
        Command::Key(command) => wait_for(key::run(command)),
        Command::Token(args) => wait_for(token::run(args)),
        Command::Audit(command) => wait_for(audit::run(command)),
        Command::Webhook(command) => wait_for(webhook::run(command)),
        Command::Completions(args) => completions::run(&args),
        Command::Version => output::line(concat!("quartz ", env!("CARGO_PKG_VERSION"))),
    }
}

fn wait_for(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_shows_examples() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let client = !matches!(
                command.get_name(),
                "serve" | "check" | "version" | "namespace" | "admin" | "audit" | "key" | "webhook"
            );
            let help = command.clone().render_long_help().to_string();
            assert!(!client || help.contains("Examples:"), "{help}");
            for below in command.get_subcommands() {
                let help = below.clone().render_long_help().to_string();
                assert!(help.contains("Examples:"), "{help}");
            }
        }
    }
}
