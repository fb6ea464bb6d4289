//! Searching a filled store, one query after the other on one thread.

use std::{collections::HashSet, fs, ops::Bound, path::Path, time::Instant};

use anyhow::Context;
use futures::executor::block_on;
use quartz_core::{
    filter::{Filter, Scalar},
    namespace::{Answer, Effort, Query, Target},
    record::Parts,
};
use serde::{Deserialize, Serialize};

use super::{CACHE_BYTES, Opened, Place, effort, open};
use crate::{
    data::{Integers, Matrix},
    process,
    vectors::curve::{Curve, Point},
};

pub(crate) const TOP_K: usize = 10;
/// The fastest round counts, of as many as a second takes and at least three: a neighbour on the machine can only slow a
/// round down. Rivals have as long.
const ROUNDS: usize = 3;
const SECONDS: f64 = 1.0;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    queries: Queries,
}

/// Which queries, how often and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Queries {
    /// Efforts, one point each
    #[arg(long, value_parser = effort, value_delimiter = ',')]
    pub(crate) efforts: Vec<Effort>,
    /// How many of the set's queries
    #[arg(long, default_value_t = 1000, overrides_with = "queries")]
    pub(crate) queries: usize,
    /// The truth to compare with: gt_TRUTH_ids.npy
    #[arg(long, default_value = "all")]
    pub(crate) truth: String,
    /// One of the set's filters
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Budget of the vector cache
    #[arg(long, default_value_t = CACHE_BYTES)]
    pub(crate) cache_bytes: u64,
}

/// What was measured on our side.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Speed {
    pub(crate) curve: Curve,
    /// Vectors in the namespace.
    pub(crate) vectors: u64,
    /// Clusters of the index.
    pub(crate) clusters: u64,
    pub(crate) dimension: usize,
    /// Bytes in the vector cache when all was done.
    pub(crate) cached_bytes: u64,
    /// Bytes of the process that are in memory.
    pub(crate) resident_bytes: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let opened = open(&args.place.store, args.queries.cache_bytes)?;
    let speed = measure(&opened, &args.place.set, &args.queries)?;
    println!("{}", serde_json::to_string(&speed)?);
    block_on(opened.namespace.close());
    Ok(())
}

fn measure(opened: &Opened, set: &Path, args: &Queries) -> anyhow::Result<Speed> {
    let vectors = Matrix::read(&set.join("queries.f16.npy"))?;
    let truth = Truth::read(set, &args.truth)?;
    let filter = match &args.filter {
        Some(name) => Some(read_filter(set, name)?),
        None => None,
    };
    let mut queries: Vec<_> = vectors
        .iter()
        .take(args.queries)
        .map(|vector| Query {
            target: Target::Vector(vector),
            top_k: TOP_K,
            filter: filter.clone(),
            parts: Parts::NONE,
            effort: Effort::Exact,
        })
        .collect();
    let mut points = vec![];
    let mut clusters = 0;
    for effort in &args.efforts {
        for query in &mut queries {
            query.effort = *effort;
        }
        let (point, seen) = point(opened, &queries, &truth, *effort)?;
        clusters = seen;
        points.push(point);
    }
    Ok(Speed {
        curve: Curve {
            name: "QuartzDB".into(),
            build_cpu_seconds: 0.0,
            file_bytes: 0,
            points,
        },
        vectors: block_on(opened.namespace.view().describe())?.vectors,
        clusters,
        dimension: vectors.dimension,
        cached_bytes: opened.cache.stats().bytes,
        resident_bytes: process::resident_bytes("self")?,
    })
}

/// One point of the curve, and the number of clusters there are.
fn point(
    opened: &Opened,
    queries: &[Query],
    truth: &Truth,
    effort: Effort,
) -> anyhow::Result<(Point, u64)> {
    let ask =
        |query| -> anyhow::Result<Answer> { Ok(block_on(opened.namespace.view().query(query))?) };
    let mut point = Point {
        effort: match effort {
            Effort::Exact => "exact".into(),
            Effort::Recall(target) => format!("recall={target}"),
            Effort::Probes(count) => format!("probes={count}"),
        },
        ..Point::default()
    };
    // Brings what it reads into memory.
    let mut clusters = 0;
    let share = 1.0 / queries.len() as f64;
    for (row, query) in queries.iter().enumerate() {
        let answer = ask(query)?;
        point.recall += truth.recall(row, &answer)? * share;
        point.clusters += answer.plan.probes as f64 * share;
        point.codes += answer.plan.scanned as f64 * share;
        point.refined += answer.plan.refined as f64 * share;
        point.reranked += answer.plan.reranked as f64 * share;
        clusters = answer.plan.clusters;
    }
    let (begun, mut rounds) = (Instant::now(), 0);
    while rounds < ROUNDS || begun.elapsed().as_secs_f64() < SECONDS {
        let started = Instant::now();
        for query in queries {
            std::hint::black_box(ask(query)?);
        }
        let rate = queries.len() as f64 / started.elapsed().as_secs_f64();
        point.rate = point.rate.max(rate);
        rounds += 1;
    }
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let started = Instant::now();
        std::hint::black_box(ask(query)?);
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    point.p50_us = times[times.len() / 2];
    point.p99_us = times[times.len() * 99 / 100];
    Ok((point, clusters))
}

/// The true nearest neighbours of each query.
struct Truth(Vec<HashSet<i32>>);

impl Truth {
    fn read(set: &Path, name: &str) -> anyhow::Result<Self> {
        let ids = Integers::read(&set.join(format!("gt_{name}_ids.npy")))?;
        let rows = ids.items.chunks_exact(ids.width);
        Ok(Self(
            rows.map(|row| row.iter().take(TOP_K).copied().collect())
                .collect(),
        ))
    }

    fn recall(&self, row: usize, answer: &Answer) -> anyhow::Result<f64> {
        let mut found = 0;
        for found_match in &answer.matches {
            found += usize::from(self.0[row].contains(&found_match.record.id.parse()?));
        }
        Ok(found as f64 / self.0[row].len() as f64)
    }
}

fn read_filter(set: &Path, name: &str) -> anyhow::Result<Filter> {
    let rules: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(set.join("filters.json"))?)?;
    let rule = rules
        .get(name)
        .with_context(|| format!("no filter {name}"))?;
    let field = rule["field"].as_str().context("no field")?.to_owned();
    if let Some(value) = rule["eq"].as_str() {
        return Ok(Filter::Equal(field, Scalar::String(value.to_owned())));
    }
    let lower = rule["gte"]
        .as_f64()
        .map_or(Bound::Unbounded, Bound::Included);
    let upper = rule["lt"]
        .as_f64()
        .map_or(Bound::Unbounded, Bound::Excluded);
    Ok(Filter::Range(field, lower, upper))
}
