//! What the writer of a namespace does while a commit is on its way.

#![expect(clippy::unwrap_used, reason = "a test stops at its first fault")]

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{
    channel::oneshot,
    executor::{LocalPool, block_on},
    future::RemoteHandle,
    task::{LocalSpawnExt, SpawnExt},
};
use quartz_core::{
    Clock, Error, VectorCache, check,
    namespace::{
        Action, Change, Contents, Expiry, Namespace, Operation, Outcome, Precondition, Write,
        Written,
    },
    record::{Parts, Value},
    store::{Batch, BoxFuture, Durability, MemoryStore, Result, Snapshot, Store, StoreError},
    usage::Usage,
};

/// A clock that the test sets.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A store whose commits wait until they are told how to end.
#[derive(Clone, Default)]
struct HeldStore {
    store: MemoryStore,
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<Result<()>>>>>,
}

impl Store for HeldStore {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        let (end, ended) = oneshot::channel();
        self.waiting.lock().unwrap().push_back(end);
        Box::pin(async move {
            ended.await.unwrap()?;
            self.store.commit(batch, durability).await
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        self.store.snapshot()
    }

    fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }
}

/// The key that pays for all writes.
const PAYER: u32 = 7;

type Answer = RemoteHandle<Result<Written, Error>>;

struct Bench {
    pool: LocalPool,
    store: HeldStore,
    clock: Hand,
    namespace: Namespace,
}

impl Bench {
    fn new() -> Self {
        let store = HeldStore::default();
        let pool = LocalPool::new();
        let cache = VectorCache::new(1 << 20);
        let clock = Hand::default();
        let open = Namespace::open(Arc::new(store.clone()), Arc::new(clock.clone()), cache);
        let (namespace, writer) = block_on(open).unwrap();
        pool.spawner().spawn(writer.run()).unwrap();
        Self {
            pool,
            store,
            clock,
            namespace,
        }
    }

    fn write(&mut self, operations: Vec<Operation>) -> Answer {
        let namespace = self.namespace.clone();
        let write = Write {
            payer: Some(PAYER),
            ..Write::from(Change::Apply(operations))
        };
        let write = async move { namespace.write(write).await };
        let answer = self.pool.spawner().spawn_local_with_handle(write).unwrap();
        self.pool.run_until_stalled();
        answer
    }

    /// Ends the commit that waits longest.
    fn end(&mut self, outcome: Result<()>) {
        let end = self.store.waiting.lock().unwrap().pop_front().unwrap();
        end.send(outcome).unwrap();
        self.pool.run_until_stalled();
    }

    fn commits_waiting(&self) -> usize {
        self.store.waiting.lock().unwrap().len()
    }

    fn answer(&mut self, answer: Answer) -> Result<Written, Error> {
        self.pool.run_until(answer)
    }

    /// What the store says that the payer has used.
    fn used(&self) -> Usage {
        let open = Namespace::open(
            Arc::new(self.store.store.clone()),
            Arc::new(self.clock.clone()),
            VectorCache::new(1 << 20),
        );
        let (stored, _) = block_on(open).unwrap();
        let seen = block_on(self.namespace.metered(0)).unwrap().rows;
        assert_eq!(block_on(stored.metered(0)).unwrap().rows, seen);
        let mut sum = Usage::default();
        for (_, payer, used) in seen {
            assert_eq!(payer, PAYER);
            sum.add(used);
        }
        sum
    }

    fn get(&self, id: &str) -> Option<(Bytes, u64)> {
        let record = block_on(self.namespace.view().get(id, Parts::ALL)).unwrap()?;
        Some((record.value?.bytes, record.version))
    }
}

fn put(id: &str, value: &'static str, precondition: Precondition) -> Operation {
    let value = Value {
        content_type: "text/plain".into(),
        bytes: Bytes::from_static(value.as_bytes()),
    };
    Operation {
        id: id.into(),
        precondition,
        action: Action::Put(value, Expiry::Keep),
    }
}

