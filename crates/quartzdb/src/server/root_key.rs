use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use quartz_service::{AccountId, key_text};

/// The root key of a data directory, made on the first start; then also the file it was written to.
pub(super) fn load_or_make(data: &Path) -> anyhow::Result<(String, Option<PathBuf>)> {
    let path = data.join("root.key");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let key = text.trim().to_owned();
            let account = key_text::account(&key);
            anyhow::ensure!(
                account.as_ref().is_ok_and(AccountId::is_root),
                "{} does not hold a root key; restore it, or move it away to get a new one",
                path.display()
            );
            Ok((key, None))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut random = [0; 32];
            getrandom::fill(&mut random).context("the system gives no random numbers")?;
            let key = key_text::make(AccountId::ROOT, random);
            write(&path, &key).with_context(|| format!("cannot write {}", path.display()))?;
            Ok((key, Some(path)))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes the key to a file that only its owner can read, whole or not at all.
fn write(path: &Path, key: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("key.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let (key, path) = load_or_make(directory.path()).unwrap();
        let mode = fs::metadata(path.unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (again, path) = load_or_make(directory.path()).unwrap();
        assert_eq!((again, path), (key, None));
        fs::write(directory.path().join("root.key"), "qz_root_oops\n").unwrap();
        assert!(load_or_make(directory.path()).is_err());
    }
}
