//! What a machine with a stable Rust toolchain still lacks. Everything here looks first, and does
//! nothing if it finds what it looks for.

mod debian;
mod npm;
mod python;
mod tools;
mod wasm;

use anyhow::Result;

use crate::{
    cache,
    process::{self, program, run},
};

pub(crate) use self::{
    debian::need,
    npm::{Dependencies, Npm, npm},
    python::{environment, python},
    tools::{Tool, tool},
    wasm::{TARGET, Wasm, prepare as wasm},
};

/// Prepares for `cargo xtask test`; gives what checks the portable crates.
pub(crate) fn all() -> Result<Wasm> {
    println!("tools: {}", cache::dir().display());
    println!("builds: {}", cache::target_dir().display());
    debian::need("cc", &["gcc", "libc6-dev"])?;
    for (name, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if !process::succeeds(program(name).arg("--version")) {
            run(program("rustup").args(["component", "add", component]))?;
        }
    }
    tool(Tool::Nextest)?;
    tool(Tool::Deny)?;
    python()?;
    wasm::prepare()
}