#[test]
fn writes_are_decided_on_a_commit_that_is_on_its_way() {
    let mut bench = Bench::new();
    let first = bench.write(vec![put("a", "one", Precondition::Absent)]);
    assert_eq!(bench.commits_waiting(), 1);
    let second = bench.write(vec![put("a", "two", Precondition::Version(1))]);
    let third = bench.write(vec![put("a", "no", Precondition::Absent)]);
    let fourth = bench.write(vec![put("b", "four", Precondition::None)]);
    assert_eq!(bench.commits_waiting(), 1, "the second waits for the first");
    assert_eq!(bench.get("a"), None, "nothing is seen before its commit");

    bench.end(Ok(()));
    assert_eq!(bench.answer(first).unwrap().version, 1);
    assert_eq!(bench.get("a"), Some(("one".into(), 1)));
    assert_eq!(bench.get("b"), None);
    assert_eq!(bench.commits_waiting(), 1, "what gathered is one commit");

    bench.end(Ok(()));
    assert_eq!(bench.answer(second).unwrap().version, 2);
    assert!(matches!(
        bench.answer(third),
        Err(Error::Precondition { .. })
    ));
    assert_eq!(bench.answer(fourth).unwrap().outcomes, [Outcome::Created]);
    assert_eq!(bench.get("a"), Some(("two".into(), 2)));
    assert_eq!(bench.get("b"), Some(("four".into(), 3)));
    let description = block_on(bench.namespace.view().describe()).unwrap();
    assert_eq!((description.records, description.version), (2, 3));
}

#[test]
fn what_was_decided_on_a_commit_that_fails_fails_with_it() {
    for error in [
        StoreError::Full("no room".into()),
        StoreError::Unavailable("no disk".into()),
    ] {
        let mut bench = Bench::new();
        let first = bench.write(vec![put("a", "one", Precondition::None)]);
        let second = bench.write(vec![put("b", "two", Precondition::None)]);
        let third = bench.write(vec![put("a", "no", Precondition::Absent)]);
        bench.end(Err(error.clone()));
        for answer in [first, second, third] {
            assert_eq!(bench.answer(answer), Err(Error::Store(error.clone())));
        }
        assert_eq!(bench.commits_waiting(), 0);
        let again = bench.write(vec![put("a", "again", Precondition::Absent)]);
        bench.end(Ok(()));
        assert_eq!(bench.answer(again).unwrap().version, 1);
        assert_eq!(bench.get("a"), Some(("again".into(), 1)));
        assert_eq!(bench.get("b"), None);
    }
}

#[test]
fn commits_decided_ahead_count_what_they_write_once() {
    let mut bench = Bench::new();
    let first = bench.write(vec![put("a", "one", Precondition::None)]);
    // Decided on the first, whose usage row it must add to and not replace.
    let second = bench.write(vec![put("a", "two", Precondition::Version(1))]);
    let refused = bench.write(vec![put("a", "no", Precondition::Absent)]);
    bench.namespace.charge(PAYER, Usage::read(1));
    bench.end(Ok(()));
    assert_eq!(bench.used(), Usage::write(1));
    let third = bench.write(vec![put("b", "three", Precondition::None)]);
    bench.end(Ok(()));
    let mut expected = Usage::read(1);
    expected.add(Usage::write(1));
    expected.add(Usage::write(1));
    assert_eq!(bench.used(), expected, "the read goes with the second");
    bench.end(Ok(()));
    expected.add(Usage::write(1));
    assert_eq!(bench.used(), expected);
    for answer in [first, second, third] {
        assert_eq!(bench.answer(answer).unwrap().units, 1);
    }
    bench.answer(refused).unwrap_err();
    assert_eq!(bench.used(), expected);
}

