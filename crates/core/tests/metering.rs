//! Usage rows of a namespace: counted with their commits, never without, never twice.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::sync::Arc;

use futures::executor::{LocalPool, LocalSpawner};
use futures::task::LocalSpawnExt;
use quartz_core::{
    Error, ManualClock, VectorCache,
    namespace::{Action, Change, Expiry, Idempotency, Namespace, Operation, Precondition, Write},
    record::Value,
    store::{MemoryStore, Store},
    usage::Usage,
};

const HOUR_MILLIS: u64 = 3_600_000;

struct World {
    pool: LocalPool,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    namespace: Namespace,
}

fn open(
    pool: &mut LocalPool,
    spawner: &LocalSpawner,
    store: &Arc<dyn Store>,
    clock: &Arc<ManualClock>,
) -> Namespace {
    let cache = VectorCache::new(1 << 20);
    let opened = Namespace::open(Arc::clone(store), clock.clone(), cache);
    let (namespace, writer) = pool.run_until(opened).unwrap();
    spawner.spawn_local(writer.run()).unwrap();
    namespace
}

impl World {
    fn new() -> Self {
        let mut pool = LocalPool::new();
        let spawner = pool.spawner();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::new(100 * HOUR_MILLIS));
        let namespace = open(&mut pool, &spawner, &store, &clock);
        Self {
            pool,
            store,
            clock,
            namespace,
        }
    }

    fn put(
        &mut self,
        id: &str,
        size: usize,
        precondition: Precondition,
        key: Option<&str>,
    ) -> Option<u64> {
        let value = Value {
            content_type: "text/plain".into(),
            bytes: vec![b'x'; size].into(),
        };
        let write = Write {
            payer: Some(7),
            idempotency: key.map(|key| Idempotency {
                key: key.into(),
                fingerprint: [0; 16],
            }),
            ..Write::from(Change::Apply(vec![Operation {
                id: id.into(),
                precondition,
                action: Action::Put(value, Expiry::Keep),
            }]))
        };
        let written = self.pool.run_until(self.namespace.write(write));
        written.ok().map(|written| written.units)
    }

    fn rows(&mut self) -> Vec<(u32, u32, Usage)> {
        self.pool.run_until(self.namespace.metered(0)).unwrap().rows
    }
}

#[test]
fn writes_are_counted_as_they_are_committed() {
    let mut world = World::new();
    assert_eq!(world.put("a", 1023, Precondition::None, None), Some(1));
    assert_eq!(world.put("a", 1024, Precondition::None, None), Some(2));
    // Refused, and repeated: not counted.
    assert_eq!(world.put("a", 1, Precondition::Absent, None), None);
    assert_eq!(world.put("b", 1, Precondition::None, Some("k")), Some(1));
    assert_eq!(world.put("b", 1, Precondition::None, Some("k")), Some(0));
    let expected = Usage {
        requests: 3,
        write_units: 4,
        ..Usage::default()
    };
    assert_eq!(world.rows(), [(100, 7, expected)]);
    // It is as durable as the writes.
    let (spawner, store, clock) = (
        world.pool.spawner(),
        world.store.clone(),
        world.clock.clone(),
    );
    world.namespace = open(&mut world.pool, &spawner, &store, &clock);
    assert_eq!(world.rows(), [(100, 7, expected)]);
    assert_eq!(world.namespace.take_metered(), Some(0), "it is opened");
    assert_eq!(world.namespace.take_metered(), None);
    world.put("a", 1, Precondition::None, None);
    assert!(world.namespace.is_uncollected());
    assert_eq!(world.namespace.take_metered(), Some(100));
    assert!(!world.namespace.is_uncollected());
    world.namespace.set_metered(100);
    world.clock.advance(HOUR_MILLIS);
    world.put("a", 1, Precondition::None, None);
    assert_eq!(world.namespace.take_metered(), Some(100));
}

#[test]
fn a_write_that_costs_too_much_changes_nothing() {
    let mut world = World::new();
    let mut write = |sizes: &[usize], most_units| {
        let operations = sizes.iter().enumerate().map(|(at, &size)| Operation {
            id: format!("r{at}"),
            precondition: Precondition::None,
            action: Action::Put(
                Value {
                    content_type: "text/plain".into(),
                    bytes: vec![b'x'; size].into(),
                },
                Expiry::Keep,
            ),
        });
        let write = Write {
            payer: Some(7),
            most_units,
            ..Write::from(Change::Apply(operations.collect()))
        };
        world.pool.run_until(world.namespace.write(write))
    };
    let refused = write(&[1, 2000], Some(2)).unwrap_err();
    assert_eq!(refused, Error::TooCostly { units: 3, most: 2 });
    assert_eq!(write(&[1, 2000], Some(3)).unwrap().version, 1);
    assert_eq!(write(&[1, 1, 1], None).unwrap().version, 2);
    let mut expected = Usage::write(3);
    expected.add(Usage::write(3));
    assert_eq!(world.rows(), [(100, 7, expected)]);
}

#[test]
fn reads_go_with_the_next_commit_or_a_flush() {
    let mut world = World::new();
    world.put("a", 1, Precondition::None, None);
    world.namespace.charge(8, Usage::read(5000));
    assert_eq!(world.rows().len(), 1);
    world.clock.advance(HOUR_MILLIS);
    world.pool.run_until(world.namespace.flush_usage()).unwrap();
    world.pool.run_until(world.namespace.flush_usage()).unwrap();
    world.namespace.charge(8, Usage::query(1));
    world.put("a", 1, Precondition::None, None);
    let rows = world.rows();
    let of = |hour, payer| {
        rows.iter()
            .find(|row| (row.0, row.1) == (hour, payer))
            .unwrap()
            .2
    };
    assert_eq!(of(100, 7), Usage::write(1));
    assert_eq!(of(101, 7), Usage::write(1));
    let mut reads = Usage::read(5000);
    reads.add(Usage::query(1));
    assert_eq!(of(101, 8), reads);
    assert_eq!(rows.len(), 3);
}

#[test]
fn old_rows_are_forgotten() {
    let mut world = World::new();
    world.put("a", 1, Precondition::None, None);
    world.clock.advance(35 * 24 * HOUR_MILLIS);
    world.put("a", 1, Precondition::None, None);
    assert_eq!(world.rows().len(), 2);
    world.clock.advance(HOUR_MILLIS);
    world.put("a", 1, Precondition::None, None);
    let hours: Vec<_> = world.rows().iter().map(|row| row.0).collect();
    assert_eq!(hours, [100 + 35 * 24, 100 + 35 * 24 + 1]);
}
