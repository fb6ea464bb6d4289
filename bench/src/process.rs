use std::fs;

use anyhow::Context;

/// Bytes of a process that are in memory; `self` is this one.
pub(crate) fn resident_bytes(process: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kibibytes: u64 = line
        .split_whitespace()
        .next()
        .context("no figure")?
        .parse()?;
    Ok(kibibytes * 1024)
}
