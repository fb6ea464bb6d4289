//! `cargo xtask edge test`: what the edge must prove, on the real runtime.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    Runtime, build,
    build::{compile, pack},
    runtime::{Tools, node_test, npm},
};
use crate::{
    cache, conformance,
    process::{self, program, root},
    server::{self, Server},
    setup::{self, Wasm},
    sso,
};

/// Builds and tests the Worker.
pub(super) fn run() -> Result<()> {
    let wasm = setup::wasm()?;
    let worker = build(&wasm)?;
    faults(&wasm)?;
    sso::at_the_edge(&worker)?;
    let mut runtime = start(&worker)?;
    runtime.watch(|runtime| conformance::suite(&runtime.url, &runtime.api_key))?;
    server::build()?;
    let mut native = Server::start()?;
    native.watch(|native| same_answers(native, &runtime))?;
    native.stop_and_check()?;
    runtime.stop()
}

/// Starts the Worker with data that are thrown away.
pub(crate) fn start(worker: &Path) -> Result<Runtime> {
    let data = cache::target_dir().join("xtask/edge-conformance");
    let _ = fs::remove_dir_all(&data);
    Runtime::start(worker, &data, 0)
}

/// Sends the same requests to a native server and to the Worker; the answers must be equal.
pub(crate) fn same_answers(native: &Server, worker: &Runtime) -> Result<()> {
    let tools = npm(Tools::Runtime)?;
    process::run(
        program(tools.node)
            .arg(root().join("xtask/edge/same.mjs"))
            .args([&native.url, &native.api_key])
            .args([&worker.url, &worker.api_key]),
    )
}

/// The store's own suite, faults and restarts.
pub(crate) fn faults(wasm: &Wasm) -> Result<()> {
    node_test("edge.test.mjs", &under_test(wasm)?)
}

/// Builds the Worker with what only tests and benchmarks call.
pub(super) fn under_test(wasm: &Wasm) -> Result<PathBuf> {
    let folder = root().join("target/worker-test");
    compile(wasm, &["--example", "under_test"])?;
    pack("examples/under_test.wasm", &folder)?;
    let entry = "entry.test.js";
    fs::copy(root().join("xtask/edge").join(entry), folder.join(entry))?;
    Ok(folder)
}
