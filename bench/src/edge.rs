//! The Worker on workerd, beside one written by hand and the native server; `bench/edge/measure.mjs` does it.

use std::{
    hint::black_box,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use quartz_kernels::{Leaf, Level, leaves};
use serde_json::Value;

use crate::{record::Record, server::Server};

/// What to measure with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The `quartz` binary to compare with
    #[arg(long)]
    quartz: PathBuf,
    /// The folder of `measure.mjs`
    #[arg(long, default_value = "bench/edge")]
    scripts: PathBuf,
    /// The node that runs it; it finds Miniflare by the environment's EDGE_MODULES
    #[arg(long)]
    node: PathBuf,
    /// The Worker
    #[arg(long)]
    worker: PathBuf,
    /// The Worker with what only tests call
    #[arg(long)]
    tested: PathBuf,
    /// Data in the layout of the real embeddings
    #[arg(long)]
    data: PathBuf,
    /// Where the record goes
    #[arg(long, default_value = "bench/record")]
    record: PathBuf,
    /// How often both sides of the key-value measurements are started anew, for four rounds of a second each
    #[arg(long, default_value_t = 10)]
    starts: u32,
}

/// Through Worker and object, of the rate of a Worker and object written by hand.
const BAR: f64 = 0.75;
const RECALL: f64 = 0.95;
const MEMORY_MB: f64 = 100.0;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir_in(".")?;
    let server = Server::start(&args.quartz, &temporary.path().join("quartz"))?;
    let mut command = Command::new(&args.node);
    command
        .arg(args.scripts.join("measure.mjs"))
        .args([&args.worker, &args.tested])
        .arg(args.starts.to_string())
        .arg(&args.data)
        .args([&server.url, &server.api_key]);
    let done = command.stderr(Stdio::inherit()).output()?;
    ensure!(
        done.status.success(),
        "{command:?} ended with {}",
        done.status
    );
    let text = String::from_utf8(done.stdout)?;
    let figures: Value = serde_json::from_str(text.lines().last().context("it said nothing")?)?;
    let mut record = Record::default();
    key_value(&figures["kv"], &mut record)?;
    search(&figures, &mut record)?;
    for kind in ["f32", "i8"] {
        let simd128 = 1e3 / number(&figures["kernels"][kind])?;
        let what = format!("{kind} dot products of 384, in cache, simd128");
        let leaf = avx2().context("this machine has no AVX2")?;
        let native = 1e3
            / if kind == "f32" {
                f32_nanos(leaf)
            } else {
                i8_nanos(leaf)
            };
        compare(&mut record, &what, simd128, "M/s", ("native AVX2", native));
    }
    record.write(&args.record, "-edge")
}

fn key_value(figures: &Value, record: &mut Record) -> anyhow::Result<()> {
    for method in ["GET", "PUT"] {
        let figures = &figures[method];
        let rate = |side: &str| number(&figures[side]["rate"]);
        let what = format!("edge KV {method} of 1 KiB, 16 connections");
        // The middle ratio of rounds taken in turns, not the ratio of the middle rates.
        let ratio = number(&figures["ratio"])?;
        let rival = rate("ours")? / ratio;
        record.add(&what, rate("ours")?, "/s", ("by hand", rival), BAR);
    }
    // Starting the runtime is the same for both: what is more is compiling and evaluating the module.
    let start = &figures["start_ms"];
    let (ours, rival) = (number(&start["ours"])?, number(&start["rival"])?);
    record.row(
        "edge: from the start of the runtime to the first answer",
        &format!("{ours:.0} ms"),
        &format!("by hand: {rival:.0} ms"),
        None,
        "",
        None,
    );
    Ok(())
}

fn search(figures: &Value, record: &mut Record) -> anyhow::Result<()> {
    let (edge, native) = (&figures["edge"], &figures["native"]);
    let vectors = number(&edge["vectors"])?;
    let recall = number(&edge["recall"])?;
    let what = format!("edge recall@10 of {vectors} × 384, default effort");
    record.add_bar(&what, recall, "", &format!("≥ {RECALL}"), recall >= RECALL);
    let memory = &figures["memory"];
    let bytes = number(&memory["wasm_bytes"])?
        + number(&memory["usedSize"])?
        + number(&memory["embedderHeapUsedSize"])?
        + number(&memory["backingStorageSize"])?;
    let reached = bytes / 1e6 < MEMORY_MB;
    let bar = format!("< {MEMORY_MB} MB");
    record.add_bar(
        "edge isolate in use: WebAssembly and JavaScript",
        bytes / 1e6,
        "MB",
        &bar,
        reached,
    );
    for at in ["p50_ms", "p95_ms"] {
        let (ours, theirs) = (number(&edge[at])?, number(&native[at])?);
        let what = format!("edge vector query {}, one client", &at[..3]);
        // As rates, so that more is better.
        compare(
            record,
            &what,
            1e3 / ours,
            "/s",
            ("native server", 1e3 / theirs),
        );
    }
    let rate = |side: &Value| Ok::<_, anyhow::Error>(vectors / number(&side["load_seconds"])?);
    let native = ("native server", rate(native)?);
    compare(
        record,
        "edge upsert in batches of 500",
        rate(edge)?,
        "vectors/s",
        native,
    );
    Ok(())
}

/// A measurement that has no bar.
fn compare(record: &mut Record, what: &str, ours: f64, unit: &str, rival: (&str, f64)) {
    let (rate, rival_rate) = (
        format!("{ours:.1} {unit}"),
        format!("{}: {:.1} {unit}", rival.0, rival.1),
    );
    record.row(what, &rate, &rival_rate, Some(ours / rival.1), "", None);
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("{value} is no number"))
}

const ROWS: usize = 64;
const DIMENSION: usize = 384;
const ROUNDS: u32 = 200_000;

/// As `multiply` in crates/worker/examples/under_test.rs.
fn numbers() -> impl Iterator<Item = i8> {
    (0..ROWS * DIMENSION).map(|at| (at * 31 % 127) as i8)
}

fn avx2() -> Option<&'static Leaf> {
    leaves()
        .into_iter()
        .find(|leaf| leaf.level() == Level::Avx2)
}

fn f32_nanos(leaf: &Leaf) -> f64 {
    let rows: Vec<_> = numbers().map(f32::from).collect();
    let mut products = [0.0; ROWS];
    nanos(|| {
        leaf.dot_rows(&rows[..DIMENSION], &rows, &mut products);
        black_box(&products);
    })
}

fn i8_nanos(leaf: &Leaf) -> f64 {
    let rows: Vec<_> = numbers().collect();
    let mut products = [0; ROWS];
    nanos(|| {
        for (row, product) in rows.chunks_exact(DIMENSION).zip(&mut products) {
            *product = leaf.dot_i8(&rows[..DIMENSION], row);
        }
        black_box(&products);
    })
}

/// For each product.
fn nanos(mut round: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..ROUNDS {
        round();
    }
    started.elapsed().as_nanos() as f64 / (f64::from(ROUNDS) * ROWS as f64)
}
