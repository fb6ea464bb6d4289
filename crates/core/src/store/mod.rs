//! The ordered map under everything: [`Store`], its [`Snapshot`]s and the [`Batch`].
//!
//! Records, vectors, postings and counters are key ranges in one map. What is committed together
//! is durable together, so nothing above this trait needs a log, a recovery step or a rebuild.
//!
//! Methods return boxed `Send` futures so that one compiled core serves every engine. Engines that
//! answer at once return ready futures; an await is paid per page of rows, never per vector.

mod batch;
pub mod conformance;
mod memory;
mod overlay;
mod scoped;

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

pub(crate) use self::overlay::Overlay;
pub use self::{
    batch::{Batch, Operation},
    memory::MemoryStore,
    scoped::ScopedStore,
};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An ordered map from byte strings to byte strings with atomic commits.
///
/// Keys are 1 to 65,535 bytes, values 0 to 64 MiB; order is bytewise, ascending.
pub trait Store: Send + Sync + 'static {
    /// Applies every operation of `batch`, in order, or none of them.
    ///
    /// When the future resolves to `Ok` the batch is visible to every later [`snapshot`](Store::snapshot)
    /// and, with [`Durability::Disk`], survives the loss of the process and of power. Commits whose
    /// futures overlap in time may be applied in any order and may share one sync. After `Err` the
    /// batch is either wholly absent or, if the engine could not tell, absent or present as a whole
    /// after the next open; it is never half there. Dropping the future does not cancel the commit.
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>>;

    /// A view of the map that never changes: every commit acknowledged before the call is in it,
    /// and every batch is in it as a whole or not at all.
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>>;

    /// Approximate number of bytes the map occupies where it is kept.
    fn size_bytes(&self) -> u64;
}

/// A frozen view of a [`Store`]. Holding one may delay the reclaiming of space, never a write.
pub trait Snapshot: Send + Sync {
    /// The value under `key`.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// The values under `keys`, in their order. For a store whose calls cost more than its rows, one call.
    fn get_many<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.get(key).await?);
            }
            Ok(values)
        })
    }

    /// The rows with `start <= key < end`, ascending, as one page: at most `limit.rows` rows, and
    /// no further row once the page holds `limit.bytes` bytes of keys and values (so at least one
    /// row comes back if one is there). An empty `end` stands for no upper end.
    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>>;
}

/// How far one [`Snapshot::scan`] may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimit {
    /// Most rows in the page, at least 1.
    pub rows: usize,
    /// The page ends with the row that reaches this many bytes.
    pub bytes: usize,
}

impl ScanLimit {
    /// At most `rows` rows and 1 MiB.
    #[must_use]
    pub const fn rows(rows: usize) -> Self {
        Self {
            rows,
            bytes: 1 << 20,
        }
    }
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Key and value, ascending by key.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether the limit ended the page; the next page starts behind the last key.
    pub more: bool,
}

/// What a commit promises before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Visible, and synced with a later commit: a crash may lose it together with all that followed.
    Memory,
    /// Synced to stable storage.
    #[default]
    Disk,
}

/// Why a store could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Stored bytes are damaged. Nothing of the damaged part is served.
    #[error("damaged data at {place}: {detail}")]
    Corrupt {
        /// The file, table or key that is damaged.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// No space is left; reads go on, and writes resume when space returns.
    #[error("no space left: {0}")]
    Full(String),
    /// The store cannot take the call now; the same call may succeed later.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// Another process has the store, it is of a newer format, or it cannot be opened for another
    /// reason that waiting does not mend.
    #[error("cannot open the store: {0}")]
    Refused(String),
}

impl StoreError {
    /// A damaged value, named by its key.
    #[must_use]
    pub fn corrupt_row(key: &[u8], detail: impl Into<String>) -> Self {
        Self::Corrupt {
            place: format!("key {}", key.escape_ascii()),
            detail: detail.into(),
        }
    }
}

/// The result of a store call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Walks a key range page by page.
///
/// ```
/// # use quartz_core::store::{Batch, Durability, MemoryStore, RowCursor, ScanLimit, Store};
/// # futures::executor::block_on(async {
/// let store = MemoryStore::default();
/// let mut batch = Batch::default();
/// batch.put(b"a".to_vec(), b"1".to_vec());
/// batch.put(b"b".to_vec(), b"2".to_vec());
/// store.commit(batch, Durability::Disk).await?;
///
/// let snapshot = store.snapshot().await?;
/// let mut cursor = RowCursor::new(&*snapshot, b"a".to_vec(), b"c".to_vec(), ScanLimit::rows(100));
/// let mut keys = Vec::new();
/// while let Some(rows) = cursor.next_page().await? {
///     keys.extend(rows.into_iter().map(|(key, _)| key));
/// }
/// assert_eq!(keys, ["a", "b"]);
/// # Ok::<(), quartz_core::store::StoreError>(())
/// # }).unwrap();
/// ```
pub struct RowCursor<'a> {
    snapshot: &'a dyn Snapshot,
    next: Option<Vec<u8>>,
    end: Vec<u8>,
    limit: ScanLimit,
}

impl<'a> RowCursor<'a> {
    /// Starts at `start`, ends before `end`.
    #[must_use]
    pub fn new(snapshot: &'a dyn Snapshot, start: Vec<u8>, end: Vec<u8>, limit: ScanLimit) -> Self {
        Self {
            snapshot,
            next: Some(start),
            end,
            limit,
        }
    }

    /// The next page, or `None` at the end. A page is never empty.
    ///
    /// # Errors
    /// Those of [`Snapshot::scan`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<(Bytes, Bytes)>>> {
        let Some(start) = self.next.take() else {
            return Ok(None);
        };
        let page = self.snapshot.scan(&start, &self.end, self.limit).await?;
        if page.more
            && let Some((last, _)) = page.rows.last()
        {
            self.next = Some(successor(last));
        }
        Ok((!page.rows.is_empty()).then_some(page.rows))
    }
}

/// The smallest key above `key`.
#[must_use]
pub fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The smallest key above every key that starts with `prefix`; empty (no upper end) if there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}
