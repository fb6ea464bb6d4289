use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Batch, BoxFuture, Durability, Operation, Page, Result, ScanLimit, Snapshot, Store};

type Map = BTreeMap<Bytes, Bytes>;

/// The engine for tests: a `BTreeMap` that snapshots share until the next commit copies it.
///
/// A commit while a snapshot is held costs a copy of the map (of its references, not its bytes).
#[derive(Clone, Default)]
pub struct MemoryStore {
    map: Arc<Mutex<Arc<Map>>>,
}

impl MemoryStore {
    fn map(&self) -> MutexGuard<'_, Arc<Map>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch, _: Durability) -> BoxFuture<'_, Result<()>> {
        let mut guard = self.map();
        let map = Arc::make_mut(&mut guard);
        for operation in batch.into_operations() {
            match operation {
                Operation::Put(key, value) => map.insert(key, value),
                Operation::Delete(key) => map.remove(&key),
            };
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        let frozen: Arc<dyn Snapshot> = Arc::new(Frozen(Arc::clone(&self.map())));
        Box::pin(std::future::ready(Ok(frozen)))
    }

    fn size_bytes(&self) -> u64 {
        self.map()
            .iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum()
    }
}

struct Frozen(Arc<Map>);

impl Snapshot for Frozen {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(std::future::ready(Ok(self.0.get(key).cloned())))
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        let mut page = Page::default();
        if end.is_empty() || start < end {
            let upper = if end.is_empty() {
                Bound::Unbounded
            } else {
                Bound::Excluded(end)
            };
            let mut bytes = 0;
            for (key, value) in self.0.range::<[u8], _>((Bound::Included(start), upper)) {
                if page.rows.len() >= limit.rows.max(1) || bytes >= limit.bytes {
                    page.more = !page.rows.is_empty();
                    if page.more {
                        break;
                    }
                }
                bytes += key.len() + value.len();
                page.rows.push((key.clone(), value.clone()));
            }
        }
        Box::pin(std::future::ready(Ok(page)))
    }
}
