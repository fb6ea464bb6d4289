use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    Batch, BoxFuture, Durability, Operation, Page, Result, ScanLimit, Snapshot, Store, prefix_end,
};

/// The part of a store whose keys start with a prefix, seen as a store of its own.
///
/// Many namespaces live side by side in one engine this way, and their commits share its syncs.
pub struct ScopedStore {
    store: Arc<dyn Store>,
    prefix: Bytes,
    /// Changes outside the prefix that go with the first commit.
    founding: Mutex<Batch>,
}

impl ScopedStore {
    /// The keys of `store` under `prefix`, without it.
    pub fn new(store: Arc<dyn Store>, prefix: impl Into<Bytes>) -> Self {
        Self {
            store,
            prefix: prefix.into(),
            founding: Mutex::default(),
        }
    }

    /// Adds `batch`, whose keys are those of the whole store, to the first commit that is not empty.
    #[must_use]
    pub fn founded_with(self, batch: Batch) -> Self {
        Self {
            founding: Mutex::new(batch),
            ..self
        }
    }

    fn founding(&self) -> MutexGuard<'_, Batch> {
        self.founding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    [prefix, key].concat()
}

impl Store for ScopedStore {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        let mut scoped = if batch.is_empty() {
            Batch::default()
        } else {
            self.founding().clone()
        };
        let founding = !scoped.is_empty();
        for operation in batch.into_operations() {
            match operation {
                Operation::Put(key, value) => scoped.put(join(&self.prefix, &key), value),
                Operation::Delete(key) => scoped.delete(join(&self.prefix, &key)),
            }
        }
        Box::pin(async move {
            self.store.commit(scoped, durability).await?;
            if founding {
                *self.founding() = Batch::default();
            }
            Ok(())
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        Box::pin(async {
            let snapshot = self.store.snapshot().await?;
            let scoped: Arc<dyn Snapshot> = Arc::new(ScopedSnapshot {
                snapshot,
                prefix: self.prefix.clone(),
            });
            Ok(scoped)
        })
    }

    /// The size of the whole store: engines do not account by prefix.
    fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }
}

struct ScopedSnapshot {
    snapshot: Arc<dyn Snapshot>,
    prefix: Bytes,
}

impl Snapshot for ScopedSnapshot {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move { self.snapshot.get(&join(&self.prefix, key)).await })
    }

    fn get_many<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let scoped = keys.iter().map(|key| join(&self.prefix, key).into());
            self.snapshot.get_many(&scoped.collect::<Vec<_>>()).await
        })
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move {
            let start = join(&self.prefix, start);
            let end = if end.is_empty() {
                prefix_end(&self.prefix)
            } else {
                join(&self.prefix, end)
            };
            let mut page = self.snapshot.scan(&start, &end, limit).await?;
            for (key, _) in &mut page.rows {
                *key = key.slice(self.prefix.len()..);
            }
            Ok(page)
        })
    }
}
