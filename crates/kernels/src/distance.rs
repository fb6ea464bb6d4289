//! Distances of `f32` vectors, and of one to rows of halves: the public functions, their checks, and the part of a leaf behind them.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use crate::dispatch::{Leaf, active};
use crate::scalar;

/// The dot product of two vectors of the same dimension; `0.0` for empty ones.
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    active().dot(a, b)
}

/// The sum of squared differences of two vectors of the same dimension; `0.0` for empty ones.
///
/// Exactly zero for identical finite vectors. Computed from the differences, not as
/// `|a|² - 2ab + |b|²`, which would cancel for near neighbours.
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::squared_euclidean(&[1.0, 2.0], &[4.0, 6.0]), 25.0);
/// ```
#[inline]
pub fn squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    active().squared_euclidean(a, b)
}

/// The dot product of a vector with itself, the same bits as `dot(a, a)`.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::squared_norm(&[3.0, 4.0]), 25.0);
/// ```
#[inline]
pub fn squared_norm(a: &[f32]) -> f32 {
    active().dot(a, a)
}

/// Writes the [`dot`] product of `query` and each row to `out`.
///
/// `rows` is a row-major matrix of `out.len()` rows and `query.len()` columns. Each score has the same
/// bits as `dot(query, row)`. This is the inner loop of an exact scan: one pass over `rows`, several
/// rows at a time so that the query is loaded once for all of them.
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
#[inline]
pub fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    active().dot_rows(query, rows, out);
}

/// Writes the [`squared_euclidean`] distance of `query` and each row to `out`.
///
/// Shapes, cost and the promise about bits are those of [`dot_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
#[inline]
pub fn squared_euclidean_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    active().squared_euclidean_rows(query, rows, out);
}

/// Writes the product of `query` and each row to `out`, where the components of `rows` are the bits of
/// half-precision numbers (IEEE 754 binary16).
///
/// Every half is an `f32` too: each score has the bits that [`dot_rows`] gives for the rows
/// [widened](f16_to_f32). Shapes are those of [`dot_rows`]; a row takes half the memory, and where a scan
/// waits for memory, half the time.
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
///
/// # Examples
///
/// ```
/// let rows = [0x3C00, 0x4000, 0xBC00, 0x3800]; // 1, 2; -1, 0.5
/// let mut scores = [0.0; 2];
/// quartz_kernels::dot_f16_rows(&[3.0, 4.0], &rows, &mut scores);
/// assert_eq!(scores, [11.0, -1.0]);
/// ```
#[inline]
pub fn dot_f16_rows(query: &[f32], rows: &[u16], out: &mut [f32]) {
    active().dot_f16_rows(query, rows, out);
}

/// Writes the [`squared_euclidean`] distance of `query` and each row of halves to `out`.
///
/// Shapes, cost and the promise about bits are those of [`dot_f16_rows`].
///
/// # Panics
///
/// When `rows.len()` is not `out.len() * query.len()`.
#[inline]
pub fn squared_euclidean_f16_rows(query: &[f32], rows: &[u16], out: &mut [f32]) {
    active().squared_euclidean_f16_rows(query, rows, out);
}

/// Writes each number of `values`, given as the bits of a half (IEEE 754 binary16), to `out`. Exact, as every
/// half is an `f32` too.
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// let mut wide = [0.0; 3];
/// quartz_kernels::f16_to_f32(&[0x3C00, 0xC000, 0x0001], &mut wide);
/// assert_eq!(wide, [1.0, -2.0, 2_f32.powi(-24)]);
/// ```
pub fn f16_to_f32(values: &[u16], out: &mut [f32]) {
    assert_eq!(values.len(), out.len(), "as many halves as numbers");
    for (out, &bits) in out.iter_mut().zip(values) {
        *out = scalar::widen(bits);
    }
}

/// A [`dot`] product with the same bits on every machine: multiplications and additions round
/// separately, in the order of [`scalar`].
///
/// For what is stored, or compared between machines. Costs up to twice as much as [`dot`] in the cache,
/// the same from memory.
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::portable_dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
#[inline]
pub fn portable_dot(a: &[f32], b: &[f32]) -> f32 {
    scalar::dot(a, b)
}

/// A [`squared_euclidean`] distance with the same bits on every machine; see [`portable_dot`].
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::portable_squared_euclidean(&[1.0, 2.0], &[4.0, 6.0]), 25.0);
/// ```
#[inline]
pub fn portable_squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    scalar::squared_euclidean(a, b)
}

/// The distance kernels of a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distances {
    pub(crate) dot: Pair,
    pub(crate) squared_euclidean: Pair,
    pub(crate) dot_rows: Rows<f32>,
    pub(crate) squared_euclidean_rows: Rows<f32>,
    pub(crate) dot_f16_rows: Rows<u16>,
    pub(crate) squared_euclidean_f16_rows: Rows<u16>,
}

type Pair = unsafe fn(&[f32], &[f32]) -> f32;
type Rows<T> = unsafe fn(&[f32], &[T], &mut [f32]);

impl Leaf {
    /// See [`crate::dot`].
    #[inline]
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        check_pair(a, b);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.dot)(a, b) }
    }

    /// See [`crate::squared_euclidean`].
    #[inline]
    pub fn squared_euclidean(&self, a: &[f32], b: &[f32]) -> f32 {
        check_pair(a, b);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.squared_euclidean)(a, b) }
    }

    /// See [`crate::dot_rows`].
    #[inline]
    pub fn dot_rows(&self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.dot_rows)(query, rows, out) }
    }

    /// See [`crate::squared_euclidean_rows`].
    #[inline]
    pub fn squared_euclidean_rows(&self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.squared_euclidean_rows)(query, rows, out) }
    }

    /// See [`crate::dot_f16_rows`].
    #[inline]
    pub fn dot_f16_rows(&self, query: &[f32], rows: &[u16], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.dot_f16_rows)(query, rows, out) }
    }

    /// See [`crate::squared_euclidean_f16_rows`].
    #[inline]
    pub fn squared_euclidean_f16_rows(&self, query: &[f32], rows: &[u16], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.distances.squared_euclidean_f16_rows)(query, rows, out) }
    }
}

#[inline]
#[track_caller]
pub(crate) fn check_pair<T>(a: &[T], b: &[T]) {
    assert_eq!(a.len(), b.len(), "vectors of different dimensions");
}

#[inline]
#[track_caller]
pub(crate) fn check_rows<T>(query: &[f32], rows: &[T], out: &[f32]) {
    assert_eq!(
        Some(rows.len()),
        query.len().checked_mul(out.len()),
        "rows are not out.len() x query.len()"
    );
}
