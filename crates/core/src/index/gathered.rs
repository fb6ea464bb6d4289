use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hasher},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use roaring::RoaringBitmap;

use super::{Page, block::SketchRow};
use crate::{
    Metric,
    cache::{Cached, Kept, VectorCache},
};

/// What some vectors are bounded by, side by side: scattered, most of the time would be spent waiting for memory.
pub(crate) struct Gathered {
    ordinals: RoaringBitmap,
    /// Their codes with zero for the centroid, in order.
    pub(super) page: Page,
}

impl Gathered {
    pub(super) fn new(ordinals: RoaringBitmap, dimension: usize) -> Self {
        Self {
            page: Page::with_capacity(ordinals.len() as usize, dimension),
            ordinals,
        }
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, ordinal: u32, row: &SketchRow<'_>, metric: Metric) {
        let (add, scale) = match metric {
            Metric::Cosine | Metric::Dot => (0.0, row.lean),
            Metric::Euclidean => (-row.squared_norm, 2.0 * row.lean),
        };
        self.page.push_sketch(ordinal, add, scale, row.codes);
    }
}

impl Cached for Gathered {
    fn bytes(&self) -> usize {
        self.ordinals.serialized_size() + self.page.bytes()
    }
}

/// Selections of a namespace that are known at a time, and as many that were only asked for: were those more, filters
/// that take turns would be gathered for one another's place.
const KNOWN_MAX: usize = 32;

/// What was gathered lately, as of one commit, for filters that are asked with again. A selection is known by what it
/// selects, so nothing has to be told of filters, of time or of what is hidden.
///
/// States of a namespace share what they know until a commit changes a sketch; the state after it forgets the
/// selections with that one. The cache's budget holds.
#[derive(Clone, Default)]
pub(crate) struct Gatherings {
    known: Arc<Mutex<Known>>,
}

/// Each with the latest last.
#[derive(Clone, Default)]
struct Known {
    gathered: Vec<Weak<Kept<Gathered>>>,
    /// Hashes of selections, and how often each was asked for and was not known.
    asked: VecDeque<(u64, u32)>,
}

impl Known {
    fn get(&self, ordinals: &RoaringBitmap) -> Option<Arc<Kept<Gathered>>> {
        let mut gathered = self.gathered.iter().filter_map(Weak::upgrade);
        gathered.find(|gathered| gathered.ordinals == *ordinals)
    }
}

impl Gatherings {
    pub(super) fn get(
        &self,
        cache: &VectorCache,
        ordinals: &RoaringBitmap,
    ) -> Option<Arc<Kept<Gathered>>> {
        let kept = self.known().get(ordinals);
        Kept::used(kept.as_deref(), cache);
        kept
    }

    /// Whether a selection is gathered, or was asked for before and should be now. From now on it was.
    pub(crate) fn is_asked_again(&self, ordinals: &RoaringBitmap) -> bool {
        if self.known().get(ordinals).is_some() {
            return true;
        }
        let hash = hash(ordinals);
        let asked = &mut self.known().asked;
        let place = asked.iter().position(|(other, _)| *other == hash);
        let before = place.and_then(|place| asked.remove(place));
        let times = before.map_or(1, |(_, times)| times.saturating_add(1));
        if asked.len() >= KNOWN_MAX {
            asked.pop_front();
        }
        asked.push_back((hash, times));
        // What the cache does not keep is gathered ever more seldom: the 2nd time, the 4th, the 8th and so on.
        times > 1 && times.is_power_of_two()
    }

    pub(super) fn insert(&self, cache: &VectorCache, gathered: Gathered) -> Arc<Kept<Gathered>> {
        let kept = Kept::new(cache, gathered);
        let known = &mut self.known().gathered;
        known.retain(|other| other.strong_count() > 0);
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        known.push(Arc::downgrade(&kept));
        kept
    }

