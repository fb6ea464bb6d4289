//! What searches read, in memory: one budget of bytes for all namespaces.

mod postings;
mod slots;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

pub(crate) use self::{
    postings::{Posting, Postings},
    slots::{Kept, Slots},
};

/// Vectors and their indexes, of all namespaces, within one budget of bytes.
///
/// An entry never changes. Each has a number of its own, and the [slots](Slots) of a namespace say where it is: a
/// commit empties the slots of what it touches, so entries that are no longer true are no longer asked for
/// and leave in time. What is used often stays when much is read once (Clock-PRO, as `quick_cache`
/// implements it).
#[derive(Clone)]
pub struct VectorCache {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Cache<u64, Arc<dyn Cached>, EntryBytes>,
    budget_bytes: u64,
    /// As of the last entry that came in.
    has_room: AtomicBool,
    next_number: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    single_reads: AtomicU64,
}

/// A part of a namespace that can be kept in memory.
pub(crate) trait Cached: Send + Sync + 'static {
    /// Bytes it takes, but for a few.
    fn bytes(&self) -> usize;

    /// Uses that are worth one of a part that is read as a whole: more where a use takes one member of a block, which
    /// could be read by itself.
    fn uses_for_one() -> u64
    where
        Self: Sized,
    {
        1
    }
}

#[derive(Clone)]
struct EntryBytes;

/// What an entry takes beside its content.
const ENTRY_BYTES: u64 = 160;
/// While the cache is full, so many bytes of blocks are brought in for each single member that is read from the store.
const BYTES_PER_READ: usize = 16;
/// What may be used of the budget before an entry that is not used again leaves. The rest, where entries come in, is
/// large enough for most to be used a second time: what comes back has a new number, and is not known again.
const USED_AGAIN: f64 = 0.8;

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
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(budget_bytes)
            .hot_allocation(USED_AGAIN)
            .ghost_allocation(0.0)
            .build()
            .expect("both capacities are given");
        let hasher = DefaultHashBuilder::default();
        let lifecycle = DefaultLifecycle::default();
        Self {
            shared: Arc::new(Shared {
                entries: Cache::with_options(options, EntryBytes, hasher, lifecycle),
                budget_bytes,
                has_room: AtomicBool::new(true),
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
    fn wants_block(&self, bytes: usize) -> bool {
        self.shared.has_room.load(Ordering::Relaxed) || {
            let reads = self.shared.single_reads.fetch_add(1, Ordering::Relaxed);
            reads.is_multiple_of((bytes / BYTES_PER_READ).max(1) as u64)
        }
    }

    /// How many entries have come in so far.
    fn arrivals(&self) -> u64 {
        self.shared.next_number.load(Ordering::Relaxed)
    }

    fn next_number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn insert(&self, number: u64, entry: Arc<dyn Cached>) {
        let Shared {
            entries,
            budget_bytes,
            has_room,
            ..
        } = &*self.shared;
        entries.insert(number, entry);
        let is_spare = entries.weight() < budget_bytes / 16 * 15;
        has_room.store(is_spare, Ordering::Relaxed);
    }

    fn remove(&self, number: u64) {
        self.shared.entries.remove(&number);
    }

    /// Tells the cache that an entry is in use.
    fn touch(&self, number: u64) {
        self.shared.entries.get(&number);
    }

    fn count(&self, uses: u64) {
        self.shared.hits.fetch_add(uses, Ordering::Relaxed);
    }

    fn missed(&self) {
        self.shared.misses.fetch_add(1, Ordering::Relaxed);
    }
}
