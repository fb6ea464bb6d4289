//! The clustered index against brute force: inserts in any order, updates, deletes, reopening.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use futures::executor::block_on;
use proptest::prelude::*;
use quartz_core::{
    ManualClock, Metric, Precision, VectorCache, check,
    filter::{Filter, Scalar},
    keys,
    namespace::{
        Action, Answer, Change, Config, Contents, Effort, Namespace, Operation, PlanKind,
        Precondition, Query, Target,
    },
    record::{Field, Metadata, Parts},
    store::{MemoryStore, Store},
};

const DIMENSION: usize = 128;
/// Enough vectors for a search through the clusters.
const COUNT: u64 = 8_500;

/// A namespace beside what it must hold.
struct Model {
    store: Arc<dyn Store>,
    namespace: Namespace,
    writer: std::thread::JoinHandle<()>,
    metric: Metric,
    precision: Precision,
    vectors: BTreeMap<String, Vec<f32>>,
}

fn open(store: &Arc<dyn Store>) -> (Namespace, std::thread::JoinHandle<()>) {
    let clock = Arc::new(ManualClock::new(1));
    let cache = VectorCache::new(16 << 20);
    let (namespace, writer) = block_on(Namespace::open(Arc::clone(store), clock, cache)).unwrap();
    let writer = std::thread::spawn(move || block_on(writer.run()));
    (namespace, writer)
}

impl Model {
    fn new(metric: Metric, precision: Precision) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (namespace, writer) = open(&store);
        let config = Config {
            metric,
            precision,
            ..Config::default()
        };
        block_on(namespace.write(Change::Configure(config))).unwrap();
        Self {
            store,
            namespace,
            writer,
            metric,
            precision,
            vectors: BTreeMap::new(),
        }
    }

    fn reopen(&mut self) {
        let (namespace, writer) = open(&self.store);
        block_on(self.namespace.close());
        self.namespace = namespace;
        std::mem::replace(&mut self.writer, writer).join().unwrap();
    }

    fn apply(&mut self, changes: Vec<(String, Option<Vec<f32>>)>) {
        for slice in changes.chunks(1000) {
            let operations = slice.iter().map(|(id, vector)| Operation {
                id: id.clone(),
                precondition: Precondition::None,
                action: match vector {
                    Some(vector) => Action::Upsert(Contents {
                        vector: Some(vector.clone()),
                        metadata: metadata(id),
                        ..Contents::default()
                    }),
                    None => Action::Delete,
                },
            });
            block_on(self.namespace.write(Change::Apply(operations.collect()))).unwrap();
        }
        for (id, vector) in changes {
            match vector {
                Some(vector) => {
                    let stored = keys::vector::rounded(self.precision, &vector);
                    self.vectors.insert(id, stored);
                }
                None => {
                    self.vectors.remove(&id);
                }
            }
        }
    }

    /// Does everything that writes have put off.
    fn tend(&self) {
        while self.namespace.wants_tending() {
            block_on(self.namespace.write(Change::Tend { clusters: 7 })).unwrap();
        }
    }

    fn check(&self) {
        let report = block_on(check::namespace(&*self.store)).unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!(report.vectors, self.vectors.len() as u64);
    }

    fn query(&self, vector: &[f32], effort: Effort, tenth: bool) -> Answer {
        let filter = tenth.then(|| Filter::Equal("tenth".into(), Scalar::Number(0.0)));
        self.filtered(vector, effort, filter)
    }

    fn filtered(&self, vector: &[f32], effort: Effort, filter: Option<Filter>) -> Answer {
        let query = Query {
            target: Target::Vector(vector.to_vec()),
            top_k: 10,
            filter,
            parts: Parts::NONE,
            effort,
        };
        block_on(self.namespace.view().query(&query)).unwrap()
    }

    /// Share of the true ten nearest that are found, over some queries.
    fn recall(&self, effort: Effort, tenth: bool) -> f64 {
        let queries = 40;
        let mut hits = 0;
        for number in 0..queries {
            let query = vector(1_000_000 + number, number as usize % TOPICS);
            let mut truth: Vec<_> = self
                .vectors
                .iter()
                .filter(|(id, _)| !tenth || metadata(id)["tenth"] == Field::Number(0.0))
                .map(|(id, vector)| (score(self.metric, &query, vector), id))
                .collect();
            truth.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
            let truth: Vec<_> = truth.into_iter().take(10).map(|(_, id)| id).collect();
            let answer = self.query(&query, effort, tenth);
            assert_eq!(answer.matches.len(), truth.len(), "if k match, k come back");
            let found = |id: &&&String| answer.matches.iter().any(|found| found.record.id == ***id);
            hits += truth.iter().filter(found).count();
        }
        hits as f64 / (queries * 10) as f64
    }
}

