//! The LSM tree below: how it is opened, and its failures in the words of the trait.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, SequenceNumberCounter,
    config::{BlockSizePolicy, CompressionPolicy},
};
use quartz_core::store::{Result, StoreError};
use xxhash_rust::xxh3::xxh3_128;

use super::{Options, directory::io_error};

/// Point reads want small blocks, scans large ones; values are mostly vectors, which do not compress.
const BLOCK_BYTES: u32 = 4 << 10;
const CURRENT: &str = "current";

/// Makes an empty tree.
pub(super) fn create(folder: &Path) -> std::io::Result<()> {
    Config::new(
        folder,
        SequenceNumberCounter::default(),
        SequenceNumberCounter::default(),
    )
    .open()
    .map(drop)
    .map_err(|error| match error {
        lsm_tree::Error::Io(error) => error,
        other => std::io::Error::other(other),
    })
}

/// Opens the tree. `seqno` is shared with the committer: the tree draws from it for its own changes.
pub(super) fn open(
    folder: &Path,
    options: &Options,
    seqno: &SequenceNumberCounter,
) -> Result<AnyTree> {
    check_manifest(folder)?;
    // The tree makes its own changes visible in a counter that nobody reads: what snapshots see is
    // ours to say, because the tree would publish a group that is still being applied.
    let unread = SequenceNumberCounter::default();
    let tree = guarded(&place(folder), || {
        Config::new(folder, seqno.clone(), unread)
            .use_cache(Arc::new(Cache::with_capacity_bytes(
                options.cache_bytes / 4,
            )))
            .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
            .data_block_compression_policy(CompressionPolicy::disabled())
            .open()
    })?;
    Ok(tree)
}

/// The tree does not check its list of tables against the checksum that stands beside its name,
/// and deletes tables that are not in the list.
fn check_manifest(folder: &Path) -> Result<()> {
    let current = folder.join(CURRENT);
    let pointer = fs::read(&current).map_err(|error| io_error(&current, &error))?;
    let corrupt = |path: &Path| StoreError::Corrupt {
        place: path.display().to_string(),
        detail: "the list of tables does not fit its checksum".to_owned(),
    };
    let (Some(version), Some(checksum), Some(0), 25) = (
        pointer
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes)),
        pointer
            .get(8..)
            .and_then(<[u8]>::first_chunk)
            .map(|bytes| u128::from_le_bytes(*bytes)),
        pointer.get(24),
        pointer.len(),
    ) else {
        return Err(corrupt(&current));
    };
    let manifest = folder.join(format!("v{version}"));
    let bytes = fs::read(&manifest).map_err(|error| io_error(&manifest, &error))?;
    if xxh3_128(&bytes) != checksum {
        return Err(corrupt(&manifest));
    }
    Ok(())
}

/// Reads every table file and compares it with the checksum in the list of tables; gives their
/// number and bytes.
pub(super) fn check_tables(tree: &AnyTree, place: &str) -> Result<(usize, u64)> {
    let version = guarded(place, || Ok(tree.current_version()))?;
    let (mut count, mut bytes) = (0, 0);
    for table in version.iter_tables() {
        let path: &Path = &table.path;
        let content = fs::read(path).map_err(|error| io_error(path, &error))?;
        if xxh3_128(&content) != table.checksum().into_u128() {
            return Err(StoreError::Corrupt {
                place: path.display().to_string(),
                detail: "the table does not fit its checksum".to_owned(),
            });
        }
        count += 1;
        bytes += content.len() as u64;
    }
    Ok((count, bytes))
}

/// Runs a call into the tree. It panics on some kinds of damage; that is reported as such.
pub(super) fn guarded<T>(place: &str, call: impl FnOnce() -> lsm_tree::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(lsm_tree::Error::Io(error))) => Err(io_error(Path::new(place), &error)),
        Ok(Err(error)) => Err(StoreError::Corrupt {
            place: place.to_owned(),
            detail: error.to_string(),
        }),
        Err(panic) => {
            let detail = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default();
            Err(StoreError::Corrupt {
                place: place.to_owned(),
                detail: format!("reading stopped at an impossible state: {detail}"),
            })
        }
    }
}

/// A path as the place of an error.
pub(super) fn place(path: &Path) -> String {
    path.display().to_string()
}
