//! Distances of `f32` vectors, and of one to rows of halves.
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

/// See [`crate::dot_f16_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
pub fn dot_f16_rows(query: &[f32], rows: &[u16], out: &mut [f32]) {
    each_row(query, rows, out, |query, row| {
        sum(query, row, |a, b| a * widen(b))
    });
}

/// See [`crate::squared_euclidean_f16_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
pub fn squared_euclidean_f16_rows(query: &[f32], rows: &[u16], out: &mut [f32]) {
    each_row(query, rows, out, |query, row| {
        sum(query, row, |a, b| {
            let difference = a - widen(b);
            difference * difference
        })
    });
}

pub(crate) const KERNELS: Distances = Distances {
    dot,
    squared_euclidean,
    dot_rows,
    squared_euclidean_rows,
    dot_f16_rows,
    squared_euclidean_f16_rows,
};

/// The number whose half-precision bits these are.
///
/// The compiler makes selections of the branches, so that it may use vectors.
#[inline(always)]
pub(crate) fn widen(bits: u16) -> f32 {
    /// What the exponents' biases differ by, 127 and 15.
    const REBIAS: u32 = (127 - 15) << 23;
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF) << 13;
    let magnitude = match magnitude >> 23 {
        // A subnormal half has no leading one: it gets that of the smallest normal half, which is then
        // taken away.
        0 => {
            let normal = REBIAS + (1 << 23);
            (f32::from_bits(normal + magnitude) - f32::from_bits(normal)).to_bits()
        }
        // Infinity and NaN have the highest exponent in both.
        0x1F => magnitude + 2 * REBIAS,
        _ => magnitude + REBIAS,
    };
    f32::from_bits(sign | magnitude)
}

#[inline(always)]
fn sum<T: Copy>(a: &[f32], b: &[T], term: impl Fn(f32, T) -> f32) -> f32 {
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

fn each_row<T>(query: &[f32], rows: &[T], out: &mut [f32], score: impl Fn(&[f32], &[T]) -> f32) {
    check_rows(query, rows, out);
    if query.is_empty() {
        return out.fill(0.0);
    }
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = score(query, row);
    }
}
