//! The role × endpoint matrix: `role_matrix.txt`, which `UPDATE_FIXTURES=1` writes anew.

use quartz_http::{openapi_document, role_matrix};
use serde_json::Value;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/role_matrix.txt");

/// Every endpoint of the document below `/v1`, in its order.
pub(crate) fn endpoints() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&openapi_document()).unwrap();
    let mut endpoints = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if path.starts_with("/v1/") {
            let methods = item.as_object().unwrap().keys();
            let known = ["get", "head", "put", "post", "patch", "delete"];
            let methods = methods.filter(|method| known.contains(&method.as_str()));
            endpoints.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
        }
    }
    endpoints.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    endpoints
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests have files")]
fn every_endpoint_is_in_the_committed_matrix() {
    let matrix = role_matrix(&endpoints());
    assert!(
        !matrix.contains("MISSING"),
        "an endpoint is not in access.rs:\n{matrix}"
    );
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(FIXTURE, &matrix).unwrap();
    }
    let committed = std::fs::read_to_string(FIXTURE).unwrap_or_default();
    assert_eq!(
        matrix, committed,
        "who may do what has changed; look, then UPDATE_FIXTURES=1"
    );
}
