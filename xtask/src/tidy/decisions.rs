//! Each decision record has a number of its own. A gap is a number that was set aside.

use super::tree::Tree;

const FOLDER: &str = "docs/decisions/";

pub(crate) fn faults(tree: &Tree) -> Vec<String> {
    let paths = tree.files.iter().map(|file| file.path.as_str());
    in_paths(paths.filter_map(|path| path.strip_prefix(FOLDER)))
}

fn in_paths<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut numbers = Vec::new();
    for name in names.filter(|name| name.ends_with(".md") && *name != "README.md") {
        match number(name) {
            Some(number) => numbers.push(number),
            None => faults.push(format!(
                "{FOLDER}{name}: a record is called NNNN-subject.md"
            )),
        }
    }
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[0] == pair[1] {
            faults.push(format!("{FOLDER}: {:04} stands twice", pair[0]));
        }
    }
    faults
}

fn number(name: &str) -> Option<u32> {
    let (digits, subject) = name.split_once('-')?;
    (digits.len() == 4 && subject.len() > ".md".len())
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_stand_twice_are_found() {
        let count = |names: &[&str]| in_paths(names.iter().copied()).len();
        assert_eq!(count(&["0002-b.md", "0001-a.md", "README.md"]), 0);
        assert_eq!(count(&["0001-a.md", "0003-b.md"]), 0);
        assert_eq!(count(&["0001-a.md", "0001-b.md"]), 1);
        assert_eq!(count(&["1-a.md"]), 1);
    }
}
