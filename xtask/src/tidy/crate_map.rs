//! Which crate may know which: the map at the head of the architecture.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{output, program};

/// A crate of ours and those of ours that it may depend on.
const MAP: [(&str, &[&str]); 12] = [
    ("quartz-kernels", &[]),
    ("quartz-core", &["quartz-kernels"]),
    ("quartz-engines", &["quartz-core"]),
    ("quartz-api", &[]),
    ("quartz-service", &["quartz-core"]),
    (
        "quartz-http",
        &["quartz-api", "quartz-core", "quartz-service"],
    ),
    (
        "quartzdb",
        &[
            "quartz-http",
            "quartz-service",
            "quartz-core",
            "quartz-engines",
            "quartz-api",
            "quartz-client",
        ],
    ),
    ("quartz-client", &["quartz-api"]),
    (
        "quartz-worker",
        &[
            "quartz-http",
            "quartz-service",
            "quartz-core",
            "quartz-kernels",
            "quartz-api",
        ],
    ),
    // It must not share a mistake with what it tests.
    ("quartz-conformance", &[]),
    (
        "quartz-bench",
        &[
            "quartz-client",
            "quartz-kernels",
            "quartz-core",
            "quartz-engines",
            // The check of keys is measured in one process, beside the same router without it.
            "quartz-api",
            "quartz-http",
            "quartz-service",
        ],
    ),
    // It compares the committed OpenAPI document.
    ("xtask", &["quartz-http"]),
];

/// Crates and what they depend on, of ours.
pub(crate) type Known = BTreeMap<String, Vec<String>>;

/// Reads the crates of the workspace.
pub(crate) fn read() -> Result<Known> {
    let metadata = output(program("cargo").args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version=1",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let ours = dependencies.filter(|dependency| !dependency["path"].is_null());
            let ours = ours.map(|dependency| text(&dependency["name"])).collect();
            (text(&package["name"]), ours)
        })
        .collect())
}

pub(crate) fn faults(known: &Known) -> Vec<String> {
    let map = BTreeMap::from(MAP);
    let mut faults = Vec::new();
    for (name, ours) in known {
        let Some(allowed) = map.get(name.as_str()) else {
            faults.push(format!(
                "crate {name} is not on the map in xtask/src/tidy/crate_map.rs"
            ));
            continue;
        };
        for other in ours {
            if !allowed.contains(&other.as_str()) {
                faults.push(format!("crate {name} must not depend on {other}"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_dependencies_are_found() {
        let known = |name: &str, other: &str| [(name.into(), vec![other.into()])].into();
        assert_eq!(faults(&known("quartz-core", "quartz-kernels")).len(), 0);
        assert_eq!(faults(&known("quartz-core", "quartz-engines")).len(), 1);
        assert_eq!(faults(&known("quartz-new", "quartz-core")).len(), 1);
    }
}
