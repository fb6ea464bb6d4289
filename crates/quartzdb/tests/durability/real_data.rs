//! The proof on real data: 80,000 sentence embeddings with known nearest neighbours.
//!
//! `QUARTZ_REAL_DATA` names the folder; without it the one beside the workspace is taken, and if
//! there is none nothing is tested. `QUARTZ_REAL_DATA_ALL=1` asks every query.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use half::f16;
use quartz_client::{Include, Namespace};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::heavy,
    process::{Server, Setup, check, quartz, text},
};

const NEIGHBOURS: usize = 10;
/// Neighbours in the ground truth.
const TRUTH: usize = 100;
const QUERIES: usize = 200;
const CONCURRENCY: usize = 8;
/// Below this two similarities are a tie.
const TIE: f64 = 1e-6;
const RESTART_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct Filter {
    #[serde(default)]
    field: String,
    eq: Option<Value>,
    gte: Option<Value>,
    lt: Option<Value>,
    kept: u64,
}

impl Filter {
    fn json(&self) -> Value {
        let mut rules = serde_json::Map::new();
        for (operator, value) in [("$eq", &self.eq), ("$gte", &self.gte), ("$lt", &self.lt)] {
            if let Some(value) = value {
                rules.insert(operator.to_owned(), value.clone());
            }
        }
        if rules.is_empty() {
            return json!({});
        }
        json!({self.field.as_str(): rules})
    }
}

/// A two-dimensional array of a NumPy file.
struct Array {
    bytes: Vec<u8>,
    start: usize,
    row_bytes: usize,
}

impl Array {
    fn read(path: &Path, kind: &str, columns: usize) -> Self {
        let bytes = fs::read(path).unwrap();
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = text(&bytes[10..start]);
        let (path, shape) = (path.display(), format!(", {columns})"));
        assert!(
            header.contains(kind) && header.contains(&shape),
            "{path}: {header}"
        );
        let row_bytes = columns * usize::from(kind.as_bytes()[2] - b'0');
        Self {
            bytes,
            start,
            row_bytes,
        }
    }

    fn rows(&self) -> usize {
        (self.bytes.len() - self.start) / self.row_bytes
    }

    fn row(&self, number: usize) -> &[u8] {
        &self.bytes[self.start + number * self.row_bytes..][..self.row_bytes]
    }

    fn halves(&self, number: usize) -> Vec<f32> {
        let (halves, _) = self.row(number).as_chunks();
        halves
            .iter()
            .map(|half| f16::from_le_bytes(*half).to_f32())
            .collect()
    }

    fn floats(&self, number: usize) -> Vec<f32> {
        let (floats, _) = self.row(number).as_chunks();
        floats
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let (mut dot, mut a_squared, mut b_squared) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        dot += a * b;
        a_squared += a * a;
        b_squared += b * b;
    }
    dot / (a_squared * b_squared).sqrt()
}

/// The folder, if there is one.
fn folder() -> Option<PathBuf> {
    let named = env::var_os("QUARTZ_REAL_DATA").map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = named.unwrap_or_else(|| workspace.join("../shared/data/wordnet-minilm"));
    if folder.join("base.f16.npy").exists() {
        return Some(folder);
    }
    println!(
        "NOT TESTED: there is no real data in {}; QUARTZ_REAL_DATA can name another folder",
        folder.display()
    );
    None
}

#[test]
fn every_neighbour_of_real_data_is_found() {
    if let Some(folder) = folder() {
        heavy(prove(&folder));
    }
}

struct Truth {
    base: Array,
    queries: Array,
    filters: BTreeMap<String, Filter>,
    /// Similarities of the true neighbours by filter.
    similarities: BTreeMap<String, Array>,
}

impl Truth {
    fn read(folder: &Path) -> Self {
        let filters = fs::read(folder.join("filters.json")).unwrap();
        let filters: BTreeMap<String, Filter> = serde_json::from_slice(&filters).unwrap();
        let queries = Array::read(&folder.join("queries.f16.npy"), "<f2", 384);
        let similarities = filters.keys().map(|name| {
            let path = folder.join(format!("gt_{name}_sim.npy"));
            let array = Array::read(&path, "<f4", TRUTH);
            assert_eq!(array.rows(), queries.rows());
            (name.clone(), array)
        });
        Self {
            similarities: similarities.collect(),
            base: Array::read(&folder.join("base.f16.npy"), "<f2", 384),
            queries,
            filters,
        }
    }
}

