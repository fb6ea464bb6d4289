//! How fast each leaf is, from the cache and from memory.
//!
//! `cargo run --release -p quartz-kernels --example throughput [dimension] [family]`
//!
//! One thread, 384 dimensions unless told, all families unless one is named; the best of several passes.
//! GB/s counts the rows, codes or values once; queries, tables and results stay in the cache.

#![expect(
    clippy::disallowed_methods,
    reason = "runs on a host with a clock, to measure"
)]

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use quartz_kernels::codes::{self, BLOCK, DIMENSIONS, Scan, Table};
use quartz_kernels::{Leaf, leaves, level, portable_dot, quantise_i8};

/// (name, bytes of data, passes to choose the best from)
const SETS: [(&str, usize, u32); 2] = [("cache", 307_200, 2_000), ("memory", 122_880_000, 20)];

/// Codes in a cluster, where scattered clusters are scanned.
const CLUSTER: usize = 256;

/// (name, what measures it in a set of so many bytes)
type Family = fn(Set, usize);
const FAMILIES: [(&str, Family); 4] = [
    ("distances", distances),
    ("codes", scans),
    ("bytes", products),
    ("hadamard", transforms),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dimension = arguments.next().map_or(384, |text| {
        text.parse().expect("the dimension is a whole number")
    });
    let wanted = arguments.next();
    println!(
        "{dimension} dimensions, one thread, best pass; in use: {}\n",
        level()
    );
    println!(
        "{:8} {:12} {:24} {:>10} {:>8}",
        "set", "leaf", "kernel", "ns/vector", "GB/s"
    );
    for (name, bytes, passes) in SETS {
        for (family, measure) in FAMILIES {
            if wanted.as_deref().is_none_or(|wanted| wanted == family) {
                let set = Set {
                    name,
                    bytes,
                    passes,
                };
                measure(set, dimension);
                println!();
            }
        }
    }
}

/// How much to run over, and how often.
#[derive(Clone, Copy)]
struct Set {
    name: &'static str,
    bytes: usize,
    passes: u32,
}

/// A kernel and its data.
struct Kernel<'a> {
    name: &'static str,
    vectors: usize,
    bytes: usize,
    /// One pass.
    run: Box<dyn FnMut(&Leaf) + 'a>,
}

impl<'a> Kernel<'a> {
    /// One that reads all of `data`.
    fn over<T>(
        name: &'static str,
        data: &[T],
        vectors: usize,
        run: impl FnMut(&Leaf) + 'a,
    ) -> Self {
        Self {
            name,
            vectors,
            bytes: size_of_val(data),
            run: Box::new(run),
        }
    }
}

fn distances(set: Set, dimension: usize) {
    let count = set.bytes / size_of::<f32>() / dimension;
    let (query, rows) = (noise(dimension), noise(count * dimension));
    let (query, rows) = (query.as_slice(), rows.as_slice());
    let out = || vec![0.0; count];
    // From a half to one.
    let halves: Vec<u16> = bytes_of_noise(count * dimension)
        .iter()
        .map(|&byte| 0x3800 | u16::from(byte) << 2)
        .collect();
    let halves = halves.as_slice();
    let [mut a, mut b, mut c, mut d, mut e] = [out(), out(), out(), out(), out()];
    let [mut f, mut g] = [out(), out()];
    let each_row = |out: &mut [f32], score: &dyn Fn(&[f32]) -> f32| {
        for (row, out) in rows.chunks_exact(dimension).zip(out) {
            *out = score(row);
        }
    };
    set.measure(vec![
        Kernel::over("dot, row by row", rows, count, |leaf| {
            each_row(&mut a, &|row| leaf.dot(query, row));
        }),
        Kernel::over("dot_rows", rows, count, |leaf| {
            leaf.dot_rows(query, rows, &mut b);
        }),
        Kernel::over("euclidean, row by row", rows, count, |leaf| {
            each_row(&mut c, &|row| leaf.squared_euclidean(query, row));
        }),
        Kernel::over("squared_euclidean_rows", rows, count, |leaf| {
            leaf.squared_euclidean_rows(query, rows, &mut d);
        }),
        Kernel::over("dot_f16_rows", halves, count, |leaf| {
            leaf.dot_f16_rows(query, halves, &mut f);
        }),
        Kernel::over("euclidean_f16_rows", halves, count, |leaf| {
            leaf.squared_euclidean_f16_rows(query, halves, &mut g);
        }),
        Kernel::over("portable_dot (no leaf)", rows, count, |_| {
            each_row(&mut e, &|row| portable_dot(query, row));
        }),
    ]);
}