    /// What is still true after a commit that changes some sketches.
    pub(super) fn without(&self, changed: &RoaringBitmap) -> Self {
        let mut known = self.known().clone();
        known.gathered.retain(|known| {
            let gathered = known.upgrade();
            gathered.is_some_and(|gathered| gathered.ordinals.is_disjoint(changed))
        });
        // What was gathered and is not kept may be so because of the change.
        known.asked.retain(|(_, times)| *times == 1);
        Self {
            known: Arc::new(Mutex::new(known)),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a selection. Two with the same would only be gathered too early.
fn hash(ordinals: &RoaringBitmap) -> u64 {
    struct Hashed(DefaultHasher);
    impl io::Write for Hashed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashed = Hashed(DefaultHasher::new());
    // Hashing does not fail.
    let _ = ordinals.serialize_into(&mut hashed);
    hashed.0.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(ordinals: impl IntoIterator<Item = u32>) -> Gathered {
        Gathered::new(ordinals.into_iter().collect(), 64)
    }

    #[test]
    fn a_commit_forgets_selections_with_what_it_changes_and_no_others() {
        let cache = VectorCache::new(1 << 20);
        let before = Gatherings::default();
        before.insert(&cache, gathered([1, 2, 3]));
        before.insert(&cache, gathered([3, 4]));
        let after = before.without(&RoaringBitmap::from([2, 9]));
        let knows = |known: &Gatherings, ordinals: &[u32]| {
            let ordinals = ordinals.iter().copied().collect();
            known.get(&cache, &ordinals).is_some()
        };
        assert!(knows(&before, &[1, 2, 3]) && knows(&before, &[3, 4]));
        assert!(!knows(&after, &[1, 2, 3]) && knows(&after, &[3, 4]));
        assert!(!knows(&before, &[3]));
        after.insert(&cache, gathered([3]));
        assert!(!knows(&before, &[3]) && knows(&after, &[3]));
    }

    #[test]
    fn no_more_are_known_than_may_be() {
        let cache = VectorCache::new(1 << 20);
        let known = Gatherings::default();
        for ordinal in 0..100 {
            known.insert(&cache, gathered([ordinal]));
        }
        assert_eq!(known.known().gathered.len(), KNOWN_MAX);
        assert!(known.get(&cache, &RoaringBitmap::from([99])).is_some());
        assert!(known.get(&cache, &RoaringBitmap::from([0])).is_none());
    }

    #[test]
    fn a_selection_is_gathered_the_second_time_and_known_while_it_is_kept() {
        let cache = VectorCache::new(1 << 20);
        let known = Gatherings::default();
        let [one, other] = [1, 2].map(|ordinal| RoaringBitmap::from([ordinal, 9]));
        assert!(!known.is_asked_again(&one) && !known.is_asked_again(&other));
        assert!(known.is_asked_again(&one));
        assert!(!known.is_asked_again(&one), "not kept");
        known.insert(&cache, gathered(&one));
        assert!(known.is_asked_again(&one) && known.is_asked_again(&one));
        // A commit that changes a vector of it, and many other selections.
        let after = known.without(&one);
        assert!(after.is_asked_again(&other) && !after.without(&one).is_asked_again(&other));
        for ordinal in 0..KNOWN_MAX as u32 {
            assert!(!after.is_asked_again(&RoaringBitmap::from([ordinal])));
        }
        assert!(!after.is_asked_again(&one));
    }

    #[test]
    fn what_is_not_kept_is_gathered_ever_more_seldom_until_a_commit() {
        let known = Gatherings::default();
        let selection = RoaringBitmap::from([1, 2]);
        let gathered = |known: &Gatherings| -> Vec<_> {
            (1..20)
                .filter(|_| known.is_asked_again(&selection))
                .collect()
        };
        assert_eq!(gathered(&known), [2, 4, 8, 16]);
        assert_eq!(gathered(&known.without(&[9].into())), [2, 4, 8, 16]);
        assert_eq!(gathered(&known), [13], "the 32nd time");
    }
}