async fn prove(folder: &Path) {
    let truth = Truth::read(folder);
    let data = tempfile::tempdir().unwrap();
    let setup = Setup::new(data.path());
    let server = setup.start();
    let records = truth.base.rows() as u64;
    let elapsed = import(&server, folder);
    println!(
        "imported {records} records in {elapsed:.1?} ({:.0}/s)",
        records as f64 / elapsed.as_secs_f64()
    );
    let namespace = server.namespace("real");
    check_counts(&namespace, &truth).await;
    check_content(&namespace, &truth, folder).await;
    let all = env::var("QUARTZ_REAL_DATA_ALL").is_ok_and(|value| value == "1");
    let queries = if all { truth.queries.rows() } else { QUERIES };
    ask(&namespace, &truth, queries).await;

    server.kill();
    let server = setup.start();
    println!(
        "ready {} ms after kill -9 with {records} records",
        server.ready_after.as_millis()
    );
    assert!(server.ready_after < RESTART_LIMIT);
    let namespace = server.namespace("real");
    check_counts(&namespace, &truth).await;
    ask(&namespace, &truth, 20).await;
    server.stop();
    let checked = check(data.path());
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

/// `quartz import`, from a copy beside which it may write.
fn import(server: &Server, folder: &Path) -> Duration {
    let copy = tempfile::tempdir().unwrap();
    for name in ["base.f16.npy", "base.jsonl"] {
        std::os::unix::fs::symlink(
            fs::canonicalize(folder.join(name)).unwrap(),
            copy.path().join(name),
        )
        .unwrap();
    }
    let began = Instant::now();
    let output = quartz()
        .args([
            "import",
            "real",
            "--text-field",
            "text",
            "--url",
            &server.url,
        ])
        .arg(copy.path().join("base.f16.npy"))
        .env("QUARTZ_API_KEY", &server.key)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    began.elapsed()
}

async fn check_counts(namespace: &Namespace, truth: &Truth) {
    let described = namespace.describe().await.unwrap();
    let records = truth.base.rows() as u64;
    assert_eq!((described.records, described.vectors), (records, records));
    for (name, filter) in &truth.filters {
        let counted = namespace.delete_where(filter.json()).dry_run().await;
        assert_eq!(counted.unwrap().deleted, filter.kept, "{name}");
    }
}

/// Every 1,000th record is what the files say.
async fn check_content(namespace: &Namespace, truth: &Truth, folder: &Path) {
    let lines = fs::read_to_string(folder.join("base.jsonl")).unwrap();
    for (row, line) in lines.lines().enumerate().step_by(1_000) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let fields = line.as_object_mut().unwrap();
        fields.remove("id");
        let said = fields.remove("text");
        let parts = [Include::Metadata, Include::Text, Include::Vector];
        let fetched = namespace.fetch([row.to_string()]).include(parts).await;
        let record = fetched.unwrap().records.remove(0);
        let vector = record.vector.unwrap().into_vec();
        assert_eq!(vector, truth.base.halves(row));
        assert_eq!(json!(record.text), said.unwrap_or_default());
        assert_eq!(serde_json::to_value(record.metadata).unwrap(), line);
    }
}

/// Exact answers have a recall of 1.000: every match is as near as the tenth of the ground truth. Others
/// find at least what they aim at if nothing else is said, 0.95, less something for chance.
async fn ask(namespace: &Namespace, truth: &Truth, queries: usize) {
    for (name, filter) in &truth.filters {
        let filter = filter.json();
        // A few queries say less.
        let aimed = if queries < 1_000 { 0.9 } else { 0.94 };
        for (exact, least) in [(true, 1.0), (false, aimed)] {
            let began = Instant::now();
            let found: usize = stream::iter(0..queries)
                .map(|number| one(namespace, truth, name, &filter, (number, exact)))
                .buffer_unordered(CONCURRENCY)
                .try_fold(0, |sum, found| async move { Ok(sum + found) })
                .await
                .unwrap();
            let recall = found as f64 / (queries * NEIGHBOURS) as f64;
            let elapsed = began.elapsed();
            println!(
                "{name:>6}, exact {exact}: recall@{NEIGHBOURS} {recall:.4} over {queries} queries in {elapsed:.1?} \
                 ({:.0}/s)",
                queries as f64 / elapsed.as_secs_f64()
            );
            assert!(recall >= least, "{name}, exact {exact}: {recall}");
        }
    }
}

/// How many of the nearest neighbours of a query were found.
async fn one(
    namespace: &Namespace,
    truth: &Truth,
    name: &str,
    filter: &Value,
    (number, exact): (usize, bool),
) -> quartz_client::Result<usize> {
    let vector = truth.queries.halves(number);
    let mut query = namespace.query().vector(vector.clone());
    // `{}` matches every record, but a filter it is.
    if filter.as_object().is_some_and(|fields| !fields.is_empty()) {
        query = query.filter(filter);
    }
    if exact {
        query = query.exact();
    }
    let answer = query.top_k(NEIGHBOURS).await?;
    let tenth = f64::from(truth.similarities[name].floats(number)[NEIGHBOURS - 1]);
    let mut ids: Vec<_> = answer.matches.iter().map(|found| &found.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), answer.matches.len(), "a match comes twice");
    let mut found = 0;
    for one in &answer.matches {
        let similarity = cosine(&vector, &truth.base.halves(one.id.parse().unwrap()));
        let score = f64::from(one.score);
        assert!(
            (similarity - score).abs() < 1e-5,
            "{}: {score} instead of {similarity}",
            one.id
        );
        found += usize::from(similarity >= tenth - TIE);
    }
    Ok(found)
}