fn metadata(id: &str) -> Metadata {
    let number: u64 = id.parse().unwrap();
    let share = |name: &str, parts| (name.to_owned(), Field::Number((number % parts) as f64));
    [share("tenth", 10), share("twentieth", 20)].into()
}

fn score(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |f: fn(f64, f64) -> f64| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f((*a).into(), (*b).into()))
            .sum()
    };
    match metric {
        Metric::Cosine => {
            let length: f64 = b.iter().map(|b| f64::from(*b) * f64::from(*b)).sum();
            sum(|a, b| a * b) / length.sqrt()
        }
        Metric::Dot => sum(|a, b| a * b),
        Metric::Euclidean => -sum(|a, b| (a - b) * (a - b)),
    }
}

const TOPICS: usize = 60;

/// A vector near the centre of a topic, by a number that stands for chance.
fn vector(number: u64, topic: usize) -> Vec<f32> {
    let mut state = number.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1;
    let mut centre = (topic as u64 + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let draw = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..DIMENSION)
        .map(|_| draw(&mut centre) + 0.6 * draw(&mut state))
        .collect()
}

fn fill(model: &mut Model, count: u64, topic: impl Fn(u64) -> usize) {
    let records =
        (0..count).map(|number| (number.to_string(), Some(vector(number, topic(number)))));
    model.apply(records.collect());
}

#[test]
fn any_order_of_inserts_finds_the_nearest() {
    let cases = [
        (Metric::Cosine, Precision::F32, false),
        (Metric::Cosine, Precision::F16, true),
        (Metric::Euclidean, Precision::Int8, true),
        (Metric::Dot, Precision::F32, false),
    ];
    for (metric, precision, sorted) in cases {
        let mut model = Model::new(metric, precision);
        fill(&mut model, COUNT, |number| {
            let topic = if sorted {
                number * TOPICS as u64 / COUNT
            } else {
                number % TOPICS as u64
            };
            topic as usize
        });
        model.tend();
        model.check();
        let answer = model.query(&vector(5, 5), Effort::default(), false);
        assert_eq!(answer.plan.kind, PlanKind::Clusters);
        assert!(answer.plan.clusters > 60 && answer.plan.probes < answer.plan.clusters);
        assert!(answer.plan.calibration >= 100);
        for tenth in [false, true] {
            let recall = model.recall(Effort::Recall(0.99), tenth);
            assert!(
                recall >= 0.95,
                "{metric}, sorted {sorted}, tenth {tenth}: {recall}"
            );
        }
        let all = Effort::Probes(answer.plan.clusters as u32);
        let recall = model.recall(all, false);
        assert!(recall >= 0.99, "{metric}, sorted {sorted}: {recall}");
    }
}

#[test]
fn updates_deletes_and_reopening_leave_no_ghosts() {
    let mut model = Model::new(Metric::Cosine, Precision::F32);
    let count = COUNT;
    fill(&mut model, count, |number| number as usize % TOPICS);
    let half = (0..count).filter(|number| number % 2 == 0).map(|number| {
        let moved = vector(number + count, (number as usize * 7 + 3) % TOPICS);
        (number.to_string(), (number % 4 == 0).then_some(moved))
    });
    model.apply(half.collect());
    model.check();
    model.reopen();
    let recall = model.recall(Effort::Recall(0.99), false);
    assert!(recall >= 0.95, "{recall}");
    // Dissolves every cluster but the last, and that one with the last vector.
    let keep_one = model.vectors.keys().skip(1).cloned().map(|id| (id, None));
    model.apply(keep_one.collect());
    model.check();
    let last = model.vectors.keys().cloned().map(|id| (id, None));
    model.apply(last.collect());
    model.check();
    fill(&mut model, 300, |number| number as usize % TOPICS);
    model.check();
}

/// What is kept in memory for a filter that is asked with again must not show, whatever is written between.
#[test]
fn a_filter_asked_with_again_answers_as_one_asked_with_anew() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean] {
        let mut model = Model::new(metric, Precision::F32);
        // Enough that some may go before all of them are compared.
        let count = COUNT + 1000;
        fill(&mut model, count, |number| number as usize % TOPICS);
        let ask = |model: &Model| -> Vec<_> {
            let query = |number: u64| {
                let query = vector(1_000_000 + number, number as usize % TOPICS);
                model.query(&query, Effort::default(), true)
            };
            // From here on the filter was asked with before.
            query(0);
            let answers = (0..10).map(|number| {
                let answer = query(number);
                assert_eq!(answer.plan.kind, PlanKind::FilterFirst);
                assert!(answer.plan.refined < answer.plan.scanned && !answer.plan.exact);
                let matches = answer.matches.into_iter();
                let matches: Vec<_> = matches
                    .map(|found| (found.record.id, found.score))
                    .collect();
                (matches, answer.plan.refined)
            });
            answers.collect()
        };
        // Nothing, vectors that the filter does not leave, and some that it does: moved, new and gone.
        for changed in [None, Some((3, 10)), Some((0, 20))] {
            if let Some((first, step)) = changed {
                let moved = (first..count + 500).step_by(step).map(|number| {
                    let moved = vector(number + 77 * COUNT, (number as usize * 7 + 3) % TOPICS);
                    (number.to_string(), (number % 3 > 0).then_some(moved))
                });
                model.apply(moved.collect());
            }
            let once = ask(&model);
            assert_eq!(ask(&model), once);
            model.reopen();
            assert_eq!(ask(&model), once);
            for asked in [0.9, 0.95, 0.97, 0.99] {
                let recall = model.recall(Effort::Recall(asked), true);
                assert!(recall >= asked.into(), "{metric}, {asked}: {recall}");
            }
        }
    }
}