#[test]
fn a_commit_that_fails_takes_no_usage_and_loses_none() {
    for error in [
        StoreError::Full("no room".into()),
        StoreError::Unavailable("no disk".into()),
    ] {
        let mut bench = Bench::new();
        let kept = bench.write(vec![put("a", "kept", Precondition::None)]);
        bench.end(Ok(()));
        bench.answer(kept).unwrap();
        let first = bench.write(vec![put("a", "one", Precondition::None)]);
        let second = bench.write(vec![put("b", "two", Precondition::None)]);
        bench.end(Err(error.clone()));
        bench.answer(first).unwrap_err();
        bench.answer(second).unwrap_err();
        assert_eq!(bench.used(), Usage::write(1));
        let again = bench.write(vec![put("b", "again", Precondition::None)]);
        bench.end(Ok(()));
        bench.answer(again).unwrap();
        let mut expected = Usage::write(1);
        expected.add(Usage::write(1));
        assert_eq!(bench.used(), expected);
    }
}

#[test]
fn records_that_change_twice_keep_their_rows_in_order() {
    let mut bench = Bench::new();
    let upsert = |vector: Vec<f32>, field: &str| Operation {
        id: "a".into(),
        precondition: Precondition::None,
        action: Action::Upsert(Contents {
            vector: Some(vector),
            metadata: [(field.to_owned(), quartz_core::record::Field::Bool(true))].into(),
            ..Contents::default()
        }),
    };
    let first = bench.write(vec![upsert(vec![1.0, 0.0], "x")]);
    let second = bench.write(vec![upsert(vec![0.0, 1.0], "y")]);
    bench.end(Ok(()));
    let third = bench.write(vec![Operation {
        id: "a".into(),
        precondition: Precondition::None,
        action: Action::Delete,
    }]);
    bench.end(Ok(()));
    let fourth = bench.write(vec![upsert(vec![1.0, 1.0], "z")]);
    bench.end(Ok(()));
    bench.end(Ok(()));
    for (answer, version) in [(first, 1), (second, 2), (third, 3), (fourth, 4)] {
        assert_eq!(bench.answer(answer).unwrap().version, version);
    }
    let report = block_on(check::namespace(&bench.store.store)).unwrap();
    assert!(report.faults.is_empty(), "{report:?}");
    assert_eq!(report.records, 1);
}

#[test]
fn a_write_counts_its_time_from_its_own_arrival() {
    let mut bench = Bench::new();
    let lives = |id: &str| {
        let mut operation = put(id, "x", Precondition::None);
        let Action::Put(_, expiry) = &mut operation.action else {
            unreachable!()
        };
        *expiry = Expiry::After(1_000);
        operation
    };
    let first = bench.write(vec![lives("a")]);
    bench.clock.0.store(100, Ordering::Relaxed);
    let second = bench.write(vec![lives("b")]);
    bench.clock.0.store(500, Ordering::Relaxed);
    let third = bench.write(vec![lives("c")]);
    bench.end(Ok(()));
    bench.end(Ok(()));
    for answer in [first, second, third] {
        bench.answer(answer).unwrap();
    }
    for (id, expires_at) in [("a", 1_000), ("b", 1_100), ("c", 1_500)] {
        let record = block_on(bench.namespace.view().get(id, Parts::NONE)).unwrap();
        assert_eq!(record.unwrap().expires_at, Some(expires_at), "{id}");
    }
}

#[test]
fn a_close_waits_for_what_came_before_it() {
    let mut bench = Bench::new();
    let first = bench.write(vec![put("a", "one", Precondition::None)]);
    let second = bench.write(vec![put("b", "two", Precondition::None)]);
    let namespace = bench.namespace.clone();
    let closing = async move { namespace.close().await };
    let closed = bench
        .pool
        .spawner()
        .spawn_local_with_handle(closing)
        .unwrap();
    bench.pool.run_until_stalled();
    let late = bench.write(vec![put("c", "late", Precondition::None)]);
    bench.end(Ok(()));
    bench.end(Ok(()));
    bench.pool.run_until(closed);
    assert_eq!(bench.answer(first).unwrap().version, 1);
    assert_eq!(bench.answer(second).unwrap().version, 2);
    assert_eq!(bench.answer(late), Err(Error::Closed));
    assert!(bench.namespace.is_closed());
    assert_eq!(bench.get("c"), None);
}
