//! What no compiler checks. Each rule is a function from the tree to its faults.

mod crate_map;
mod decisions;
mod lines;
mod portable;
mod tree;
mod words;

use anyhow::{Result, bail};

use self::tree::Tree;

/// Crates that also run at the edge.
pub(crate) const PORTABLE: [&str; 5] = [
    "quartz-kernels",
    "quartz-core",
    "quartz-api",
    "quartz-service",
    "quartz-http",
];
/// Their folders.
const PORTABLE_FOLDERS: [&str; 5] = [
    "crates/kernels/",
    "crates/core/",
    "crates/api/",
    "crates/service/",
    "crates/http/",
];

/// Checks the tree and prints its faults.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read()?;
    let faults = faults(&tree)?;
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        println!("{} files are tidy", tree.files.len());
        return Ok(());
    }
    bail!("{} faults", faults.len())
}

fn faults(tree: &Tree) -> Result<Vec<String>> {
    let mut faults = crate_map::faults(&crate_map::read()?);
    faults.extend(decisions::faults(tree));
    for file in &tree.files {
        faults.extend(lines::faults(file));
        faults.extend(words::faults(file));
        faults.extend(portable::faults(file));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let faults = faults(&Tree::read().unwrap()).unwrap();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}
