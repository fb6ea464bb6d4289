//! The portable crates have no clock, no threads, no files and no randomness: a host brings them.
//! Clippy bans the calls; this also finds what it does not see, such as an imported type.

use super::{PORTABLE_FOLDERS, tree::File};

/// What is forbidden, and what to do instead.
const BANS: [(&str, &str); 8] = [
    ("SystemTime", "take the time from quartz_core::Clock"),
    ("Instant", "take the time from the host"),
    ("std::thread", "spawn through the host"),
    ("std::fs", "keep data in a quartz_core::store::Store"),
    ("std::net", "the host has the sockets"),
    ("std::process", "the host has the processes"),
    ("rand::", "take randomness from the host"),
    ("getrandom", "take randomness from the host"),
];

/// Modules of the standard library, as they stand in a list of imports.
const HOSTED: [&str; 4] = ["thread", "fs", "net", "process"];

pub(crate) fn faults(file: &File) -> Vec<String> {
    let sources = |folder: &str| file.path.starts_with(&format!("{folder}src/"));
    if !file.is_rust() || !PORTABLE_FOLDERS.iter().any(|folder| sources(folder)) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in file.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (ban, instead) in BANS {
            if code.contains(ban) {
                let rule = format!("`{ban}` in a portable crate: {instead}");
                faults.push(file.fault(number, &rule));
            }
        }
    }
    for (at, _) in file.text.match_indices("use std::{") {
        let list = file.text[at..].split(';').next().unwrap_or_default();
        let list: String = list.split_whitespace().collect();
        if let Some(module) = HOSTED.iter().find(|module| names(&list, module)) {
            let number = file.text[..at].lines().count() + 1;
            let rule = format!("`std::{module}` in a portable crate: that is the host's");
            faults.push(file.fault(number, &rule));
        }
    }
    faults
}

/// Whether a list of imports names the module itself.
fn names(list: &str, module: &str) -> bool {
    list.split(['{', '}', ',', ';'])
        .any(|item| item == module || item.starts_with(&format!("{module}::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambient_things_are_found() {
        let file = |path: &str, line: &str| faults(&File::new(path, line)).len();
        let core = "crates/core/src/a.rs";
        assert_eq!(file(core, "use std::time::{Duration, Instant};"), 1);
        assert_eq!(file(core, "use std::{\n    fmt,\n    fs,\n};"), 1);
        assert_eq!(file(core, "std::thread::spawn(f);"), 1);
        assert_eq!(file(core, "use std::{fmt, sync::Arc}; // no std::fs"), 0);
        assert_eq!(file("crates/core/tests/a.rs", "std::thread::spawn(f);"), 0);
        assert_eq!(file("crates/engines/src/a.rs", "std::fs::read(f);"), 0);
    }
}
