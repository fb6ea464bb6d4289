//! The real runtime, workerd, on this machine.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use super::build;
use crate::{
    cache,
    process::{self, program, root, run},
    setup::{self, Dependencies, Npm},
};

/// A key for a Worker that only this machine reaches.
const KEY: &str = "qz_root_ME36vCbuL8uLD4Fq180s3Any3kp1g4TqubnYuhqlBlk8NGwAg";

/// What of `xtask/edge/package-lock.json` is installed, each in a folder of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tools {
    /// What serves the Worker on this machine.
    Runtime,
    /// That, and what sends it to Cloudflare.
    Deploy,
}

/// Installs tools, and a node if there is none new enough.
pub(crate) fn npm(tools: Tools) -> Result<Npm> {
    match tools {
        Tools::Runtime => setup::npm("xtask/edge", "edge", Dependencies::Needed),
        Tools::Deploy => setup::npm("xtask/edge", "edge-deploy", Dependencies::All),
    }
}

/// A Worker that runs on this machine.
#[derive(Debug)]
pub(crate) struct Runtime {
    child: Child,
    /// Where it answers.
    pub(crate) url: String,
    /// A key it accepts.
    pub(crate) api_key: String,
    log: PathBuf,
}

impl Runtime {
    /// Serves the modules in a folder, with data in another, and waits until it answers. Port 0 is any
    /// free one.
    pub(crate) fn start(worker: &Path, data: &Path, port: u16) -> Result<Self> {
        let tools = npm(Tools::Runtime)?;
        let log = data.with_extension("log");
        fs::create_dir_all(data)?;
        let mut child = Command::new(&tools.node)
            .arg(root().join("xtask/edge/serve.mjs"))
            .arg(worker)
            .arg(data)
            .arg(port.to_string())
            .env("EDGE_MODULES", &tools.modules)
            .env("QUARTZ_ROOT_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", tools.node.display()))?;
        let mut url = String::new();
        let out = child.stdout.take().context("its output is ours")?;
        BufReader::new(out).read_line(&mut url)?;
        let url = url.trim().to_owned();
        let api_key = KEY.to_owned();
        let runtime = Self {
            child,
            url,
            api_key,
            log,
        };
        if !runtime.url.starts_with("http") {
            bail!("the runtime did not start\n{}", runtime.log());
        }
        println!("workerd answers at {}", runtime.url);
        Ok(runtime)
    }

    /// Runs `work` against the Worker; if it fails, shows the log.
    pub(crate) fn watch<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let result = work(self);
        if result.is_err() {
            println!("{}", self.log());
        }
        result
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) -> Result<()> {
        run(program("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]))?;
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "the runtime stopped with {status}\n{}",
            self.log()
        );
        Ok(())
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(60)..];
        format!("--- end of the runtime's log\n{}\n---", end.join("\n"))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How to serve.
#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8787)]
    port: u16,
}

/// Builds the Worker and serves it until Ctrl-C.
pub(crate) fn dev(args: &DevArgs) -> Result<()> {
    let worker = build(&setup::wasm()?)?;
    let data = root().join("target/worker-dev");
    let mut runtime = Runtime::start(&worker, &data, args.port)?;
    println!("export QUARTZ_URL={} QUARTZ_API_KEY={KEY}", runtime.url);
    println!("data in {}; Ctrl-C ends it", data.display());
    let status = runtime.child.wait()?;
    ensure!(
        status.success(),
        "the runtime ended with {status}\n{}",
        runtime.log()
    );
    Ok(())
}

/// Runs a test file of `xtask/edge` under node.
pub(crate) fn node_test(file: &str, worker: &Path) -> Result<()> {
    let tools = npm(Tools::Runtime)?;
    let scratch = cache::target_dir().join(format!("xtask/edge-{}", std::process::id()));
    let result = process::run(
        program(&tools.node)
            .args(["--test", "--test-reporter=spec"])
            .arg(root().join("xtask/edge").join(file))
            .env("EDGE_MODULES", &tools.modules)
            .env("EDGE_WORKER", worker)
            .env("EDGE_SCRATCH", &scratch),
    );
    if result.is_ok() {
        let _ = fs::remove_dir_all(scratch);
    }
    result
}
