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
    namespace::{
        Action, Change, Contents, Effort, Expiry, ListPage, Metered, Namespace, Operation,
        Precondition, Query, Target,
    },
    record::{Parts, Value},
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

#[test]
fn what_closed_namespaces_have_counted_comes_in_pages() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = Arc::new(Hand::default());
    let first = directory(&store, &clock);
    for name in ["a", "b", "c", "~owner/d"] {
        let namespace = block_on(first.open_or_create(name)).unwrap();
        block_on(namespace.write(put("stays", Expiry::Keep))).unwrap();
    }
    drop(first);

    let second = directory(&store, &clock);
    block_on(second.open("b")).unwrap().unwrap();
    let page = |after| block_on(second.metered_at_rest(after, 3)).unwrap();
    let names = |page: &ListPage<(String, Metered)>| -> Vec<_> {
        page.items.iter().map(|(name, _)| name.clone()).collect()
    };
    let start = page(None);
    assert_eq!(names(&start), ["a", "c"], "what is open counts for itself");
    assert!(start.items[0].1.bytes > 0);
    let rest = page(start.next.as_deref());
    assert_eq!((names(&rest), rest.next), (vec!["~owner/d".into()], None));
    assert_eq!(second.totals().namespaces, 1, "nothing is opened for it");
}

/// Enough components for several parts.
const LONG_VECTORS: u32 = 600;
const LONG: usize = 16_384;

#[test]
fn a_query_in_parts_finds_the_same() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = Arc::new(Hand::default());
    let pool = ThreadPool::builder().pool_size(3).create().unwrap();
    let started = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&started);
    let spawn: Spawn = Arc::new(move |future| {
        counted.fetch_add(1, Ordering::Relaxed);
        pool.spawn_ok(future);
    });
    let shared = block_on(Directory::new_on(
        4,
        Arc::clone(&store),
        clock.clone(),
        VectorCache::new(64 << 20),
        spawn,
    ))
    .unwrap();
    let namespace = block_on(shared.open_or_create("vectors")).unwrap();
    let vector = |seed: u32| -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..LONG).map(|_| next()).collect()
    };
    for first in (0..LONG_VECTORS).step_by(100) {
        let operations = (first..first + 100).map(|n| Operation {
            id: format!("{n:03}"),
            precondition: Precondition::None,
            // Every vector is there twice, so that there are ties across parts.
            action: Action::Upsert(Contents {
                vector: Some(vector(n % (LONG_VECTORS / 2))),
                ..Contents::default()
            }),
        });
        block_on(namespace.write(Change::Apply(operations.collect()))).unwrap();
    }
    let alone = block_on(directory(&store, &clock).open("vectors"))
        .unwrap()
        .unwrap();
    let mut in_parts = 0;
    for seed in 0..5 {
        let query = Query {
            target: Target::Vector(vector(7 * seed)),
            top_k: 7,
            filter: None,
            parts: Parts::NONE,
            effort: Effort::Exact,
        };
        let matches = |namespace: &Namespace| {
            let answer = block_on(namespace.view().query(&query)).unwrap();
            let found = answer.matches.into_iter();
            found
                .map(|found| (found.record.id, found.score))
                .collect::<Vec<_>>()
        };
        let before = started.load(Ordering::Relaxed);
        assert_eq!(matches(&namespace), matches(&alone));
        in_parts += u32::from(started.load(Ordering::Relaxed) > before);
    }
    assert_eq!(in_parts, 5);
}
