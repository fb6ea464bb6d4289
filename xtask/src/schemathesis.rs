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

/// No 5xx, every answer as the document says, and requests accepted if and only if they fit it; the
/// last check is ours, in the hooks.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,fitting_request_accepted";

/// Runs against a server. The settings are in `xtask/schemathesis.toml`, what the tool must be told
/// beside the document in `xtask/schemathesis_hooks.py`.
pub(crate) fn run(url: &str, api_key: &str) -> Result<()> {
    process::run(
        program(setup::python()?.join("st"))
            .env("QUARTZ_API_KEY", api_key)
            // Nothing between us and a server on this machine.
            .env("NO_PROXY", "127.0.0.1")
            .args(["--config-file", "xtask/schemathesis.toml", "--no-color"])
            .args(["run", &format!("{url}/openapi.json"), "--seed", SEED])
            .envs([
                ("SCHEMATHESIS_HOOKS", "schemathesis_hooks"),
                ("PYTHONPATH", "xtask"),
            ])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // One worker: threads upset hypothesis's own parser.
            .args(["--workers", "1"])
            .args(["--checks", CHECKS])
            .arg("--report-dir")
            .arg(cache::target_dir().join("xtask/schemathesis")),
    )
}
