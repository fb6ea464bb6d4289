use std::fs;

use anyhow::Context;

/// Bytes of this process that are in memory.
pub(crate) fn resident_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
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
