//! Exact search against brute force: the same matches and the same bits of every score, in every precision
//! and under every metric, whatever was written, dropped from memory or reopened before.

#![expect(clippy::unwrap_used, reason = "a test stops at its first fault")]

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use futures::{
    executor::{LocalPool, block_on},
    task::SpawnExt,
};
use proptest::prelude::*;
use quartz_core::{
    ManualClock, Metric, Precision, VectorCache,
    filter::Filter,
    keys,
    namespace::{
        Action, Change, Config, Contents, Effort, Namespace, Operation, Precondition, Query, Target,
    },
    record::{Field, Parts},
    store::{MemoryStore, Store},
};
use quartz_kernels::{portable_dot, portable_squared_euclidean};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::Euclidean];
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Int8];

/// A namespace beside what it must hold.
struct Model {
    store: Arc<dyn Store>,
    namespace: Namespace,
    pool: LocalPool,
    config: Config,
    cache_bytes: u64,
    vectors: BTreeMap<u64, Vec<f32>>,
}

/// A namespace whose writer runs in the pool.
fn open(store: &Arc<dyn Store>, cache_bytes: u64, pool: &LocalPool) -> Namespace {
    let clock = Arc::new(ManualClock::new(1));
    let cache = VectorCache::new(cache_bytes);
    let (namespace, writer) = block_on(Namespace::open(Arc::clone(store), clock, cache)).unwrap();
    pool.spawner().spawn(writer.run()).unwrap();
    namespace
}

impl Model {
    fn new(metric: Metric, precision: Precision, cache_bytes: u64) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut pool = LocalPool::new();
        let namespace = open(&store, cache_bytes, &pool);
        let config = Config {
            metric,
            precision,
            ..Config::default()
        };
        pool.run_until(namespace.write(Change::Configure(config.clone())))
            .unwrap();
        Self {
            store,
            namespace,
            pool,
            config,
            cache_bytes,
            vectors: BTreeMap::new(),
        }
    }

    fn reopen(&mut self) {
        self.pool.run_until(self.namespace.close());
        self.namespace = open(&self.store, self.cache_bytes, &self.pool);
    }

    fn apply(&mut self, changes: impl IntoIterator<Item = (u64, Option<Vec<f32>>)>) {
        let mut operations = Vec::new();
        for (number, vector) in changes {
            let action = match &vector {
                Some(vector) => Action::Upsert(Contents {
                    vector: Some(vector.clone()),
                    metadata: [("number".to_owned(), Field::Number(number as f64))].into(),
                    ..Contents::default()
                }),
                None => Action::Delete,
            };
            operations.push(Operation {
                id: id(number),
                precondition: Precondition::None,
                action,
            });
            match vector {
                Some(vector) => {
                    let stored = keys::vector::rounded(self.config.precision, &vector);
                    self.vectors.insert(number, stored);
                }
                None => {
                    self.vectors.remove(&number);
                }
            }
        }
        self.pool
            .run_until(self.namespace.write(Change::Apply(operations)))
            .unwrap();
    }

    /// Compares an exact query of the records below a number with brute force.
    #[track_caller]
    fn check(&self, query: &[f32], top_k: usize, below: u64) {
        let metric = self.config.metric;
        let target = prepared(metric, query);
        let rows = self.vectors.range(..below);
        let mut expected: Vec<_> = rows
            .map(|(number, row)| (rank(metric, &target, &prepared(metric, row)), id(*number)))
            .collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        expected.truncate(top_k);
        let query = Query {
            target: Target::Vector(query.to_vec()),
            top_k,
            filter: Some(Filter::Range(
                "number".into(),
                Bound::Unbounded,
                Bound::Excluded(below as f64),
            )),
            parts: Parts::NONE,
            effort: Effort::Exact,
        };
        let answer = block_on(self.namespace.view().query(&query)).unwrap();
        assert!(answer.plan.exact);
        let matches = answer.matches.into_iter();
        let found: Vec<_> = matches
            .map(|found| (found.record.id, found.score.to_bits()))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(rank, id)| (id, score(metric, rank).to_bits()))
            .collect();
        assert_eq!(found, expected, "{metric}, {}", self.config.precision);
    }
}

