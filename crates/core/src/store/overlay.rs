use std::{
    collections::{BTreeMap, btree_map},
    iter::Peekable,
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;

use super::{Batch, BoxFuture, Operation, Page, Result, ScanLimit, Snapshot, successor};

/// A snapshot as it will be once a batch is committed.
pub(crate) struct Overlay {
    below: Arc<dyn Snapshot>,
    /// Rows of the batch; `None` is deleted.
    rows: BTreeMap<Bytes, Option<Bytes>>,
}

impl Overlay {
    pub(crate) fn new(below: Arc<dyn Snapshot>, batch: &Batch) -> Self {
        let rows = batch.operations().iter().map(|operation| match operation {
            Operation::Put(key, value) => (key.clone(), Some(value.clone())),
            Operation::Delete(key) => (key.clone(), None),
        });
        Self {
            below,
            rows: rows.collect(),
        }
    }

    async fn merged(&self, start: &[u8], end: &[u8], limit: ScanLimit) -> Result<Page> {
        let mut page = Page::default();
        if !end.is_empty() && start >= end {
            return Ok(page);
        }
        let upper = if end.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(end)
        };
        let range = (Bound::Included(start), upper);
        let mut ours = self.rows.range::<[u8], _>(range).peekable();
        let mut next = Some(start.to_vec());
        let mut bytes = 0;
        while let Some(start) = next.take() {
            let below = self.below.scan(&start, end, limit).await?;
            if below.more {
                next = below.rows.last().map(|(key, _)| successor(key));
            }
            let mut theirs = below.rows.into_iter().peekable();
            // Beyond the end of a page that has a successor nothing is known of the rows below.
            while let Some((key, value)) = least(&mut theirs, &mut ours, next.is_some()) {
                let Some(value) = value else { continue };
                let full = page.rows.len() >= limit.rows.max(1) || bytes >= limit.bytes;
                if full && !page.rows.is_empty() {
                    page.more = true;
                    return Ok(page);
                }
                bytes += key.len() + value.len();
                page.rows.push((key, value));
            }
        }
        Ok(page)
    }
}

/// The row with the lowest key. At one key the overlay's counts. With `more` to come from below the
/// overlay's rows wait until a row from below is behind them.
fn least(
    theirs: &mut Peekable<impl Iterator<Item = (Bytes, Bytes)>>,
    ours: &mut Peekable<btree_map::Range<'_, Bytes, Option<Bytes>>>,
    more: bool,
) -> Option<(Bytes, Option<Bytes>)> {
    match (theirs.peek(), ours.peek()) {
        (Some((below, _)), Some((above, _))) if below >= *above => {
            if below == *above {
                theirs.next();
            }
        }
        (None, Some(_)) if !more => {}
        _ => return theirs.next().map(|(key, value)| (key, Some(value))),
    }
    ours.next().map(|(key, value)| (key.clone(), value.clone()))
}

impl Snapshot for Overlay {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        match self.rows.get(key) {
            Some(value) => Box::pin(std::future::ready(Ok(value.clone()))),
            None => self.below.get(key),
        }
    }

    fn get_many<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let is_below = |key: &&Bytes| !self.rows.contains_key(*key);
            let below: Vec<_> = keys.iter().filter(is_below).cloned().collect();
            let mut below = self.below.get_many(&below).await?.into_iter();
            let value = |key| self.rows.get(key).cloned().or_else(|| below.next());
            Ok(keys.iter().map(value).map(Option::flatten).collect())
        })
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.merged(start, end, limit))
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Durability, MemoryStore, Store};

    fn batch(operations: &[(u8, Option<u8>)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in operations {
            match value {
                Some(value) => batch.put(vec![1, *key], vec![*value; 3]),
                None => batch.delete(vec![1, *key]),
            }
        }
        batch
    }

    proptest! {
        #[test]
        fn an_overlay_reads_as_the_committed_batch_does(
            stored in prop::collection::vec((0..24u8, prop::option::of(any::<u8>())), 0..30),
            changed in prop::collection::vec((0..24u8, prop::option::of(any::<u8>())), 0..30),
            start in 0..26u8, end in 0..26u8, open in any::<bool>(),
            rows in 1..8usize, bytes in 1..40usize,
        ) {
            let store = MemoryStore::default();
            block_on(store.commit(batch(&stored), Durability::Memory)).unwrap();
            let overlay = Overlay::new(block_on(store.snapshot()).unwrap(), &batch(&changed));
            block_on(store.commit(batch(&changed), Durability::Memory)).unwrap();
            let after = block_on(store.snapshot()).unwrap();
            for key in 0..24 {
                let key = [1, key];
                let (ours, theirs) = (block_on(overlay.get(&key)), block_on(after.get(&key)));
                prop_assert_eq!(ours.unwrap(), theirs.unwrap());
            }
            let keys: Vec<_> = (0..24).rev().map(|key| Bytes::from(vec![1, key])).collect();
            let (ours, theirs) = (overlay.get_many(&keys), after.get_many(&keys));
            prop_assert_eq!(block_on(ours).unwrap(), block_on(theirs).unwrap());
            let limit = ScanLimit { rows, bytes };
            let (start, end) = ([1, start], if open { vec![] } else { vec![1, end] });
            let (ours, theirs) = (
                block_on(overlay.scan(&start, &end, limit)),
                block_on(after.scan(&start, &end, limit)),
            );
            prop_assert_eq!(ours.unwrap(), theirs.unwrap());
        }
    }
}