/// A vector of `ns/vector` is a code, or a value of `above`.
fn scans(set: Set, dimension: usize) {
    let dimension = dimension.next_multiple_of(DIMENSIONS);
    let blocks = set.bytes / codes::block_bytes(dimension);
    let count = blocks * BLOCK;
    let query = noise(dimension);
    let table = Table::new(&query);
    let packed = bytes_of_noise(blocks * codes::block_bytes(dimension));
    let (add, scale) = (noise(count), noise(count));
    let bytes = codes::block_bytes(dimension) / BLOCK;
    let scan = |places: Range<usize>| Scan {
        table: &table,
        codes: &packed[places.start * bytes..places.end * bytes],
        add: &add[places.clone()],
        scale: &scale[places],
        base: 1.0,
        slack: 0.5,
        ahead: &[],
    };
    let mut clusters: Vec<Scan<'_>> = far_apart(count / CLUSTER)
        .map(|cluster| scan(cluster * CLUSTER..(cluster + 1) * CLUSTER))
        .collect();
    for next in 1..clusters.len() {
        clusters[next - 1].ahead = clusters[next].codes;
    }
    let scattered = clusters.len() * CLUSTER;
    let (mut bounds, mut positions) = (vec![0.0; count], Vec::new());
    let mut some = vec![0.0; CLUSTER];
    let mut refilled = Table::default();
    set.measure(vec![
        Kernel::over("codes::bounds", &packed, count, |leaf| {
            leaf.code_bounds(&scan(0..count), &mut bounds);
        }),
        Kernel::over("bounds, scattered", &packed, scattered, |leaf| {
            for cluster in &clusters {
                leaf.code_bounds(cluster, &mut some);
            }
        }),
        Kernel::over("above, none is", &add, count, |leaf| {
            leaf.above(&add, 2.0, &mut positions);
        }),
        Kernel::over("Table::fill (no leaf)", &query, 1, |_| {
            refilled.fill(black_box(&query));
        }),
    ]);
}

fn products(set: Set, dimension: usize) {
    let count = set.bytes / dimension;
    let values = noise(count * dimension);
    let (mut rows, mut codes) = (vec![0; values.len()], vec![0; dimension]);
    quantise_i8(&values, &mut rows);
    let rows = rows.as_slice();
    let query = &rows[..dimension];
    let scattered: Vec<&[i8]> = far_apart(count)
        .map(|row| &rows[row * dimension..][..dimension])
        .collect();
    let mut products = vec![0; count];
    set.measure(vec![
        Kernel::over("dot_i8, scattered", rows, count, |leaf| {
            for (row, out) in scattered.iter().zip(&mut products) {
                *out = leaf.dot_i8(query, row);
            }
        }),
        Kernel::over("quantise_i8 (no leaf)", &values, count, |_| {
            for values in values.chunks_exact(dimension) {
                black_box(quantise_i8(values, &mut codes));
            }
        }),
    ]);
}

fn transforms(set: Set, dimension: usize) {
    let length = dimension.next_power_of_two();
    let count = set.bytes / size_of::<f32>() / length;
    let values = vec![0.0; count * length];
    let mut transformed = values.clone();
    set.measure(vec![Kernel::over("hadamard", &values, count, |leaf| {
        for values in transformed.chunks_exact_mut(length) {
            leaf.hadamard(values);
        }
    })]);
}

impl Set {
    /// Takes turns, so that a busy moment of the machine does not fall on one kernel alone.
    fn measure(self, mut kernels: Vec<Kernel<'_>>) {
        let leaves = leaves();
        let mut best = vec![Duration::MAX; leaves.len() * kernels.len()];
        for _ in 0..self.passes {
            let mut best = best.iter_mut();
            for leaf in &leaves {
                for (kernel, best) in kernels.iter_mut().zip(&mut best) {
                    let start = Instant::now();
                    (kernel.run)(leaf);
                    *best = start.elapsed().min(*best);
                }
            }
        }
        let mut best = best.iter();
        for leaf in &leaves {
            for (kernel, best) in kernels.iter().zip(&mut best) {
                let (set, leaf, name) = (self.name, leaf.level(), kernel.name);
                let ns = best.as_secs_f64() * 1e9;
                let ns_per_vector = ns / kernel.vectors as f64;
                let gb_per_second = kernel.bytes as f64 / ns;
                println!("{set:8} {leaf:12} {name:24} {ns_per_vector:10.2} {gb_per_second:8.1}");
            }
        }
    }
}

/// Values in -1..1 from a linear congruential generator: only their sizes matter here.
fn noise(len: usize) -> Vec<f32> {
    let bytes = bytes_of_noise(len);
    bytes
        .iter()
        .map(|&byte| f32::from(byte) / 128.0 - 1.0)
        .collect()
}

fn bytes_of_noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The numbers below `count`, each once, neighbours far apart.
fn far_apart(count: usize) -> impl Iterator<Item = usize> {
    let stride = (count * 5 / 8..)
        .find(|&stride| greatest_common_divisor(stride, count) == 1)
        .expect("some number is coprime");
    (0..count).map(move |i| i * stride % count)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