fn id(number: u64) -> String {
    format!("{number:04}")
}

fn prepared(metric: Metric, vector: &[f32]) -> Vec<f32> {
    if metric != Metric::Cosine {
        return vector.to_vec();
    }
    let squares = vector.iter().map(|&x| f64::from(x) * f64::from(x));
    let length = squares.sum::<f64>().sqrt();
    let divided = vector.iter().map(|&x| (f64::from(x) / length) as f32);
    divided.collect()
}

/// Zero has one sign.
fn rank(metric: Metric, query: &[f32], row: &[f32]) -> f32 {
    0.0 + match metric {
        Metric::Cosine | Metric::Dot => portable_dot(query, row),
        Metric::Euclidean => -portable_squared_euclidean(query, row),
    }
}

fn score(metric: Metric, rank: f32) -> f32 {
    match metric {
        Metric::Cosine => rank.clamp(-1.0, 1.0),
        Metric::Dot => rank,
        Metric::Euclidean => (-rank).max(0.0).sqrt(),
    }
}

/// Numbers in -1..1 by a number that stands for chance.
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// The same components in an order of its own: to a query whose components are all the same, such rows are
/// equally near, and their ranks differ by rounding alone.
fn shuffled(vector: &[f32], seed: u64) -> Vec<f32> {
    let mut keyed: Vec<_> = noise(seed).zip(vector.iter().copied()).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, component)| component).collect()
}

/// What is among the best by a rounding that no other machine would repeat must not decide who is.
#[test]
fn rounding_leaves_out_none_of_the_best() {
    for metric in METRICS {
        for precision in PRECISIONS {
            for dimension in [24, 100, 384] {
                let mut model = Model::new(metric, precision, 8 << 20);
                let one: Vec<f32> = noise(7).take(dimension).collect();
                let records = (0..600).map(|number| (number, Some(shuffled(&one, number + 1))));
                model.apply(records);
                for component in [0.3, -0.7, 11.0] {
                    let query = vec![component; dimension];
                    model.check(&query, 10, 600);
                    model.check(&query, 1, 600);
                }
            }
        }
    }
}

#[test]
fn halves_of_every_size_keep_their_scores() {
    for metric in METRICS {
        let mut model = Model::new(metric, Precision::F16, 8 << 20);
        // From subnormal halves to the largest ones.
        let records = (0..300_u64).map(|number| {
            let scale = 2_f32.powi((number % 38) as i32 - 22);
            let vector = noise(number + 1).take(33).map(|x| x * scale);
            (number, Some(vector.collect::<Vec<_>>()))
        });
        model.apply(records);
        for seed in 1000..1010 {
            let query: Vec<f32> = noise(seed).take(33).collect();
            for (top_k, below) in [(5, 300), (300, 300), (3, 3), (10, 70)] {
                model.check(&query, top_k, below);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_history_answers_as_brute_force(
        steps in prop::collection::vec((0..4_u8, 0..300_u64, 1..200_u64), 1..10),
        metric in prop::sample::select(METRICS.to_vec()),
        precision in prop::sample::select(PRECISIONS.to_vec()),
        dimension in 1..70_usize,
        // Room for some blocks, and for all.
        cache_bytes in prop::sample::select(vec![20_000, 8 << 20]),
    ) {
        let mut model = Model::new(metric, precision, cache_bytes);
        let one: Vec<f32> = noise(7).take(dimension).collect();
        for (step, (kind, first, count)) in (1..).zip(steps) {
            let range = first..first + count;
            match kind {
                0 => model.apply(range.map(|number| (number, Some(shuffled(&one, number + step))))),
                1 => model.apply(range.map(|number| {
                    let vector = noise(number + 1000 * step).take(dimension);
                    (number, Some(vector.collect()))
                })),
                2 => model.apply(range.map(|number| (number, None))),
                _ => model.reopen(),
            }
            let query: Vec<f32> = noise(77 * step).take(dimension).collect();
            model.check(&query, 10, 1000);
            model.check(&query, 3, first + 2);
            model.check(&vec![0.3; dimension], 5, 1000);
            model.check(&vec![0.3; dimension], 40, first + count);
        }
    }
}