/// Signs are not gathered for a filter that leaves much and is asked with once.
#[test]
fn a_filter_that_leaves_much_is_served_by_clusters_until_it_is_asked_with_again() {
    let mut model = Model::new(Metric::Cosine, Precision::F32);
    fill(&mut model, COUNT, |number| number as usize % TOPICS);
    let kinds = |model: &Model, below: f64| {
        let filter = Filter::Range("tenth".into(), Bound::Unbounded, Bound::Excluded(below));
        [0, 1].map(|number| {
            let query = vector(1_000_000 + number, number as usize);
            let answer = model.filtered(&query, Effort::default(), Some(filter.clone()));
            assert!(answer.plan.kind == PlanKind::FilterFirst || answer.plan.probes > 0);
            answer.plan.kind
        })
    };
    let first = [PlanKind::Clusters, PlanKind::FilterFirst];
    assert_eq!(kinds(&model, 3.0), first);
    assert_eq!(kinds(&model, 3.0), [PlanKind::FilterFirst; 2]);
    assert_eq!(
        kinds(&model, 2.5),
        [PlanKind::FilterFirst; 2],
        "they leave the same"
    );
    assert_eq!(kinds(&model, 2.0), first);
    // It leaves the same ones after this, but not with the same vectors.
    model.apply(vec![("1".to_owned(), Some(vector(77, 7)))]);
    assert_eq!(kinds(&model, 3.0), first);
}

#[test]
fn sketches_of_what_a_filter_leaves_are_compared_until_it_is_asked_with_again() {
    let mut model = Model::new(Metric::Cosine, Precision::F32);
    fill(&mut model, COUNT, |number| number as usize % TOPICS);
    let filter = Filter::Equal("twentieth".into(), Scalar::Number(7.0));
    let [first, again] = [(); 2].map(|()| {
        let query = vector(1_000_000, 1);
        model.filtered(&query, Effort::default(), Some(filter.clone()))
    });
    for answer in [&first, &again] {
        assert_eq!(answer.plan.kind, PlanKind::FilterFirst);
        assert!(!answer.plan.exact && answer.plan.scanned == COUNT / 20);
    }
    assert_eq!(first.plan.refined, first.plan.scanned);
    assert!(again.plan.refined < again.plan.scanned);
    let best = |answer: &Answer| answer.matches[0].record.id.clone();
    assert_eq!(best(&first), best(&again));
}

#[test]
fn a_thousand_times_the_same_vector_is_no_trouble() {
    let mut model = Model::new(Metric::Euclidean, Precision::F32);
    let same = (0..3000_u64).map(|number| (number.to_string(), Some(vector(1, 1))));
    model.apply(same.collect());
    fill_above(&mut model, 3000, COUNT);
    model.check();
    let half = (0..2900_u64).map(|number| (number.to_string(), None));
    model.apply(half.collect());
    model.check();
    assert_eq!(
        model.query(&vector(1, 1), Effort::default(), false).matches[0].score,
        0.0
    );
}

fn fill_above(model: &mut Model, first: u64, count: u64) {
    let records = (first..count).map(|number| {
        (
            number.to_string(),
            Some(vector(number, number as usize % TOPICS)),
        )
    });
    model.apply(records.collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_history_leaves_a_sound_index(
        steps in prop::collection::vec((0..5_u8, 0..900_u64, 1..500_u64), 1..12),
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::Euclidean]),
        precision in prop::sample::select(vec![Precision::F32, Precision::F16, Precision::Int8]),
    ) {
        let mut model = Model::new(metric, precision);
        for (step, (kind, first, count)) in (1..).zip(steps) {
            let range = first..first + count;
            match kind {
                0 | 1 => {
                    let topic = |number: u64| if kind == 0 { step } else { number as usize };
                    let records = range.map(|number| {
                        let vector = vector(number + 1000 * step as u64, topic(number) % TOPICS);
                        (number.to_string(), Some(vector))
                    });
                    model.apply(records.collect());
                }
                2 => model.apply(range.map(|number| (number.to_string(), None)).collect()),
                3 => model.reopen(),
                _ => model.tend(),
            }
            model.check();
        }
    }
}
