use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use roaring::RoaringBitmap;

use super::block::SignRow;
use crate::{
    Metric,
    cache::{Cached, Kept, VectorCache},
};

/// What some vectors are bounded by, side by side: scattered, most of the time would be spent waiting for memory.
pub(crate) struct Gathered {
    ordinals: RoaringBitmap,
    signs: Vec<u8>,
    /// Added to the bound of each.
    pub(super) add: Vec<f32>,
    /// Multiplied with the product of the query and the signs of each.
    pub(super) scale: Vec<f32>,
}

impl Gathered {
    pub(super) fn new(ordinals: RoaringBitmap, dimension: usize) -> Self {
        let count = ordinals.len() as usize;
        Self {
            ordinals,
            signs: Vec::with_capacity(count * dimension / 8),
            add: Vec::with_capacity(count),
            scale: Vec::with_capacity(count),
        }
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, row: &SignRow<'_>, metric: Metric) {
        self.signs.extend_from_slice(row.signs);
        let (add, scale) = match metric {
            Metric::Cosine | Metric::Dot => (0.0, row.lean),
            Metric::Euclidean => (-row.squared_norm, 2.0 * row.lean),
        };
        self.add.push(add);
        self.scale.push(scale);
    }

    /// The signs of each, in order.
    pub(super) fn signs(&self, dimension: usize) -> impl Iterator<Item = &[u8]> {
        self.signs.chunks_exact(dimension / 8)
    }
}

impl Cached for Gathered {
    fn bytes(&self) -> usize {
        self.ordinals.serialized_size() + self.signs.capacity() + 8 * self.add.capacity()
    }
}

/// Selections of a namespace that are known at a time.
const KNOWN_MAX: usize = 32;

/// What was gathered lately, as of one commit, for filters that are asked with again. A selection is known by what it
/// selects, so nothing has to be told of filters, of time or of what is hidden.
///
/// States of a namespace share what they know until a commit changes a sketch; the state after it forgets the
/// selections with that one. The cache's budget holds.
#[derive(Clone, Default)]
pub(crate) struct Gatherings {
    /// The latest last.
    known: Arc<Mutex<Vec<Weak<Kept<Gathered>>>>>,
}

impl Gatherings {
    pub(super) fn get(
        &self,
        cache: &VectorCache,
        ordinals: &RoaringBitmap,
    ) -> Option<Arc<Kept<Gathered>>> {
        let known = self.known();
        let mut known = known.iter().filter_map(Weak::upgrade);
        let kept = known.find(|gathered| gathered.ordinals == *ordinals);
        Kept::used(kept.as_deref(), cache);
        kept
    }

    pub(super) fn insert(&self, cache: &VectorCache, gathered: Gathered) -> Arc<Kept<Gathered>> {
        let kept = Kept::new(cache, gathered);
        let mut known = self.known();
        known.retain(|other| other.strong_count() > 0);
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        known.push(Arc::downgrade(&kept));
        kept
    }

    /// What is still true after a commit that changes some sketches.
    pub(super) fn without(&self, changed: &RoaringBitmap) -> Self {
        let known = self.known();
        let untouched = known.iter().filter(|known| {
            let gathered = known.upgrade();
            gathered.is_some_and(|gathered| gathered.ordinals.is_disjoint(changed))
        });
        Self {
            known: Arc::new(Mutex::new(untouched.cloned().collect())),
        }
    }

    fn known(&self) -> MutexGuard<'_, Vec<Weak<Kept<Gathered>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        assert_eq!(known.known().len(), KNOWN_MAX);
        assert!(known.get(&cache, &RoaringBitmap::from([99])).is_some());
        assert!(known.get(&cache, &RoaringBitmap::from([0])).is_none());
    }
}
