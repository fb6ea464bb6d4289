//! The Worker beside one written by hand, and its searches beside the native server's.

use std::path::Path;

use anyhow::Result;

use super::{
    build,
    runtime::{Tools, npm},
    test::under_test,
};
use crate::{
    cache,
    process::{self, cargo, program},
    setup,
};

/// Builds both sides, measures, and writes a record.
pub(crate) fn bench(data: &Path) -> Result<()> {
    setup::need("wrk", &["wrk"])?;
    let wasm = setup::wasm()?;
    let (worker, tested) = (build(&wasm)?, under_test(&wasm)?);
    process::run(cargo().args(["build", "--release", "-p", "quartzdb", "-p", "quartz-bench"]))?;
    let release = cache::target_dir().join("release");
    let tools = npm(Tools::Runtime)?;
    process::run(
        program(release.join("quartz-bench"))
            .env("EDGE_MODULES", &tools.modules)
            .args(["edge", "--quartz"])
            .arg(release.join("quartz"))
            .arg("--node")
            .arg(&tools.node)
            .arg("--worker")
            .arg(worker)
            .arg("--tested")
            .arg(tested)
            .arg("--data")
            .arg(data),
    )
}
