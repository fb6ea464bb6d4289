//! Which leaf runs: asked of the processor once, then a table of functions.
//!
//! A leaf's functions may only be called where its instructions exist. [`Leaf`] carries that proof:
//! the only references to one that leave this module come from [`leaves`], after detection.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use std::fmt;
use std::sync::OnceLock;

use crate::scalar;

/// An instruction set the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Portable code; see [`scalar`](crate::scalar).
    Scalar,
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512F: 16 lanes and masked loads.
    Avx512,
    /// AArch64: 4 lanes, always there.
    Neon,
    /// WebAssembly SIMD: 4 lanes, chosen when compiled (`-Ctarget-feature=+simd128`).
    Simd128,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
            Level::Simd128 => "simd128",
        })
    }
}

/// The kernels of one instruction set, for tests and benchmarks that compare them.
///
/// Holding a reference proves that this machine runs it, and the methods check the shapes.
#[derive(Debug)]
pub struct Leaf {
    pub(crate) level: Level,
    pub(crate) dot: Pair,
    pub(crate) squared_euclidean: Pair,
    pub(crate) dot_rows: Rows,
    pub(crate) squared_euclidean_rows: Rows,
}

type Pair = unsafe fn(&[f32], &[f32]) -> f32;
type Rows = unsafe fn(&[f32], &[f32], &mut [f32]);

impl Leaf {
    /// See [`crate::level`].
    #[inline]
    pub fn level(&self) -> Level {
        self.level
    }

    /// See [`crate::dot`].
    #[inline]
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        check_pair(a, b);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.dot)(a, b) }
    }

    /// See [`crate::squared_euclidean`].
    #[inline]
    pub fn squared_euclidean(&self, a: &[f32], b: &[f32]) -> f32 {
        check_pair(a, b);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.squared_euclidean)(a, b) }
    }

    /// See [`crate::dot_rows`].
    #[inline]
    pub fn dot_rows(&self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.dot_rows)(query, rows, out) }
    }

    /// See [`crate::squared_euclidean_rows`].
    #[inline]
    pub fn squared_euclidean_rows(&self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        check_rows(query, rows, out);
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.squared_euclidean_rows)(query, rows, out) }
    }
}

/// Every leaf this machine can run, the best one last.
pub fn leaves() -> Vec<&'static Leaf> {
    [
        Some(&scalar::LEAF),
        #[cfg(target_arch = "x86_64")]
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
            .then_some(&crate::arch::avx2::LEAF),
        #[cfg(target_arch = "x86_64")]
        is_x86_feature_detected!("avx512f").then_some(&crate::arch::avx512::LEAF),
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Some(&crate::arch::neon::LEAF),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Some(&crate::arch::simd128::LEAF),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The leaf behind the crate's functions.
#[inline]
pub(crate) fn active() -> &'static Leaf {
    static ACTIVE: OnceLock<&'static Leaf> = OnceLock::new();
    ACTIVE.get_or_init(|| leaves().pop().unwrap_or(&scalar::LEAF))
}

#[inline]
#[track_caller]
pub(crate) fn check_pair(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "vectors of different dimensions");
}

#[inline]
#[track_caller]
pub(crate) fn check_rows(query: &[f32], rows: &[f32], out: &[f32]) {
    assert_eq!(
        Some(rows.len()),
        query.len().checked_mul(out.len()),
        "rows are not out.len() x query.len()"
    );
}
