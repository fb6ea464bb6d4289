//! The files that are ours: what Git tracks or would track.

use std::fs;

use anyhow::Result;

use crate::process::{output, program, root};

/// All files of text.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// A file of text.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root of the workspace, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    pub(crate) fn read() -> Result<Self> {
        let listed = output(program("git").args([
            "-c",
            "core.quotePath=off",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let files = listed.lines().filter_map(|path| {
            // A tracked file may have been deleted; a file of bytes has no lines.
            let text = String::from_utf8(fs::read(root().join(path)).ok()?).ok()?;
            (!text.contains('\0')).then(|| File {
                path: path.to_owned(),
                text,
            })
        });
        Ok(Self {
            files: files.collect(),
        })
    }
}

impl File {
    /// A file with this content, for tests of rules.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Whether it is source code, rather than data, words or something generated.
    pub(crate) fn is_source(&self) -> bool {
        let kinds = [
            ".rs", ".py", ".ts", ".tsx", ".js", ".mjs", ".sh", ".css", ".html",
        ];
        kinds.iter().any(|kind| self.path.ends_with(kind))
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Its lines, numbered from one, without ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.split_terminator('\n'))
    }

    /// A fault in a line.
    pub(crate) fn fault(&self, line: usize, rule: &str) -> String {
        format!("{}:{line}: {rule}", self.path)
    }
}
