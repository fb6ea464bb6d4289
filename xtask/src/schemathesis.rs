//! Property tests over HTTP: requests made from the OpenAPI document, right and wrong ones, and
//! answers held to it.

use anyhow::Result;

use crate::{
    cache,
    process::{self, program},
    setup,
};

/// The same requests every time: a fault found in CI is found at home.
const SEED: &str = "1";

/// No 5xx, and every answer as the document says.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// Runs against a server. What is checked is in `xtask/schemathesis.toml`.
pub(crate) fn run(url: &str, api_key: &str) -> Result<()> {
    process::run(
        program(setup::python()?.join("st"))
            .env("QUARTZ_API_KEY", api_key)
            // Nothing between us and a server on this machine.
            .env("NO_PROXY", "127.0.0.1")
            .args(["--config-file", "xtask/schemathesis.toml", "--no-color"])
            .args(["run", &format!("{url}/openapi.json"), "--seed", SEED])
            // One worker: threads upset hypothesis's own parser. Import takes JSON Lines, which the
            // tool cannot make; the conformance suite covers it.
            .args(["--workers", "1", "--exclude-path-regex", "/import$"])
            .args(["--checks", CHECKS])
            .arg("--report-dir")
            .arg(cache::target_dir().join("xtask/schemathesis")),
    )
}
