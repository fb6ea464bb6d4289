//! The program that packs the module. It takes minutes to compile, so it is built once and kept.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    cache,
    process::{in_ci, program, root, run},
};

const FOLDER: &str = "xtask/bundler";
const SOURCES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "src/main.rs"];

/// Path of the program, built if its sources have changed.
pub(crate) fn bundler() -> Result<PathBuf> {
    let folder = root().join(FOLDER);
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        fs::read(folder.join(source))?.hash(&mut hasher);
    }
    let home = cache::dir().join("tools");
    let built = home.join(format!("bin/quartz-bundler-{:08x}", hasher.finish() as u32));
    if !built.is_file() {
        println!("building the bundler; this takes minutes, once");
        build(&folder, &home, &built)?;
    }
    Ok(built)
}

fn build(folder: &Path, home: &Path, built: &Path) -> Result<()> {
    // Kept, so that a change of ours compiles only our file again.
    let target = home.join("bundler-build");
    let mut cargo = program("cargo");
    in_ci(&mut cargo);
    run(cargo
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--quiet", "--release", "--locked"]))?;
    fs::create_dir_all(home.join("bin"))?;
    fs::copy(target.join("release/quartz-bundler"), built)?;
    Ok(())
}
