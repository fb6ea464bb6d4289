//! How fast each leaf scores rows, from the cache and from memory.
//!
//! `cargo run --release -p quartz-kernels --example throughput [dimension]`
//!
//! One thread, 384 dimensions unless told, the best of several passes. GB/s counts the rows once; the
//! query and the scores stay in the cache.

#![expect(
    clippy::disallowed_methods,
    reason = "runs on a host with a clock, to measure"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use quartz_kernels::{Leaf, Level, leaves, level};

/// (name, bytes of rows, passes to choose the best from)
const SETS: [(&str, usize, u32); 2] = [("cache", 307_200, 10_000), ("memory", 122_880_000, 30)];

/// (name, what one pass does with a query, the rows and room for a score each)
type Kernel = fn(&Leaf, &[f32], &[f32], &mut [f32]);
const KERNELS: [(&str, Kernel); 4] = [
    ("dot, row by row", |leaf, query, rows, out| {
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            *out = leaf.dot(query, row);
        }
    }),
    ("dot_rows", |leaf, query, rows, out| {
        leaf.dot_rows(query, rows, out);
    }),
    ("euclidean, row by row", |leaf, query, rows, out| {
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            *out = leaf.squared_euclidean(query, row);
        }
    }),
    ("squared_euclidean_rows", |leaf, query, rows, out| {
        leaf.squared_euclidean_rows(query, rows, out);
    }),
];

fn main() {
    let dimension = std::env::args().nth(1).map_or(384, |text| {
        text.parse().expect("the dimension is a whole number")
    });
    println!(
        "{dimension} dimensions, one thread, best pass; in use: {}\n",
        level()
    );
    println!(
        "{:8} {:8} {:24} {:>10} {:>8}",
        "set", "leaf", "kernel", "ns/vector", "GB/s"
    );
    for (set, bytes, passes) in SETS {
        let rows = bytes / size_of::<f32>() / dimension;
        let query = noise(dimension);
        let data = noise(rows * dimension);
        let mut out = vec![0.0; rows];
        for (leaf, kernel, best) in best_of(passes, &query, &data, &mut out) {
            let ns = best.as_secs_f64() * 1e9;
            let ns_per_vector = ns / rows as f64;
            let gb_per_second = size_of_val(data.as_slice()) as f64 / ns;
            println!("{set:8} {leaf:8} {kernel:24} {ns_per_vector:10.1} {gb_per_second:8.1}");
        }
        println!();
    }
}

/// Takes turns, so that a busy moment of the machine does not fall on one kernel alone.
fn best_of(
    passes: u32,
    query: &[f32],
    data: &[f32],
    out: &mut [f32],
) -> Vec<(Level, &'static str, Duration)> {
    let mut turns = Vec::new();
    for leaf in leaves() {
        turns.extend(KERNELS.map(|(name, run)| (leaf, name, run, Duration::MAX)));
    }
    for _ in 0..passes {
        for (leaf, _, run, best) in &mut turns {
            let start = Instant::now();
            run(leaf, query, black_box(data), black_box(&mut *out));
            *best = start.elapsed().min(*best);
        }
    }
    turns
        .into_iter()
        .map(|(leaf, name, _, best)| (leaf.level(), name, best))
        .collect()
}

/// Values in -1..1 from a linear congruential generator: only their sizes matter here.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}
