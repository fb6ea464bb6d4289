//! What searches read, in memory: one budget of bytes for all namespaces.

mod postings;
mod slots;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Weighter, sync::Cache};

pub(crate) use self::{
    postings::{Posting, Postings},
    slots::{Kept, Slots},
};

/// Vectors and their indexes, of all namespaces, within one budget of bytes.
///
/// An entry never changes. Each has a number of its own, and the [slots](Slots) of a namespace say where it is: a
/// commit empties the slots of what it touches, so entries that are no longer true are no longer asked for
/// and leave in time. What is used often stays when much is read once (Clock-PRO, as `quick_cache` implements
/// it).
#[derive(Clone)]
pub struct VectorCache {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Cache<u64, Arc<dyn Cached>, EntryBytes>,
    budget_bytes: u64,
    next_number: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    single_reads: AtomicU64,
}

/// A part of a namespace that can be kept in memory.
pub(crate) trait Cached: Send + Sync + 'static {
    /// Bytes it takes, but for a few.
    fn bytes(&self) -> usize;
}

#[derive(Clone)]
struct EntryBytes;

/// What an entry takes beside its content.
const ENTRY_BYTES: u64 = 160;
/// While the cache is full, so many bytes of blocks are brought in for each single member that is read from the store.
const BYTES_PER_READ: usize = 256;

impl Weighter<u64, Arc<dyn Cached>> for EntryBytes {
    fn weight(&self, _: &u64, entry: &Arc<dyn Cached>) -> u64 {
        entry.bytes() as u64 + ENTRY_BYTES
    }
}

/// How full a [`VectorCache`] is and how well it works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Bytes in use.
    pub bytes: u64,
    /// Look-ups that found their entry; of what is used often, counted in portions.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
}

impl VectorCache {
    /// A cache that holds at most `budget_bytes`.
    #[must_use]
    pub fn new(budget_bytes: u64) -> Self {
        let items = (budget_bytes / (16 << 10)).clamp(64, 1 << 20) as usize;
        Self {
            shared: Arc::new(Shared {
                entries: Cache::with_weighter(items, budget_bytes, EntryBytes),
                budget_bytes,
                next_number: AtomicU64::default(),
                hits: AtomicU64::default(),
                misses: AtomicU64::default(),
                single_reads: AtomicU64::default(),
            }),
        }
    }

    /// How full the cache is.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            bytes: self.shared.entries.weight(),
            hits: self.shared.hits.load(Ordering::Relaxed),
            misses: self.shared.misses.load(Ordering::Relaxed),
        }
    }

    /// Whether a block of about so many bytes that is not here is to be brought in though one member of it is wanted: as
    /// long as there is room, later now and then, so that the cache follows what is read. The larger it is, the less
    /// of it is wanted before it has to leave again.
    pub(crate) fn wants_block(&self, bytes: usize) -> bool {
        let has_room = self.shared.entries.weight() < self.shared.budget_bytes / 16 * 15;
        has_room || {
            let reads = self.shared.single_reads.fetch_add(1, Ordering::Relaxed);
            reads.is_multiple_of((bytes / BYTES_PER_READ).max(1) as u64)
        }
    }

    fn next_number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn insert(&self, number: u64, entry: Arc<dyn Cached>) {
        self.shared.entries.insert(number, entry);
    }

    fn remove(&self, number: u64) {
        self.shared.entries.remove(&number);
    }

    /// Tells the cache of some uses of an entry.
    fn touch(&self, number: u64, uses: u64) {
        self.shared.entries.get(&number);
        self.shared.hits.fetch_add(uses, Ordering::Relaxed);
    }

    fn missed(&self) {
        self.shared.misses.fetch_add(1, Ordering::Relaxed);
    }
}
