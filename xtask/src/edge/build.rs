//! `cargo xtask edge build`: from Rust to the modules that Cloudflare runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{
    bundler::bundler,
    runtime::{Tools, npm},
};
use crate::{
    cache,
    process::{self, output, program, root},
    setup::{TARGET, Wasm},
};

/// What Cloudflare's free plan takes, compressed.
const SIZE_LIMIT_BYTES: u64 = 3_000_000;
const PROFILE: &str = "edge";
/// Our own modules in JavaScript.
const OURS: [&str; 5] = [
    "entry.js",
    "exchange.js",
    "module.js",
    "points.js",
    "sso.js",
];
/// The package that single sign-on is made with; it is one module.
const LIBRARY: &str = "oauth4webapi";

/// Builds the Worker; gives the folder with its modules.
pub(crate) fn build(wasm: &Wasm) -> Result<PathBuf> {
    let folder = root().join("target/worker");
    compile(wasm, &["--lib"])?;
    pack("quartz_worker.wasm", &folder)?;
    let bytes = compressed_bytes(&folder)?;
    println!(
        "{}: {} kB compressed, of {} kB",
        folder.display(),
        bytes / 1000,
        SIZE_LIMIT_BYTES / 1000
    );
    ensure!(
        bytes <= SIZE_LIMIT_BYTES,
        "the Worker is larger than Cloudflare's free plan takes; look for a heavy dependency"
    );
    Ok(folder)
}

/// Compiles part of the worker's crate for the edge.
pub(super) fn compile(wasm: &Wasm, part: &[&str]) -> Result<()> {
    let mut cargo = wasm.cargo("-Dwarnings -Ctarget-feature=+simd128");
    cargo.args(["build", "--package", "quartz-worker", "--target", TARGET]);
    process::run(cargo.args(["--profile", PROFILE]).args(part))
}

/// Packs a compiled module into `folder`, and beside it the modules that are JavaScript.
pub(super) fn pack(module: &str, folder: &Path) -> Result<()> {
    let compiled = cache::target_dir().join(TARGET).join(PROFILE).join(module);
    let _ = fs::remove_dir_all(folder);
    process::run(program(bundler()?).arg(compiled).arg(folder))?;
    for file in OURS {
        fs::copy(root().join("crates/worker").join(file), folder.join(file))?;
    }
    let library = npm(Tools::Runtime)?.modules.join(LIBRARY);
    let licence = fs::read_to_string(library.join("LICENSE.md"))?;
    let code = fs::read_to_string(library.join("build/index.js"))?;
    let file = folder.join(LIBRARY).with_extension("js");
    // Whoever has a copy has its licence.
    fs::write(file, format!("/*\n{licence}*/\n{code}"))?;
    Ok(())
}

fn compressed_bytes(folder: &Path) -> Result<u64> {
    let all = "cat *.js *.wasm | gzip -9 | wc -c";
    let bytes = output(program("sh").current_dir(folder).args(["-c", all]))?;
    bytes.trim().parse().context("wc counts bytes")
}
