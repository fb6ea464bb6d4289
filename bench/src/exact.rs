//! Exact search over a namespace in its store, one thread, beside faiss `IndexFlatIP`.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Instant, SystemTime},
};

use anyhow::Context;
use futures::{executor::ThreadPool, executor::block_on};
use quartz_core::{
    Clock, VectorCache,
    namespace::{
        Action, Change, Contents, Effort, Namespace, Operation, Precondition, Query, Target,
    },
    record::Parts,
};
use quartz_engines::{LocalStore, Options};

use crate::{All, command, command::median, data::Matrix, process, record::Record};

const QUERIES: usize = 300;
const ROUNDS: usize = 3;

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        let elapsed = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        elapsed.as_millis() as u64
    }
}

pub(crate) fn run(args: &All, record: &mut Record) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir_in(".")?;
    let base = Matrix::read(&args.data.join("base.f16.npy"))?;
    let raw_bytes = (base.len() * base.dimension * 4) as f64;
    drop(base);
    // In a process of its own, so that its end closes the store.
    command::output(
        Command::new(std::env::current_exe()?)
            .arg("exact-load")
            .args([temporary.path(), &args.data]),
    )?;
    let (mut ours, mut rival, mut memory) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let text = command::output(
            Command::new(std::env::current_exe()?)
                .arg("exact-process")
                .args([temporary.path(), &args.data])
                .arg(QUERIES.to_string())
                // Huge pages are quicker and larger; both figures are those of small ones.
                .env("MIMALLOC_ALLOW_THP", "0"),
        )?;
        let mut figures = text.split_whitespace().map(str::parse::<f64>);
        ours.push(figures.next().context("no rate")??);
        memory.push(figures.next().context("no memory")??);
        let text = command::output(
            Command::new(&args.python)
                .arg("bench/rivals/faiss_flat.py")
                .arg(&args.data)
                .arg(QUERIES.to_string())
                .env("OMP_NUM_THREADS", "1"),
        )?;
        rival.push(text.trim().parse()?);
    }
    let (ours, rival, memory) = (median(ours), median(rival), median(memory));
    record.add(
        "exact search 80,000 × 384, one thread, recall 1",
        ours,
        "queries/s",
        ("faiss IndexFlatIP", rival),
        0.8,
    );
    let share = memory / raw_bytes;
    record.add_bar(
        "memory of that process / raw vectors, MIMALLOC_ALLOW_THP=0",
        share,
        "×",
        "≤ 1.3 ×",
        share <= 1.3,
    );
    Ok(())
}

/// Opens the namespace in a store; its writer runs on a thread of its own.
fn open(path: &Path) -> anyhow::Result<Namespace> {
    let store = LocalStore::open(
        path.join("store"),
        Options {
            cache_bytes: 4 << 20,
            ..Options::default()
        },
    )?;
    let cache = VectorCache::new(1 << 30);
    let (namespace, writer) = block_on(Namespace::open(
        Arc::new(store),
        Arc::new(SystemClock),
        cache,
    ))?;
    ThreadPool::builder()
        .pool_size(1)
        .create()?
        .spawn_ok(writer.run());
    Ok(namespace)
}

/// Fills a store with the vectors.
pub(crate) fn load(path: &Path, data: &Path) -> anyhow::Result<()> {
    let base = Matrix::read(&data.join("base.f16.npy"))?;
    let namespace = open(path)?;
    let vectors: Vec<_> = base.iter().collect();
    for (batch, vectors) in vectors.chunks(1000).enumerate() {
        let operations = vectors.iter().enumerate().map(|(row, vector)| Operation {
            id: (batch * 1000 + row).to_string(),
            precondition: Precondition::None,
            action: Action::Upsert(Contents {
                vector: Some(vector.clone()),
                ..Contents::default()
            }),
        });
        block_on(namespace.write(Change::Apply(operations.collect())))?;
    }
    Ok(())
}

/// Prints queries a second and the resident bytes of this process.
pub(crate) fn process(store: &Path, data: &Path, queries: usize) -> anyhow::Result<()> {
    let namespace = open(store)?;
    let vectors = Matrix::read(&data.join("queries.f16.npy"))?;
    let queries: Vec<_> = vectors
        .iter()
        .take(queries)
        .map(|vector| Query {
            target: Target::Vector(vector),
            top_k: 10,
            filter: None,
            parts: Parts::NONE,
            effort: Effort::Exact,
        })
        .collect();
    drop(vectors);
    block_on(namespace.view().query(&queries[0]))?; // Brings the vectors into memory.
    let started = Instant::now();
    for query in &queries {
        block_on(namespace.view().query(query))?;
    }
    println!(
        "{} {}",
        queries.len() as f64 / started.elapsed().as_secs_f64(),
        process::resident_bytes("self")?
    );
    Ok(())
}
