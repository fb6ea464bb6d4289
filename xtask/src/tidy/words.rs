//! Words that mean unfinished work, tests that do not run, and unsafe code outside its crate.

use super::tree::File;

/// Written in halves, so that this file passes its own check.
const UNFINISHED: [&str; 6] = [
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];
const IGNORED: &str = concat!("#[igno", "re");

pub(crate) fn faults(file: &File) -> Vec<String> {
    if !file.is_source() && !file.path.ends_with(".toml") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in file.lines() {
        for word in UNFINISHED {
            if holds_word(line, word) {
                let rule =
                    format!("`{word}` is unfinished work: finish it, or write down a decision");
                faults.push(file.fault(number, &rule));
            }
        }
        if file.is_rust() && line.contains(IGNORED) {
            faults.push(file.fault(number, "a test that is not run proves nothing"));
        }
        if file.is_rust() && !file.path.starts_with("crates/kernels/") && is_unsafe(line) {
            faults.push(file.fault(number, "unsafe code belongs in crates/kernels"));
        }
    }
    faults
}

/// Whether the line holds `word` and not just a longer word around it.
fn holds_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(joins) && !line[start + word.len()..].starts_with(joins)
    })
}

/// Whether the line has the keyword in code; in quotes or a comment it is a word about code.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split('"')
        .step_by(2)
        .any(|part| holds_word(part, "unsafe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        let file = |line: &str| faults(&File::new("crates/core/src/a.rs", line)).len();
        assert_eq!(file(concat!("    todo", "!()")), 1);
        assert_eq!(file(concat!("// XX", "X: later")), 1);
        assert_eq!(file(concat!("let a = \"XX", "XL\";")), 0);
        assert_eq!(file(concat!("#[igno", "re]")), 1);
        assert_eq!(file("unsafe { f() }"), 1);
        assert_eq!(file("#![forbid(unsafe_code)] // unsafe { }"), 0);
        let kernels = File::new("crates/kernels/src/a.rs", "unsafe fn f() {}");
        assert_eq!(faults(&kernels).len(), 0);
    }
}
