//! What a directory does by itself: sweeping, also where nobody looks.

#![expect(clippy::unwrap_used, reason = "a test stops at its first fault")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures::executor::{ThreadPool, block_on};
use quartz_core::{
    Clock, VectorCache,
    directory::{Directory, Spawn},
    namespace::{Action, Change, Expiry, Operation, Precondition},
    record::Value,
    store::{MemoryStore, ScanLimit, Store},
};

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn directory(store: &Arc<dyn Store>, clock: &Arc<Hand>) -> Directory {
    let pool = ThreadPool::builder().pool_size(1).create().unwrap();
    let spawn: Spawn = Arc::new(move |future| pool.spawn_ok(future));
    let cache = VectorCache::new(1 << 20);
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    block_on(Directory::new(store, clock, cache, spawn)).unwrap()
}

fn put(id: &str, expiry: Expiry) -> Change {
    let value = Value {
        content_type: "text/plain".into(),
        bytes: Bytes::from("value"),
    };
    Change::Apply(vec![Operation {
        id: id.into(),
        precondition: Precondition::None,
        action: Action::Put(value, expiry),
    }])
}

fn rows(store: &Arc<dyn Store>) -> usize {
    let snapshot = block_on(store.snapshot()).unwrap();
    let page = block_on(snapshot.scan(&[], &[], ScanLimit::rows(100_000))).unwrap();
    assert!(!page.more);
    page.rows.len()
}

#[test]
fn what_expires_in_namespaces_that_nobody_opens_is_swept() {
    const NAMESPACES: usize = 150;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = Arc::new(Hand::default());
    let first = directory(&store, &clock);
    for number in 0..NAMESPACES {
        let name = format!("space-{number:03}");
        let namespace = block_on(first.open_or_create(&name)).unwrap();
        block_on(namespace.write(put("stays", Expiry::Keep))).unwrap();
        if number % 3 == 0 {
            block_on(namespace.write(put("goes", Expiry::At(1_000)))).unwrap();
        }
    }
    drop(first);

    let second = directory(&store, &clock);
    let before = rows(&store);
    assert_eq!(block_on(second.maintain()).unwrap().swept, 0);
    assert_eq!(
        second.totals().namespaces,
        0,
        "nothing is due, nothing opens"
    );

    clock.0.store(1_000, Ordering::Relaxed);
    let swept: u64 = (0..6)
        .map(|_| block_on(second.maintain()).unwrap().swept)
        .sum();
    assert_eq!(swept, NAMESPACES as u64 / 3);
    assert_eq!(second.totals().namespaces, NAMESPACES as u64 / 3);
    assert!(rows(&store) < before);
    let kept = block_on(second.open("space-000")).unwrap().unwrap();
    assert_eq!(block_on(kept.view().describe()).unwrap().records, 1);
}
