//! `cargo xtask conformance`: the black-box suite.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{
    process::{self, in_ci, program, root},
    server::{self, Server},
    setup::{Tool, tool},
    steps::Tally,
};

/// Which server.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A running server whose data may be spoilt; without it, one is started
    #[arg(long, requires = "api_key")]
    url: Option<String>,
    /// A key of that server
    #[arg(long, env = "QUARTZ_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    match (&args.url, &args.api_key) {
        (Some(url), Some(key)) => suite(url, key),
        (Some(_), None) => bail!("--url needs --api-key"),
        (None, _) => {
            server::build()?;
            let mut server = Server::start()?;
            server.watch(|server| suite(&server.url, &server.api_key))?;
            server.stop_and_check()
        }
    }
}

/// The suite against a server.
pub(crate) fn suite(url: &str, api_key: &str) -> Result<()> {
    nextest(
        "package(quartz-conformance)",
        &[("QUARTZ_URL", url), ("QUARTZ_API_KEY", api_key)],
    )
}

/// Tests chosen by a nextest filter.
pub(crate) fn nextest(filter: &str, env: &[(&str, &str)]) -> Result<()> {
    let _ = fs::remove_file(report());
    let mut command = program(tool(Tool::Nextest)?);
    in_ci(&mut command);
    command
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .args(["--filterset", filter])
        .envs(env.iter().copied());
    process::run(&mut command)
}

/// How the last run of nextest went.
pub(crate) fn tally() -> Option<Tally> {
    let report = fs::read_to_string(report())
        .context("nextest wrote no report")
        .ok()?;
    parse(&report)
}

fn report() -> std::path::PathBuf {
    // Beside the sources, wherever the build goes.
    root().join("target/nextest/default/junit.xml")
}

/// Reads the totals off a `JUnit` report: attributes of its first element.
fn parse(report: &str) -> Option<Tally> {
    let (_, rest) = report.split_once("<testsuites")?;
    let (head, _) = rest.split_once('>')?;
    let count = |name: &str| -> Option<u64> {
        let (_, rest) = head.split_once(&format!(" {name}=\""))?;
        rest.split_once('"')?.0.parse().ok()
    };
    let failed = count("failures")? + count("errors")?;
    Some(Tally {
        passed: count("tests")?.saturating_sub(failed),
        failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_off_a_report() {
        let report = r#"<?xml version="1.0"?><testsuites name="nextest-run" tests="9" failures="2" errors="1" uuid="x"><testsuite tests="1"/></testsuites>"#;
        let tally = Tally {
            passed: 6,
            failed: 3,
        };
        assert_eq!(parse(report), Some(tally));
        assert_eq!(parse("<testsuite>"), None);
    }
}
