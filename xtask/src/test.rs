//! `cargo xtask test`: everything CI checks, cheapest first, stopping at the first fault.

use anyhow::{Result, anyhow};

use crate::{
    conformance::{self, nextest},
    edge, mail,
    process::{self, cargo, program},
    schemathesis,
    server::{self, Server},
    setup::{self, Tool, Wasm, tool},
    sso,
    steps::Steps,
    tidy,
};

/// How much.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also kill the server under load fifty times, instead of the usual five
    #[arg(long)]
    crash: bool,
}

const CRASH_ROUNDS: &str = "50";

/// Runs all checks.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::new();
    let result = all(args, &mut steps);
    // What failed has been told; the totals are the last line.
    steps.finish();
    result.map_err(|_| anyhow!("a check failed; see above"))
}

fn all(args: &Args, steps: &mut Steps) -> Result<()> {
    let wasm = steps.run(
        "set-up",
        "install by hand what could not be installed, or look at the network",
        setup::all,
    )?;
    steps.run("format", "run `cargo fmt`", || {
        process::run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    steps.run(
        "tidy",
        "each line above names the place and the rule; the rules are in xtask/src/tidy",
        tidy::run,
    )?;
    steps.run(
        "dependencies",
        "choose another dependency, or argue for it in deny.toml",
        deny,
    )?;
    steps.run(
        "wasm32",
        "these crates run at the edge: no threads, sockets, clocks, files or C code; else do what clippy says",
        || lint_for_the_edge(&wasm),
    )?;
    steps.run(
        "clippy",
        "do what clippy says; if it is wrong here, `#[expect(…, reason = \"…\")]`",
        || {
            process::run(cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny=warnings",
            ]))
        },
    )?;
    steps.run("build", "see the compiler's messages", server::build)?;
    steps.run(
        "doctests",
        "the examples in the documentation must run",
        || process::run(cargo().args(["test", "--quiet", "--workspace", "--doc"])),
    )?;
    steps.run_tests(
        "tests",
        "repeat one with `cargo nextest run -p PACKAGE NAME`",
        || nextest("not package(quartz-conformance)", &[]),
        conformance::tally,
    )?;
    from_outside(steps)?;
    steps.run(
        "mail",
        "repeat with `cargo xtask mail`; the play is in xtask/mail_test.py",
        mail::run,
    )?;
    steps.run(
        "single sign-on",
        "repeat with `cargo xtask sso`; the play is in xtask/sso/play.py",
        sso::natively,
    )?;
    at_the_edge(steps, &wasm)?;
    if args.crash {
        steps.run_tests(
            "crash",
            "an acknowledged write was lost or half a batch seen; keep the data directory it names",
            || {
                nextest(
                    "package(quartzdb) & binary(crash)",
                    &[("QUARTZ_CRASH_ROUNDS", CRASH_ROUNDS)],
                )
            },
            conformance::tally,
        )?;
    }
    Ok(())
}

/// Checks on one running server.
fn from_outside(steps: &mut Steps) -> Result<()> {
    let mut server = steps.run("server", "see its log above", Server::start)?;
    steps.run_tests(
        "conformance",
        "repeat with `cargo xtask conformance`; the rules are in docs/api.md",
        || server.watch(|server| conformance::suite(&server.url, &server.api_key)),
        conformance::tally,
    )?;
    steps.run(
        "schemathesis",
        "the server or its OpenAPI document is wrong; each fault comes with a curl command",
        || server.watch(|server| schemathesis::run(&server.url, &server.api_key)),
    )?;
    steps.run(
        "stop and check",
        "the data are damaged or the stop is not clean; keep the data directory",
        || server.stop_and_check(),
    )
}

/// The same engine on Cloudflare's runtime.
fn at_the_edge(steps: &mut Steps, wasm: &Wasm) -> Result<()> {
    let worker = steps.run(
        "edge build",
        "repeat with `cargo xtask edge build`; a Worker over 3 MB has a dependency too many",
        || edge::build(wasm),
    )?;
    steps.run(
        "edge faults",
        "repeat with `cargo xtask edge test`; the tests are in xtask/edge/edge.test.mjs",
        || edge::faults(wasm),
    )?;
    steps.run(
        "single sign-on at the edge",
        "repeat with `cargo xtask edge test`; see xtask/edge/sso.test.mjs and xtask/sso/play.py",
        || sso::at_the_edge(&worker),
    )?;
    let mut runtime = steps.run("edge runtime", "see its log above", || edge::start(&worker))?;
    steps.run_tests(
        "edge conformance",
        "repeat with `cargo xtask edge dev` and `cargo xtask conformance --url … --api-key …`",
        || runtime.watch(|runtime| conformance::suite(&runtime.url, &runtime.api_key)),
        conformance::tally,
    )?;
    steps.run(
        "same answers",
        "the engine differs between hosts; the request that shows it is in the message",
        || {
            let mut native = Server::start()?;
            native.watch(|native| edge::same_answers(native, &runtime))?;
            native.stop_and_check()
        },
    )?;
    steps.run("edge stop", "workerd did not end by itself", || {
        runtime.stop()
    })
}

/// Advisories are left out: they need a database from the network, and appear without a change of
/// ours.
fn deny() -> Result<()> {
    process::run(program(tool(Tool::Deny)?).args([
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))
}

/// What is compiled for the edge only is seen by no other clippy.
fn lint_for_the_edge(wasm: &Wasm) -> Result<()> {
    let mut command = wasm.cargo("-Dwarnings");
    if let Some(clippy) = wasm.clippy() {
        command.env("RUSTC_WORKSPACE_WRAPPER", clippy);
    }
    command.args(["check", "--target", setup::TARGET]);
    for name in tidy::PORTABLE.into_iter().chain(["quartz-worker"]) {
        command.args(["--package", name]);
    }
    process::run(&mut command)
}
