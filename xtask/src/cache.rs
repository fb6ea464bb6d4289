//! What outlives a clone: built tools, the Python environment and, in CI, build artefacts.
//!
//! `QUARTZ_CACHE`, else `~/.cache/quartzdb`, else, where neither can be written, `target/cache`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::process::root;

/// Whether a CI machine runs this.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// The cache.
pub(crate) fn dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> =
        LazyLock::new(|| shared().unwrap_or_else(|| root().join("target").join("cache")));
    &DIR
}

/// Where builds go. Only CI shares it between clones: two people who edit must not build over
/// each other.
pub(crate) fn target_dir() -> PathBuf {
    if let Some(chosen) = env::var_os("CARGO_TARGET_DIR") {
        return root().join(chosen);
    }
    match shared() {
        Some(cache) if is_ci() => cache.join("target"),
        _ => root().join("target"),
    }
}

fn shared() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache/quartzdb"));
    let cache = env::var_os("QUARTZ_CACHE")
        .map(PathBuf::from)
        .or_else(home)
        .filter(|path| path.is_absolute())?;
    fs::create_dir_all(&cache).ok()?;
    let probe = cache.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, "").ok()?;
    fs::remove_file(&probe).ok()?;
    Some(cache)
}
