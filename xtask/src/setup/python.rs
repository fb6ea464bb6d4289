//! The Python environment of the property tests over HTTP.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use anyhow::Result;

use super::debian;
use crate::{
    cache,
    process::{self, program, run},
};

const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// Folder of the environment's programs.
pub(crate) fn python() -> Result<PathBuf> {
    environment(REQUIREMENTS)
}

/// Folder of the programs of an environment with these requirements, made if it is missing.
pub(crate) fn environment(requirements: &str) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    // The last thing written says that the rest is complete.
    let home = cache::dir().join(format!("python-{:08x}", hasher.finish() as u32));
    let complete = home.join("complete");
    let programs = home.join("bin");
    if complete.is_file() && process::succeeds(program(programs.join("python")).arg("--version")) {
        return Ok(programs);
    }
    if !process::succeeds(program("python3").args(["-c", "import ensurepip, venv"])) {
        debian::install(&["python3", "python3-venv"])?;
    }
    run(program("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))?;
    let list = home.join("requirements.txt");
    fs::write(&list, requirements)?;
    run(program(programs.join("pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(list))?;
    fs::write(complete, "")?;
    Ok(programs)
}
