//! The directory of a store: who may use it, which format it has, how much room its disk has.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use quartz_core::store::{Result, StoreError};
use xxhash_rust::xxh3::xxh3_64;

use super::{journal, tree, witness::Witness};

/// The version of everything in the directory. A newer program opens older versions, never the
/// other way round.
pub(super) const FORMAT_VERSION: u32 = 1;

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
/// Stands in for `FORMAT` while a store is being created, so that an interrupted creation is known.
const FORMAT_DRAFT: &str = "FORMAT.new";
const WITNESS: &str = "WITNESS";
const JOURNAL: &str = "journal";
const TREE: &str = "tree";

/// A store's directory, locked for as long as this lives.
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Locks the directory, and creates the store in it if it is empty or not there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| refuse(path, &format!("it cannot be created: {error}")))?;
        let entries = list(path).map_err(|error| io_error(path, &error))?;
        let known = entries
            .iter()
            .any(|name| name == FORMAT || name == FORMAT_DRAFT);
        let foreign = entries
            .iter()
            .find(|name| *name != LOCK && *name != "lost+found");
        if let Some(foreign) = foreign
            && !known
        {
            let detail = format!(
                "it is not empty ({foreign} is in it) and has no {FORMAT} file, so it is not a QuartzDB store; choose an empty directory"
            );
            return Err(refuse(path, &detail));
        }
        let directory = Self {
            path: path.to_owned(),
            _lock: lock(path)?,
        };
        if path.join(FORMAT).exists() {
            directory.check_format()?;
        } else {
            directory.create().map_err(|error| io_error(path, &error))?;
        }
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.path.join(TREE)
    }

    pub(super) fn witness(&self) -> PathBuf {
        self.path.join(WITNESS)
    }

    /// Bytes an ordinary user may still write.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Everything is made anew and becomes a store by the last step, one rename.
    fn create(&self) -> io::Result<()> {
        for part in [self.journal(), self.tree()] {
            if part.exists() {
                fs::remove_dir_all(part)?;
            }
        }
        let draft = self.path.join(FORMAT_DRAFT);
        let mut file = File::create(&draft)?;
        file.write_all(format_line(FORMAT_VERSION).as_bytes())?;
        file.sync_all()?;
        sync_directory(&self.path)?;
        fs::create_dir(self.journal())?;
        journal::create_first(&self.journal())?;
        Witness::create(&self.witness())?;
        tree::create(&self.tree())?;
        sync_directory(&self.path)?;
        fs::rename(draft, self.path.join(FORMAT))?;
        sync_directory(&self.path)?;
        if let Some(parent) = self.path.parent().filter(|parent| parent.is_dir()) {
            sync_directory(parent)?;
        }
        Ok(())
    }

    fn check_format(&self) -> Result<()> {
        let path = self.path.join(FORMAT);
        let text = fs::read(&path).map_err(|error| io_error(&path, &error))?;
        let text = String::from_utf8_lossy(&text);
        let version = text
            .strip_prefix("quartzdb local store, format ")
            .and_then(|rest| rest.split(',').next())
            .and_then(|number| number.parse::<u32>().ok())
            .filter(|version| text == format_line(*version))
            .ok_or_else(|| StoreError::Corrupt {
                place: path.display().to_string(),
                detail: "the format line does not fit its checksum".to_owned(),
            })?;
        if version > FORMAT_VERSION {
            let detail = format!(
                "it has format {version}, and this program knows formats up to {FORMAT_VERSION}; use a newer program"
            );
            return Err(refuse(&self.path, &detail));
        }
        Ok(())
    }
}

/// The content of the `FORMAT` file of a version.
pub(super) fn format_line(version: u32) -> String {
    let text = format!("quartzdb local store, format {version}");
    let checksum = xxh3_64(text.as_bytes());
    format!("{text}, checksum {checksum:016x}\n")
}

fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK))
        .map_err(|error| io_error(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refuse(
            path,
            "it is in use by another process or by another store in this one; stop that one first, or choose another directory",
        )),
        Err(TryLockError::Error(error)) => Err(io_error(path, &error)),
    }
}

fn list(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn refuse(path: &Path, detail: &str) -> StoreError {
    StoreError::Refused(format!("directory {}: {detail}", path.display()))
}

/// An I/O error at `path` in the words of the trait.
pub(super) fn io_error(path: &Path, error: &io::Error) -> StoreError {
    use io::ErrorKind::{
        FileTooLarge, InvalidData, InvalidInput, NotFound, QuotaExceeded, StorageFull,
        UnexpectedEof,
    };
    let place = path.display();
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full(format!("{place}: {error}")),
        UnexpectedEof | InvalidData | InvalidInput | NotFound => StoreError::Corrupt {
            place: place.to_string(),
            detail: error.to_string(),
        },
        _ => StoreError::Unavailable(format!("{place}: {error}")),
    }
}
