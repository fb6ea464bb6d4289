//! Files that can be read in one sitting and make clean differences.

use super::tree::File;

const LINES_MAX: usize = 600;

pub(crate) fn faults(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    let count = file.lines().count();
    if file.is_source() && count > LINES_MAX {
        let rule = format!("{count} lines; the most is {LINES_MAX}: split it along its ideas");
        faults.push(file.fault(LINES_MAX + 1, &rule));
    }
    // What others have written, or a program has, is kept as it came.
    if file.path.contains("/assets/") || file.path.ends_with(".lock") {
        return faults;
    }
    for (number, line) in file.lines() {
        if line.ends_with([' ', '\t', '\r']) {
            faults.push(file.fault(number, "white space at the end of the line"));
        }
    }
    // Seeds of the fuzzer are input, byte for byte.
    let is_seed = file.path.starts_with("fuzz/seeds");
    if !is_seed && !file.text.is_empty() && !file.text.ends_with('\n') {
        faults.push(file.fault(count, "no newline at the end of the file"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_ragged_files_are_found() {
        let long = File::new("a.rs", &"x\n".repeat(LINES_MAX + 1));
        assert_eq!(faults(&long).len(), 1);
        assert_eq!(faults(&File::new("a.json", &long.text)).len(), 0);
        assert_eq!(faults(&File::new("a.md", "a \nb")).len(), 2);
        assert_eq!(faults(&File::new("a.md", "a\n\nb\n")).len(), 0);
    }
}
