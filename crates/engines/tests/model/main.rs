//! A namespace against a model of it: random writes, one by one and many at once, reads, sweeps, a
//! clock that moves, reopening, and a store that fails now and then. The model is a `BTreeMap` and brute
//! force; whatever the namespace answers must be what the model answers.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod faulty;
mod model;
mod steps;

use std::sync::Arc;

use faulty::{Fault, FaultyStore};
use futures::{executor::LocalPool, future::join_all, task::LocalSpawnExt};
use model::Model;
use proptest::{prelude::*, test_runner::Config};
use quartz_core::{
    Clock, Error, ManualClock, Metric, VectorCache, check,
    namespace::{Change, Config as NamespaceConfig, ListRange, Namespace, Write, Written},
    record::Parts,
    store::{MemoryStore, Store},
};
use quartz_engines::{LocalStore, Options};
use steps::{Step, step};

proptest! {
    #![proptest_config(Config { cases: 1500, max_shrink_iters: 400, ..Config::default() })]

    #[test]
    fn memory_engine(steps in prop::collection::vec(step(), 1..40)) {
        let store = MemoryStore::default();
        run(steps, || Arc::new(store.clone()));
    }
}

proptest! {
    #![proptest_config(Config { cases: 60, max_shrink_iters: 100, ..Config::default() })]

    #[test]
    fn local_engine(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { min_free_bytes: 0, ..Options::default() };
        run(steps, || Arc::new(LocalStore::open(directory.path(), options).unwrap()));
    }
}

/// Runs the steps on the namespace in the store that `open` opens, again after each `Reopen`.
fn run(steps: Vec<Step>, mut open: impl FnMut() -> Arc<dyn Store>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let mut model = Model::default();
    let mut rest = steps.into_iter();
    loop {
        let mut pool = LocalPool::new();
        let store = Arc::new(FaultyStore::new(open()));
        let cache = VectorCache::new(1 << 20);
        let opened = Namespace::open(store.clone(), clock.clone(), cache);
        let (namespace, writer) = pool.run_until(opened).unwrap();
        pool.spawner().spawn_local(writer.run()).unwrap();
        let config = NamespaceConfig {
            metric: Metric::Dot,
            ..NamespaceConfig::default()
        };
        pool.run_until(namespace.write(Change::Configure(config)))
            .unwrap();
        let mut reopen = false;
        for step in rest.by_ref() {
            if matches!(step, Step::Reopen) {
                reopen = true;
                break;
            }
            pool.run_until(take(step, &namespace, &store, &clock, &mut model));
        }
        pool.run_until(compare_all(&namespace, &*store, &clock, &model));
        drop(namespace);
        pool.run();
        if !reopen {
            return;
        }
    }
}

async fn take(
    step: Step,
    namespace: &Namespace,
    store: &FaultyStore,
    clock: &ManualClock,
    model: &mut Model,
) {
    match step {
        Step::Write(writes, fault) => write(writes, fault, namespace, store, clock, model).await,
        Step::Advance(millis) => clock.advance(millis),
        Step::Query(query) => {
            let found = namespace.view().query(&query).await;
            let expected = model.query(&query, clock.now_millis());
            match (found, expected) {
                (Ok(answer), Some(expected)) => {
                    let found: Vec<_> = answer
                        .matches
                        .iter()
                        .map(|hit| (hit.record.id.clone(), hit.score))
                        .collect();
                    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
                    for ((id, score), (model_id, model_score)) in found.iter().zip(&expected) {
                        assert_eq!(id, model_id, "{found:?} {expected:?}");
                        assert!((score - model_score).abs() < 1e-4, "{score} {model_score}");
                    }
                }
                (Err(_), None) => {}
                (found, expected) => panic!("{query:?}: {found:?}, expected {expected:?}"),
            }
        }
        Step::Count(filter) => {
            let count = namespace.view().count(&filter).await.unwrap();
            assert_eq!(
                count,
                model.count(&filter, clock.now_millis()),
                "{filter:?}"
            );
        }
        Step::Reopen => unreachable!("handled by the caller"),
    }
}

/// Sends all writes at once, so that they are decided as one group, and compares each answer.
async fn write(
    writes: Vec<Write>,
    fault: Option<Fault>,
    namespace: &Namespace,
    store: &FaultyStore,
    clock: &ManualClock,
    model: &mut Model,
) {
    let before = model.clone();
    let expected: Vec<_> = writes
        .iter()
        .map(|write| model.write(write, clock.now_millis()))
        .collect();
    store.plan(fault);
    let answers = join_all(writes.iter().map(|write| namespace.write(write.clone()))).await;
    let struck = store.plan(None);
    let failed = |answer: &Result<_, Error>| matches!(answer, Err(Error::Store(_)));
    if struck && answers.iter().any(failed) {
        // Decided reads fail alone, everything else fails the whole group.
        if answers.iter().all(failed) {
            if fault != Some(Fault::AfterCommit) {
                *model = before;
            }
            return;
        }
        *model = before;
        for (write, answer) in writes.iter().zip(&answers) {
            if !failed(answer) {
                let expected = model.write(write, clock.now_millis());
                assert_answers(write, answer, expected.as_ref());
            }
        }
        return;
    }
    for ((write, answer), expected) in writes.iter().zip(&answers).zip(&expected) {
        assert_answers(write, answer, expected.as_ref());
    }
}

fn assert_answers(write: &Write, answer: &Result<Written, Error>, expected: Option<&Written>) {
    if matches!(write.change, Change::Sweep { .. } | Change::Tend { .. }) {
        assert!(answer.is_ok(), "{answer:?}");
    } else {
        assert_eq!(answer.as_ref().ok(), expected, "{write:?}: {answer:?}");
    }
}

async fn compare_all(namespace: &Namespace, store: &dyn Store, clock: &ManualClock, model: &Model) {
    let now = clock.now_millis();
    let view = namespace.view();
    assert_eq!(view.version(), model.version);
    let mut after = None;
    let mut listed = Vec::new();
    loop {
        let range = ListRange {
            prefix: String::new(),
            after,
            limit: 3,
        };
        let page = view.list(&range, Parts::ALL).await.unwrap();
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, model.live(now).cloned().collect::<Vec<_>>());
    for record in &listed {
        assert_eq!(
            view.get(&record.id, Parts::ALL).await.unwrap().as_ref(),
            Some(record)
        );
    }
    let description = view.describe().await.unwrap();
    assert_eq!(description.records, listed.len() as u64);
    let vectors = listed
        .iter()
        .filter(|record| record.vector.is_some())
        .count();
    assert_eq!(description.vectors, vectors as u64);
    let report = check::namespace(store).await.unwrap();
    assert_eq!(report.faults, [""; 0]);
}
