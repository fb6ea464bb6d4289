//! Distances of `f32` vectors.
//!
//! Sixteen running sums in a plain array, so the compiler may use whatever vectors the target has
//! without reordering anything. Multiplications and additions round separately. The order of summation
//! is the one of the [crate documentation](crate#distances) with 4 lanes; `simd128` gives the same bits.

use crate::distance::{Distances, check_pair, check_rows};

/// Running sums: four registers of four lanes.
const STRIDE: usize = 16;

/// See [`crate::dot`].
///
/// # Panics
///
/// When the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    check_pair(a, b);
    sum(a, b, |a, b| a * b)
}

/// See [`crate::squared_euclidean`].
///
/// # Panics
///
/// When the lengths differ.
pub fn squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    check_pair(a, b);
    sum(a, b, |a, b| (a - b) * (a - b))
}

/// See [`crate::squared_norm`].
pub fn squared_norm(a: &[f32]) -> f32 {
    dot(a, a)
}

/// See [`crate::dot_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
pub fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    each_row(query, rows, out, dot);
}

/// See [`crate::squared_euclidean_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
pub fn squared_euclidean_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    each_row(query, rows, out, squared_euclidean);
}

pub(crate) const KERNELS: Distances = Distances {
    dot,
    squared_euclidean,
    dot_rows,
    squared_euclidean_rows,
};

#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_strides, a_rest) = a.as_chunks::<STRIDE>();
    let (b_strides, b_rest) = b.as_chunks::<STRIDE>();
    let mut sums = [0.0; STRIDE];
    for (a, b) in a_strides.iter().zip(b_strides) {
        for i in 0..STRIDE {
            sums[i] += term(a[i], b[i]);
        }
    }
    for (sum, (&a, &b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += term(a, b);
    }
    let lane = |i: usize| (sums[i] + sums[4 + i]) + (sums[8 + i] + sums[12 + i]);
    (lane(0) + lane(2)) + (lane(1) + lane(3))
}

fn each_row(query: &[f32], rows: &[f32], out: &mut [f32], score: impl Fn(&[f32], &[f32]) -> f32) {
    check_rows(query, rows, out);
    if query.is_empty() {
        return out.fill(0.0);
    }
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = score(query, row);
    }
}
