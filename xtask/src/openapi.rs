//! `cargo xtask openapi`: the committed OpenAPI document.

use anyhow::Result;

use crate::process::{self, cargo};

/// Asks the test that compares the document (`xtask/tests/openapi_document.rs`) to write it. It is
/// a test so that this program need not wait for the HTTP crate to compile.
pub(crate) fn run() -> Result<()> {
    process::run(cargo().env("QUARTZ_WRITE", "1").args([
        "test",
        "--quiet",
        "--workspace",
        "--test",
        "openapi_document",
    ]))
}
