//! Programs from crates.io.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    cache,
    process::{self, program, run},
};

/// A program we call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tool {
    /// Runs tests, one process each.
    Nextest,
    /// Checks licences and dependencies.
    Deny,
    /// Runs fuzz targets.
    Fuzz,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Nextest => "cargo-nextest",
            Self::Deny => "cargo-deny",
            Self::Fuzz => "cargo-fuzz",
        }
    }

    /// Which versions serve, as `cargo install` takes it.
    const fn version(self) -> &'static str {
        match self {
            Self::Nextest => "^0.9.143",
            Self::Deny => "^0.20",
            Self::Fuzz => "^0.13",
        }
    }
}

/// Path of the tool: from `PATH`, or built once into the cache.
pub(crate) fn tool(tool: Tool) -> Result<PathBuf> {
    let name = tool.name();
    let home = cache::dir().join("tools");
    let built = home.join("bin").join(name);
    if built.is_file() {
        return Ok(built);
    }
    if let Some(found) = process::find(name) {
        return Ok(found);
    }
    // An unoptimised build takes a third of the time, and these tools mostly wait for others.
    let scratch = home.join("build");
    run(program("cargo")
        .env("CARGO_TARGET_DIR", &scratch)
        .args(["install", "--quiet", "--debug", "--locked", "--root"])
        .arg(&home)
        .args([name, "--version", tool.version()]))?;
    std::fs::remove_dir_all(scratch)?;
    Ok(built)
}
