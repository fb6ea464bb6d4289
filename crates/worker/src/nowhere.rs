//! The store of a Worker that holds nothing itself.
//!
//! Its router answers documents and refusals. Should a request for a namespace ever come to it, because its
//! key could not be checked a moment ago and now can, nothing must be written where nobody will find it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quartz_core::store::{
    Batch, BoxFuture, Durability, MemoryStore, Result, Snapshot, Store, StoreError,
};

/// A store that is in memory until it is closed and then fails.
#[derive(Default)]
pub struct Nowhere {
    closed: AtomicBool,
    memory: MemoryStore,
}

impl Nowhere {
    /// From now on every call fails, and may be tried again elsewhere.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn open(&self) -> Result<&MemoryStore> {
        if self.closed.load(Ordering::Acquire) {
            let why = "the accounts did not answer in time; try again";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        Ok(&self.memory)
    }
}

impl Store for Nowhere {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        match self.open() {
            Ok(memory) => memory.commit(batch, durability),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        match self.open() {
            Ok(memory) => memory.snapshot(),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn size_bytes(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn once_closed_nothing_is_taken_or_shown() {
        let store = Nowhere::default();
        let batch = || {
            let mut batch = Batch::default();
            batch.put(b"k".to_vec(), b"v".to_vec());
            batch
        };
        block_on(store.commit(batch(), Durability::Disk)).unwrap();
        store.close();
        let refused = block_on(store.commit(batch(), Durability::Disk));
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        assert!(block_on(store.snapshot()).is_err());
    }
}
