use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use roaring::RoaringBitmap;

use super::{Cached, Kept, VectorCache};

/// Postings of a namespace that are known at a time.
const KNOWN_MAX: usize = 256;

/// Postings that filters have read lately, as of one commit: decoding them costs more than the search behind
/// them.
///
/// States of a namespace share what they know until a commit changes a posting; the state after it forgets that
/// one only. The cache's budget holds for postings too.
#[derive(Clone)]
pub(crate) struct Postings {
    cache: VectorCache,
    known: Arc<Mutex<Known>>,
}

type Known = HashMap<Posting, Weak<Kept<RoaringBitmap>>>;

/// Which posting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Posting {
    /// Key of its rows, up to the chunk or the fence.
    pub(crate) prefix: Vec<u8>,
    /// Of ordered postings, the lowest and the highest number.
    pub(crate) range: Option<(u64, u64)>,
}

impl Cached for RoaringBitmap {
    fn bytes(&self) -> usize {
        self.serialized_size()
    }
}

impl Postings {
    pub(crate) fn new(cache: &VectorCache) -> Self {
        Self {
            cache: cache.clone(),
            known: Arc::default(),
        }
    }

    pub(crate) fn get(&self, posting: &Posting) -> Option<Arc<Kept<RoaringBitmap>>> {
        let kept = self.known().get(posting).and_then(Weak::upgrade);
        Kept::used(kept.as_deref(), &self.cache);
        kept
    }

    pub(crate) fn insert(
        &self,
        posting: Posting,
        ordinals: RoaringBitmap,
    ) -> Arc<Kept<RoaringBitmap>> {
        let kept = Kept::new(&self.cache, ordinals);
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, kept| kept.strong_count() > 0);
        }
        if known.len() >= KNOWN_MAX
            && let Some(other) = known.keys().next().cloned()
        {
            known.remove(&other);
        }
        known.insert(posting, Arc::downgrade(&kept));
        kept
    }

    /// What is still true after a commit that changes the postings with some prefixes, which may repeat.
    pub(crate) fn without<'a>(&self, changed: impl Iterator<Item = &'a [u8]>) -> Self {
        let known = self.known();
        let prefixes: HashSet<&[u8]> = known.keys().map(|posting| &posting.prefix[..]).collect();
        if prefixes.is_empty() {
            return Self::new(&self.cache);
        }
        let changed: HashSet<&[u8]> = changed.filter(|prefix| prefixes.contains(prefix)).collect();
        let kept = known
            .iter()
            .filter(|(posting, _)| !changed.contains(&posting.prefix[..]))
            .map(|(posting, kept)| (posting.clone(), Weak::clone(kept)))
            .collect();
        Self {
            cache: self.cache.clone(),
            known: Arc::new(Mutex::new(kept)),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(number: u8) -> Posting {
        Posting {
            prefix: vec![number],
            range: None,
        }
    }

    #[test]
    fn a_commit_forgets_what_it_changes_and_nothing_else() {
        let before = Postings::new(&VectorCache::new(1 << 20));
        before.insert(posting(1), RoaringBitmap::from([1]));
        before.insert(posting(2), RoaringBitmap::from([2]));
        let changed = [1_u8, 3, 1].map(|number| [number]);
        let after = before.without(changed.iter().map(|prefix| &prefix[..]));
        assert!(after.get(&posting(1)).is_none());
        assert!(after.get(&posting(2)).is_some());
        assert!(before.get(&posting(1)).is_some());
        after.insert(posting(1), RoaringBitmap::from([1, 9]));
        assert_eq!(before.get(&posting(1)).unwrap().len(), 1);
        assert_eq!(after.get(&posting(1)).unwrap().len(), 2);
    }

    #[test]
    fn no_more_are_known_than_may_be() {
        let postings = Postings::new(&VectorCache::new(1 << 20));
        for number in 0..=255 {
            for low in 0..4 {
                let posting = Posting {
                    range: Some((low, 9)),
                    ..posting(number)
                };
                postings.insert(posting, RoaringBitmap::from([1]));
            }
        }
        assert_eq!(postings.known().len(), KNOWN_MAX);
    }
}
