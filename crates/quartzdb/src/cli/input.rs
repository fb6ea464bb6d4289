use std::io::{IsTerminal, Read};

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::exit;

/// The bytes an argument stands for: `-` or nothing is standard input, `@file` a file, anything
/// else itself.
pub(super) fn bytes(argument: Option<&str>) -> anyhow::Result<Vec<u8>> {
    match argument {
        None | Some("-") => stdin(argument.is_none()),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => file(path.as_ref()),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}

/// A file's bytes.
pub(super) fn file(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Standard input's bytes. If nobody asked for it, a terminal is a forgotten argument.
pub(super) fn stdin(implied: bool) -> anyhow::Result<Vec<u8>> {
    let mut stdin = std::io::stdin().lock();
    if implied && stdin.is_terminal() {
        return Err(exit::usage(
            "nothing to send: give it as an argument, in a file or on standard input (see --help)",
        ));
    }
    let mut bytes = Vec::new();
    stdin
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    Ok(bytes)
}

/// What an argument stands for, as JSON of the given shape.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> anyhow::Result<T> {
    if bytes.trim_ascii().is_empty() {
        return Err(exit::usage(format!("{what} is empty (see --help)")));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| exit::usage(format!("{what} is not usable: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_text_or_files() {
        assert_eq!(bytes(Some("{\"a\":1}")).unwrap(), b"{\"a\":1}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let argument = format!("@{}", file.path().display());
        assert_eq!(bytes(Some(&argument)).unwrap(), b"hello");
        assert!(bytes(Some("@/nowhere/at/all")).is_err());
        let error = json::<Vec<u8>>(b"[1,", "the list").unwrap_err();
        assert!(error.to_string().starts_with("the list is not usable: EOF"));
    }
}
