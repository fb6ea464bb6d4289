use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use quartz_client::Record;

use super::{Format, jsonl, npy, parquet};

/// How fields of a file map to parts of a record.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) sidecar: Option<PathBuf>,
    pub(super) id_field: String,
    pub(super) vector_field: String,
    pub(super) text_field: Option<String>,
    pub(super) ignore: Vec<String>,
}

#[cfg(test)]
impl Default for Options {
    fn default() -> Self {
        Self {
            sidecar: None,
            id_field: "id".into(),
            vector_field: "vector".into(),
            text_field: None,
            ignore: Vec::new(),
        }
    }
}

/// The records of a file in their order. `None` stands for one that has expired: it counts, but
/// there is nothing to send.
pub(super) type Records = Box<dyn Iterator<Item = anyhow::Result<Option<Record>>> + Send>;

/// How much there is, as far as it can be known before reading.
#[derive(Clone, Debug)]
pub(super) enum Extent {
    Records(u64),
    Bytes { total: u64, read: Arc<AtomicU64> },
    Unknown,
}

/// A file that is being read, bit by bit.
pub(super) struct Source {
    pub(super) records: Records,
    pub(super) extent: Extent,
    /// What the user should know about how the file is read.
    pub(super) notes: Vec<String>,
}

/// Opens a file and passes over its first `skip` records.
pub(super) fn open(
    format: Format,
    path: &Path,
    options: &Options,
    skip: u64,
) -> anyhow::Result<Source> {
    match format {
        Format::Jsonl if path.as_os_str() == "-" => jsonl::stdin(),
        Format::Jsonl => jsonl::open(path, skip),
        Format::Parquet => parquet::open(path, options, skip),
        Format::Npy => npy::open(path, options, skip),
    }
}
