//! Packages of the operating system.

use std::sync::Once;

use anyhow::{Result, bail};

use crate::process::{self, program, run};

/// Sees to it that the program `name` is there: on Debian, as root, by installing `packages`.
pub(crate) fn need(name: &str, packages: &[&str]) -> Result<()> {
    if process::find(name).is_some() {
        return Ok(());
    }
    install(packages)
}

/// Installs packages, or says which are needed.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    static UPDATE: Once = Once::new();
    let names = packages.join(" ");
    if process::find("apt-get").is_none() {
        bail!("this machine lacks what Debian calls {names}; install it");
    }
    if process::output(program("id").arg("-u"))? != "0" {
        bail!("this machine lacks {names}; run `sudo apt-get install {names}`");
    }
    let mut updated = Ok(());
    UPDATE.call_once(|| updated = run(program("apt-get").args(["update", "-qq"])));
    updated?;
    run(program("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}
