//! A compiler for wasm32: rustup's, or, where rustup cannot fetch the target, Debian's with a
//! standard library built once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::debian;
use crate::{
    cache,
    process::{cargo, in_ci, output, program, run, succeeds},
};

/// The target.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// What compiles for wasm32.
#[derive(Debug)]
pub(crate) enum Wasm {
    /// The toolchain in use.
    Rustup,
    /// Debian's, with the library in this sysroot.
    Debian(PathBuf),
}

impl Wasm {
    /// Clippy's compiler. Debian's would be of another version, whose lints are not ours.
    pub(crate) fn clippy(&self) -> Option<&'static str> {
        matches!(self, Self::Rustup).then_some("clippy-driver")
    }

    /// A cargo that can check for the target, with `flags` for rustc.
    pub(crate) fn cargo(&self, flags: &str) -> Command {
        match self {
            Self::Rustup => {
                let mut command = cargo();
                command.env("RUSTFLAGS", flags);
                command
            }
            Self::Debian(sysroot) => {
                let mut command = debian_cargo();
                in_ci(&mut command);
                let sysroot = sysroot.display();
                command.env(
                    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
                    format!("{flags} --sysroot={sysroot} -Clinker-flavor=wasm-ld"),
                );
                command
            }
        }
    }
}

/// Finds or makes a compiler for the target. `QUARTZ_WASM=debian` asks for Debian's.
pub(crate) fn prepare() -> Result<Wasm> {
    let wants_debian = std::env::var_os("QUARTZ_WASM").is_some_and(|value| value == "debian");
    if !wants_debian {
        if has_library() {
            return Ok(Wasm::Rustup);
        }
        let mut add = program("rustup");
        add.args(["target", "add", TARGET]);
        if run(&mut add).is_ok() && has_library() {
            return Ok(Wasm::Rustup);
        }
        println!("rustup cannot add {TARGET}; taking Debian's compiler instead");
    }
    debian().context("no compiler for wasm32; see xtask/src/setup/wasm.rs")
}

/// Whether the toolchain in use has the target's standard library.
fn has_library() -> bool {
    let folder = output(program("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_ok_and(|folder| holds_std(Path::new(&folder)))
}

fn holds_std(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

fn debian_cargo() -> Command {
    let mut command = program("/usr/bin/cargo");
    command.env_remove("RUSTFLAGS");
    command.env("RUSTC", "/usr/bin/rustc");
    command.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
        "/usr/bin/wasm-ld-19",
    );
    command
}

/// Debian ships the sources of the standard library; they are built once, so that no later build
/// needs `-Zbuild-std`.
fn debian() -> Result<Wasm> {
    const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
    if !PACKAGES
        .iter()
        .all(|package| succeeds(program("dpkg").args(["-s", package])))
    {
        debian::install(&PACKAGES)?;
    }
    let version = output(program("/usr/bin/rustc").arg("-V"))?;
    let version = version.split(' ').nth(1).unwrap_or_default().to_owned();
    let sysroot = cache::dir().join(format!("wasm-sysroot-{version}"));
    let rustlib = sysroot.join("lib/rustlib");
    let library = rustlib.join(TARGET).join("lib");
    if !holds_std(&library) {
        build_std(&library)?;
        // Macros and build scripts run on the host.
        let host = output(program("/usr/bin/rustc").args(["--print", "host-tuple"]))?;
        let link = rustlib.join(&host);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(Path::new("/usr/lib/rustlib").join(&host), link)?;
    }
    Ok(Wasm::Debian(sysroot))
}

fn build_std(library: &Path) -> Result<()> {
    let project = cache::dir().join("wasm-std");
    fs::create_dir_all(project.join("src"))?;
    fs::write(project.join("src/lib.rs"), "")?;
    fs::write(
        project.join("Cargo.toml"),
        "[package]\nname = \"wasm-std\"\nedition = \"2021\"\n[workspace]\n\
         [profile.release]\npanic = \"abort\"\n",
    )?;
    run(debian_cargo()
        .current_dir(&project)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            "-Clinker-flavor=wasm-ld -Cembed-bitcode=yes",
        )
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort"))?;
    let partial = library.with_extension("partial");
    fs::create_dir_all(&partial)?;
    let built = project.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.extension().is_some_and(|kind| kind == "rlib") && !name.starts_with("libwasm_std") {
            fs::copy(&path, partial.join(name))?;
        }
    }
    fs::rename(partial, library)?;
    fs::remove_dir_all(project)?;
    Ok(())
}
