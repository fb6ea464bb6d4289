use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use crate::record::Record;

/// What a program has measured, in as many runs as it took: a record has all of it.
pub(crate) struct Results(PathBuf);

impl Results {
    /// Of this program and the server in use, kept in a folder between runs. Those of others are forgotten.
    pub(crate) fn open(cache: &Path, quartz: &Path) -> anyhow::Result<Self> {
        let all = cache.join("results");
        let own = all.join(program(quartz)?);
        fs::create_dir_all(&own)?;
        for entry in fs::read_dir(all)? {
            let path = entry?.path();
            if path != own {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(Self(own))
    }

    /// Keeps what a measure has found, in the place of what it found before.
    pub(crate) fn keep(&self, measure: &str, found: &Record) -> anyhow::Result<()> {
        Ok(fs::write(
            self.path(measure),
            serde_json::to_string(found)?,
        )?)
    }

    /// What these measures have found; those that were never run are left out.
    pub(crate) fn record(
        &self,
        measures: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> anyhow::Result<Record> {
        let mut record = Record::default();
        for measure in measures {
            if let Ok(found) = fs::read_to_string(self.path(measure.as_ref())) {
                record.append(serde_json::from_str(&found)?);
            }
        }
        Ok(record)
    }

    fn path(&self, measure: &str) -> PathBuf {
        self.0.join(format!("{measure}.json"))
    }
}

/// Names this program together with the server in use.
pub(crate) fn program(quartz: &Path) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    fs::read(std::env::current_exe()?)?.hash(&mut hasher);
    fs::read(quartz)?.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
