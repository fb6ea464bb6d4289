//! QuartzDB: key-value records and vectors in one store, one commit, one API.

mod check;
mod cli;
mod server;

fn main() -> std::process::ExitCode {
    cli::main()
}
