use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use quartz_core::store::{
    Batch, BoxFuture, Durability, Page, Result, ScanLimit, Snapshot, Store, StoreError,
};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The commit fails and is not applied.
    BeforeCommit,
    /// The commit is applied, and reported as failed.
    AfterCommit,
    /// The n-th read from now fails.
    Read(u8),
}

#[derive(Default)]
struct Plan {
    fault: Mutex<Option<Fault>>,
    struck: AtomicBool,
}

impl Plan {
    /// Whether this read is the one that fails.
    fn strikes_read(&self) -> bool {
        let mut fault = self.fault.lock().unwrap();
        match &mut *fault {
            Some(Fault::Read(0)) => *fault = None,
            Some(Fault::Read(left)) => {
                *left -= 1;
                return false;
            }
            _ => return false,
        }
        self.struck.store(true, Ordering::Relaxed);
        true
    }

    fn strikes_commit(&self) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        let planned = fault.filter(|fault| !matches!(fault, Fault::Read(_)))?;
        *fault = None;
        self.struck.store(true, Ordering::Relaxed);
        Some(planned)
    }
}

/// A store that fails as planned.
pub(crate) struct FaultyStore {
    store: Arc<dyn Store>,
    plan: Arc<Plan>,
}

impl FaultyStore {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            plan: Arc::default(),
        }
    }

    /// Plans a fault, or none; says whether the one planned before has struck.
    pub(crate) fn plan(&self, fault: Option<Fault>) -> bool {
        *self.plan.fault.lock().unwrap() = fault;
        self.plan.struck.swap(false, Ordering::Relaxed)
    }
}

fn injected<T>() -> Result<T> {
    Err(StoreError::Unavailable("injected".into()))
}

impl Store for FaultyStore {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.plan.strikes_commit() {
                Some(Fault::BeforeCommit) => injected(),
                Some(_) => {
                    self.store.commit(batch, durability).await?;
                    injected()
                }
                None => self.store.commit(batch, durability).await,
            }
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        Box::pin(async {
            let snapshot = self.store.snapshot().await?;
            let faulty: Arc<dyn Snapshot> = Arc::new(FaultySnapshot {
                snapshot,
                plan: Arc::clone(&self.plan),
            });
            Ok(faulty)
        })
    }

    fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }
}

struct FaultySnapshot {
    snapshot: Arc<dyn Snapshot>,
    plan: Arc<Plan>,
}

impl Snapshot for FaultySnapshot {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        if self.plan.strikes_read() {
            return Box::pin(std::future::ready(injected()));
        }
        self.snapshot.get(key)
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        if self.plan.strikes_read() {
            return Box::pin(std::future::ready(injected()));
        }
        self.snapshot.scan(start, end, limit)
    }
}
