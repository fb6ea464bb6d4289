//! What searches read, in memory: one budget of bytes for all namespaces.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Weighter, sync::Cache};

use crate::{
    index::{Page, SketchBlock},
    namespace::IdBlock,
    vector::VectorBlock,
};

/// Vectors and their indexes, of all namespaces, within one budget of bytes.
///
/// An entry never changes: a commit gives what it touches a new [stamp](Stamps), so entries that are no
/// longer true are no longer asked for and leave in time. What is used often stays when much is
/// read once (Clock-PRO, as `quick_cache` implements it).
#[derive(Clone)]
pub struct VectorCache {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Cache<EntryId, Entry, EntryBytes>,
    budget_bytes: u64,
    next_stamp: AtomicU64,
    single_reads: AtomicU64,
}

/// Which entry: what it is, its number in its namespace, and the commit that made it what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct EntryId {
    kind: Kind,
    number: u32,
    stamp: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Vectors,
    Sketches,
    Ids,
    Page,
}

#[derive(Clone)]
enum Entry {
    Vectors(Arc<VectorBlock>),
    Sketches(Arc<SketchBlock>),
    Ids(Arc<IdBlock>),
    Page(Arc<Page>),
}

#[derive(Clone)]
struct EntryBytes;

/// What an entry takes beside its content.
const ENTRY_BYTES: u64 = 128;
/// While the cache is full, so many blocks of which one member is wanted are left in the store for
/// each that is brought in.
const SINGLE_READS: u64 = 16;

impl Weighter<EntryId, Entry> for EntryBytes {
    fn weight(&self, _: &EntryId, entry: &Entry) -> u64 {
        let bytes = match entry {
            Entry::Vectors(block) => block.bytes(),
            Entry::Sketches(block) => block.bytes(),
            Entry::Ids(block) => block.bytes(),
            Entry::Page(page) => page.bytes(),
        };
        bytes as u64 + ENTRY_BYTES
    }
}

/// How full a [`VectorCache`] is and how well it works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Bytes in use.
    pub bytes: u64,
    /// Look-ups that found their entry.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
}

macro_rules! kinds {
    ($($kind:ident($type:ty): $get:ident, $insert:ident;)+) => {
        $(
            pub(crate) fn $get(&self, stamps: &Stamps, number: u32) -> Option<Arc<$type>> {
                match self.shared.entries.get(&stamps.id(Kind::$kind, number))? {
                    Entry::$kind(entry) => Some(entry),
                    _ => None,
                }
            }

            pub(crate) fn $insert(&self, stamps: &Stamps, number: u32, entry: Arc<$type>) {
                self.shared.entries.insert(stamps.id(Kind::$kind, number), Entry::$kind(entry));
            }
        )+
    };
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
                next_stamp: AtomicU64::default(),
                single_reads: AtomicU64::default(),
            }),
        }
    }

    /// How full the cache is.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            bytes: self.shared.entries.weight(),
            hits: self.shared.entries.hits(),
            misses: self.shared.entries.misses(),
        }
    }

    kinds! {
        Vectors(VectorBlock): vectors, insert_vectors;
        Sketches(SketchBlock): sketches, insert_sketches;
        Ids(IdBlock): ids, insert_ids;
        Page(Page): page, insert_page;
    }

    /// Forgets a page that a commit has replaced.
    pub(crate) fn remove_page(&self, stamps: &Stamps, number: u32) {
        self.shared.entries.remove(&stamps.id(Kind::Page, number));
    }

    /// A stamp that no other commit has.
    pub(crate) fn new_stamp(&self) -> u64 {
        self.shared.next_stamp.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a block that is not here is to be brought in though one member of it is wanted: as long
    /// as there is room, later now and then, so that the cache follows what is read.
    pub(crate) fn wants_block(&self) -> bool {
        let has_room = self.shared.entries.weight() < self.shared.budget_bytes / 16 * 15;
        has_room || {
            let reads = self.shared.single_reads.fetch_add(1, Ordering::Relaxed);
            reads.is_multiple_of(SINGLE_READS)
        }
    }
}

/// Which commit last changed each numbered part of one opened namespace.
#[derive(Clone)]
pub(crate) struct Stamps {
    /// Of the parts that have not changed since the namespace was opened.
    opened: u64,
    by_number: Arc<Vec<u64>>,
}

impl Stamps {
    /// Those of a namespace that is being opened.
    pub(crate) fn new(cache: &VectorCache) -> Self {
        Self {
            opened: cache.new_stamp(),
            by_number: Arc::default(),
        }
    }

    fn id(&self, kind: Kind, number: u32) -> EntryId {
        let stamp = self.by_number.get(number as usize).copied();
        EntryId {
            kind,
            number,
            stamp: stamp.unwrap_or(self.opened),
        }
    }

    /// Records that a commit changed these parts.
    pub(crate) fn touch(&mut self, numbers: impl IntoIterator<Item = u32>, stamp: u64) {
        let mut numbers = numbers.into_iter().peekable();
        if numbers.peek().is_none() {
            return;
        }
        let by_number = Arc::make_mut(&mut self.by_number);
        for number in numbers {
            let at = number as usize;
            if at >= by_number.len() {
                by_number.resize(at + 1, self.opened);
            }
            by_number[at] = stamp;
        }
    }
}
