use std::{
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicPtr, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapWeak;
use quartz_kernels::prefetch_value;

use super::{Cached, VectorCache};
use crate::store::Result;

/// The cache is told of the uses of an entry when others have come in since it was told last, so many of them: while
/// none comes in, none leaves, and nobody needs to know. Uses in quick succession count as one (as in LRU-K, O'Neil et
/// al. 1993).
const ARRIVALS_PER_TOUCH: u64 = 16;
/// So many uses are counted together, for its statistics.
const USES_PER_COUNT: u64 = 64;
/// Slots that are copied together when one of them changes.
const CHUNK: usize = 64;

/// Where the numbered parts of a namespace are in memory, as of one commit.
///
/// A slot points at its part as long as the cache keeps it. States of a namespace share the slots of what
/// has not changed between them. A look-up costs a few atomic operations, and takes no lock.
pub(crate) struct Slots<T> {
    chunks: Arc<Vec<Arc<Chunk<T>>>>,
}

/// As long as it needs to be: most namespaces have one part, and a slot for that.
type Chunk<T> = [Slot<T>];

struct Slot<T> {
    kept: ArcSwapWeak<Kept<T>>,
    /// Where that is, or was a moment ago: to ask the processor for it without the look-up, which counts who reads.
    address: AtomicPtr<Kept<T>>,
}

impl<T> Slot<T> {
    fn new(kept: Weak<Kept<T>>) -> Self {
        Self {
            address: AtomicPtr::new(kept.as_ptr().cast_mut()),
            kept: ArcSwapWeak::new(kept),
        }
    }

    fn swap(&self, kept: &Arc<Kept<T>>) -> Weak<Kept<T>> {
        let address = Arc::as_ptr(kept).cast_mut();
        self.address.store(address, Ordering::Relaxed);
        self.kept.swap(Arc::downgrade(kept))
    }
}

/// A part in the cache.
pub(crate) struct Kept<T> {
    part: T,
    /// That of its entry.
    number: u64,
    /// Uses that the cache has not been told of. Concurrent ones may count as one.
    untold: AtomicU64,
    /// How many entries had come into the cache when it was told last.
    told_at: AtomicU64,
}

impl<T: Cached> Kept<T> {
    /// A part that the cache keeps as long as it finds room.
    pub(crate) fn new(cache: &VectorCache, part: T) -> Arc<Self> {
        let number = cache.next_number();
        let kept = Arc::new(Self {
            part,
            number,
            untold: AtomicU64::new(0),
            told_at: AtomicU64::new(number),
        });
        cache.insert(kept.number, Arc::clone(&kept) as Arc<dyn Cached>);
        kept
    }

    /// Counts a look-up that found a part or did not.
    pub(crate) fn used(kept: Option<&Self>, cache: &VectorCache) {
        let Some(kept) = kept else {
            return cache.missed();
        };
        let uses = kept.untold.load(Ordering::Relaxed) + 1;
        let arrivals = cache.arrivals();
        let told_at = kept.told_at.load(Ordering::Relaxed);
        let is_later = arrivals.saturating_sub(told_at) >= ARRIVALS_PER_TOUCH;
        if is_later && uses >= T::uses_for_one() {
            kept.told_at.store(arrivals, Ordering::Relaxed);
            cache.touch(kept.number);
        } else if uses < USES_PER_COUNT {
            return kept.untold.store(uses, Ordering::Relaxed);
        }
        kept.untold.store(0, Ordering::Relaxed);
        cache.count(uses);
    }
}

impl<T> Kept<T> {
    /// A part that the cache has no room for.
    pub(crate) fn apart(part: T) -> Arc<Self> {
        Arc::new(Self {
            part,
            number: u64::MAX,
            untold: AtomicU64::new(0),
            told_at: AtomicU64::new(u64::MAX),
        })
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}

impl<T: Cached> Cached for Kept<T> {
    fn bytes(&self) -> usize {
        self.part.bytes()
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self {
            chunks: Arc::clone(&self.chunks),
        }
    }
}

impl<T: Cached> Slots<T> {
    /// Slots for parts below a number; those that commits add get theirs from
    /// [`renew`](Self::renew).
    pub(crate) fn new(parts: usize) -> Self {
        let chunks = (0..parts).step_by(CHUNK);
        let chunks = chunks.map(|first| empty_chunk((parts - first).min(CHUNK)));
        Self {
            chunks: Arc::new(chunks.collect()),
        }
    }

    /// A part that is in memory.
    pub(crate) fn get(&self, cache: &VectorCache, number: u32) -> Option<Arc<Kept<T>>> {
        let kept = self.peek(number);
        Kept::used(kept.as_deref(), cache);
        kept
    }

    /// The same for whoever needs it only if it is there: the look-up is not counted.
    pub(crate) fn peek(&self, number: u32) -> Option<Arc<Kept<T>>> {
        self.slot(number)?.kept.load().upgrade()
    }

    /// Asks the processor for what [`get`](Self::get) will read.
    pub(crate) fn expect(&self, number: u32) {
        if let Some(slot) = self.slot(number) {
            prefetch_value(slot.address.load(Ordering::Relaxed));
        }
    }

    /// What [`get`](Self::get) found, or else a block of about so many bytes, loaded if the cache wants it though one
    /// member of it is asked for. `None`: the member is to be read by itself. Where the block has come in meanwhile, for
    /// another member, it is there.
    pub(crate) async fn or_load(
        &self,
        found: Option<Arc<Kept<T>>>,
        cache: &VectorCache,
        number: u32,
        bytes: usize,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Option<Arc<Kept<T>>>> {
        if let Some(kept) = found.or_else(|| self.peek(number)) {
            return Ok(Some(kept));
        }
        if !cache.wants_block(bytes) {
            return Ok(None);
        }
        Ok(Some(self.insert(cache, number, load.await?)))
    }

    /// Keeps a part as long as the cache finds room for it.
    pub(crate) fn insert(&self, cache: &VectorCache, number: u32, part: T) -> Arc<Kept<T>> {
        let Some(slot) = self.slot(number) else {
            return Kept::apart(part);
        };
        let kept = Kept::new(cache, part);
        let before = slot.swap(&kept);
        // Another search has brought it in meanwhile.
        if let Some(before) = before.upgrade() {
            cache.remove(before.number);
        }
        kept
    }

    /// Lets the cache forget a part that a commit has replaced.
    pub(crate) fn forget(&self, cache: &VectorCache, number: u32) {
        if let Some(kept) = self.peek(number) {
            cache.remove(kept.number);
        }
    }

    /// Gives parts that a commit changes slots of their own. `numbers` may repeat.
    pub(crate) fn renew(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let mut numbers: Vec<_> = numbers.into_iter().map(|number| number as usize).collect();
        numbers.sort_unstable();
        let Some(&highest) = numbers.last() else {
            return;
        };
        let chunks = Arc::make_mut(&mut self.chunks);
        while chunks.len() <= highest / CHUNK {
            // What lies before the new ones is whole.
            if let Some(last) = chunks.last_mut() {
                *last = copy(last, CHUNK, |_| true);
            }
            chunks.push(empty_chunk(0));
        }
        for same_chunk in numbers.chunk_by(|a, b| a / CHUNK == b / CHUNK) {
            let chunk = &mut chunks[same_chunk[0] / CHUNK];
            let highest = same_chunk[same_chunk.len() - 1] % CHUNK;
            let len = chunk.len().max((highest + 1).next_power_of_two());
            *chunk = copy(chunk, len, |at| {
                !same_chunk.iter().any(|number| number % CHUNK == at)
            });
        }
    }

    fn slot(&self, number: u32) -> Option<&Slot<T>> {
        let chunk = self.chunks.get(number as usize / CHUNK)?;
        chunk.get(number as usize % CHUNK)
    }
}

fn empty_chunk<T>(len: usize) -> Arc<Chunk<T>> {
    (0..len).map(|_| Slot::new(Weak::new())).collect()
}

/// A chunk with what `keeps` says of another one, and empty slots up to a length.
fn copy<T>(chunk: &Chunk<T>, len: usize, keeps: impl Fn(usize) -> bool) -> Arc<Chunk<T>> {
    let slot = |at: usize| match chunk.get(at) {
        Some(slot) if keeps(at) => Slot::new(slot.kept.load_full()),
        _ => Slot::new(Weak::new()),
    };
    (0..len).map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Part(u32);

    impl Cached for Part {
        fn bytes(&self) -> usize {
            1000
        }
    }

    #[test]
    fn a_commit_hides_what_it_changed_from_later_states_only() {
        let cache = VectorCache::new(1 << 20);
        let before = Slots::new(100);
        for number in 0..100 {
            before.insert(&cache, number, Part(number));
        }
        let mut after = before.clone();
        after.renew([70, 3, 70, 500]);
        let seen = |slots: &Slots<Part>, number| slots.get(&cache, number).map(|part| part.0);
        assert_eq!(seen(&after, 3), None);
        assert_eq!(seen(&after, 4), Some(4));
        assert_eq!(seen(&after, 500), None);
        after.insert(&cache, 3, Part(1003));
        after.insert(&cache, 500, Part(1500));
        assert_eq!(seen(&after, 3), Some(1003));
        assert_eq!(seen(&after, 500), Some(1500));
        assert_eq!(seen(&before, 3), Some(3));
        assert_eq!(seen(&before, 500), None);
        before.forget(&cache, 3);
        assert_eq!(seen(&before, 3), None);
        assert_eq!(seen(&after, 3), Some(1003));
    }

    #[test]
    fn every_number_below_a_new_one_has_a_slot() {
        let cache = VectorCache::new(1 << 20);
        let mut slots = Slots::new(1);
        slots.insert(&cache, 0, Part(7));
        for highest in [1, 5, 6, 63, 64, 200] {
            slots.renew([highest]);
            assert_eq!(slots.get(&cache, 0).map(|part| part.0), Some(7));
            for number in 1..=highest {
                slots.insert(&cache, number, Part(number));
                assert_eq!(slots.get(&cache, number).map(|part| part.0), Some(number));
            }
        }
    }

    #[test]
    fn what_is_used_stays_and_the_rest_leaves() {
        let cache = VectorCache::new(50_000);
        let slots = Slots::new(1000);
        for number in 0..20 {
            slots.insert(&cache, number, Part(number));
        }
        for number in 20..1000 {
            for used in 0..20 {
                slots.get(&cache, used);
            }
            slots.insert(&cache, number, Part(number));
        }
        let used = (0..20).filter(|&used| slots.get(&cache, used).is_some());
        assert!(used.count() >= 15);
        assert!(cache.stats().bytes <= 50_000);
        let kept = (0..1000).filter(|&number| slots.get(&cache, number).is_some());
        assert!(kept.count() <= 50);
    }

    #[test]
    fn a_look_that_may_find_nothing_is_not_counted() {
        let cache = VectorCache::new(1 << 20);
        let slots = Slots::new(2);
        slots.insert(&cache, 0, Part(7));
        assert_eq!(slots.peek(0).map(|part| part.0), Some(7));
        assert!(slots.peek(1).is_none());
        assert_eq!(cache.stats().misses, 0);
        assert!(slots.get(&cache, 1).is_none());
        assert_eq!(cache.stats().misses, 1);
    }

    #[test]
    fn looks_that_find_a_part_are_counted_in_portions() {
        let cache = VectorCache::new(1 << 20);
        let slots = Slots::new(1);
        slots.insert(&cache, 0, Part(7));
        for looks in 1..=200 {
            assert!(slots.get(&cache, 0).is_some());
            let portions = looks / USES_PER_COUNT;
            assert_eq!(cache.stats().hits, portions * USES_PER_COUNT);
        }
    }

    #[test]
    fn what_has_come_in_for_one_member_is_not_loaded_for_another() {
        let cache = VectorCache::new(1 << 20);
        let slots = Slots::new(1);
        for number in [7, 8] {
            let load = slots.or_load(None, &cache, 0, 1000, async move { Ok(Part(number)) });
            let part = futures::executor::block_on(load).unwrap().unwrap();
            assert_eq!(part.0, 7);
        }
    }

    #[test]
    fn a_part_brought_in_twice_is_kept_once() {
        let cache = VectorCache::new(1 << 20);
        let slots = Slots::new(1);
        slots.insert(&cache, 0, Part(0));
        let bytes = cache.stats().bytes;
        slots.insert(&cache, 0, Part(0));
        assert_eq!(cache.stats().bytes, bytes);
    }
}
