//! How far an import has come, kept beside its file: `FILE.quartz-import`.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::cli::format;

const BETWEEN_WRITES: Duration = Duration::from_millis(500);

/// What is imported where. A position is good only for the same job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    url: String,
    namespace: String,
    bytes: u64,
    modified_milliseconds: u64,
}

impl Job {
    pub(super) fn new(url: &str, namespace: &str, file: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("cannot open {}", file.display());
        let metadata = fs::metadata(file).with_context(unreadable)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            namespace: namespace.to_owned(),
            bytes: metadata.len(),
            modified_milliseconds: u64::try_from(modified.unwrap_or_default().as_millis())?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Records from the start of the file that the server has acknowledged, without a gap.
    acknowledged: u64,
    #[serde(flatten)]
    job: Job,
}

/// The position of one import, on disk at most half a second behind. Importing some records a
/// second time is harmless, so behind is safe; it is never ahead.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    state: State,
    written: Option<Instant>,
}

impl Journal {
    pub(super) fn open(file: &Path, job: Job, resume: bool) -> anyhow::Result<Self> {
        let mut name = file.as_os_str().to_owned();
        name.push(".quartz-import");
        let path = PathBuf::from(name);
        let earlier = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<State>(&bytes).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let acknowledged = match earlier {
            Some(earlier) if resume && earlier.job == job => earlier.acknowledged,
            Some(_) if resume => bail!(
                "{} is of another import: the file has changed since, or went to another server or \
                 namespace. Without --resume the import begins again",
                path.display()
            ),
            None if resume => {
                eprintln!("no earlier import to resume: beginning at the start");
                0
            }
            Some(earlier) if earlier.job == job => {
                let stored = format::count(earlier.acknowledged);
                eprintln!("beginning again; --resume would go on after {stored} records");
                0
            }
            _ => 0,
        };
        Ok(Self {
            path,
            state: State { acknowledged, job },
            written: None,
        })
    }

    /// Records that need not be sent again.
    pub(super) fn position(&self) -> u64 {
        self.state.acknowledged
    }

    /// The server has stored all records before `position`.
    pub(super) fn acknowledged(&mut self, position: u64) -> anyhow::Result<()> {
        self.state.acknowledged = position;
        if self.written.is_none_or(|at| at.elapsed() >= BETWEEN_WRITES) {
            self.keep()?;
            self.written = Some(Instant::now());
        }
        Ok(())
    }

    /// Writes the position now: a whole new file, synced, in the place of the old one.
    pub(super) fn keep(&self) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let draft = self.path.with_extension("quartz-import-new");
            let mut file = File::create(&draft)?;
            file.write_all(&serde_json::to_vec(&self.state)?)?;
            file.sync_all()?;
            Ok(fs::rename(&draft, &self.path)?)
        };
        write().with_context(|| {
            format!(
                "cannot write {}, which makes imports resumable",
                self.path.display()
            )
        })
    }

    /// Everything is stored: nothing is left to remember.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn job(file: &Path) -> Job {
        Job::new("http://localhost:6464/", "docs", file).unwrap()
    }

    #[test]
    fn a_position_survives_and_is_gone_when_finished() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.npy");
        fs::write(&file, "data").unwrap();
        let mut journal = Journal::open(&file, job(&file), true).unwrap();
        assert_eq!(journal.position(), 0);
        journal.acknowledged(500).unwrap();
        drop(journal);

        let mut journal = Journal::open(&file, job(&file), true).unwrap();
        assert_eq!(journal.position(), 500);
        journal.acknowledged(1_000).unwrap();
        journal.acknowledged(1_500).unwrap();
        journal.keep().unwrap();
        assert_eq!(
            Journal::open(&file, job(&file), false).unwrap().position(),
            0
        );
        assert_eq!(
            Journal::open(&file, job(&file), true).unwrap().position(),
            1_500
        );
        journal.finish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(
            Journal::open(&file, job(&file), true).unwrap().position(),
            0
        );
    }

    #[test]
    fn another_job_is_not_resumed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.npy");
        fs::write(&file, "data").unwrap();
        let mut journal = Journal::open(&file, job(&file), false).unwrap();
        journal.acknowledged(500).unwrap();
        let other = Job::new("http://localhost:6464", "other", &file).unwrap();
        assert!(Journal::open(&file, other, true).is_err());
        fs::write(&file, "other data").unwrap();
        assert!(Journal::open(&file, job(&file), true).is_err());
        assert_eq!(
            Journal::open(&file, job(&file), false).unwrap().position(),
            0
        );
        fs::write(folder.path().join("a.npy.quartz-import"), "garbage").unwrap();
        assert_eq!(
            Journal::open(&file, job(&file), true).unwrap().position(),
            0
        );
    }
}
