//! Which leaf runs: asked of the processor once, then a table of functions.
//!
//! A leaf's functions may only be called where its instructions exist. [`Leaf`] carries that proof:
//! the only references to one that leave this module come from [`leaves`], after detection.

use std::fmt;
use std::sync::OnceLock;

use crate::bytes::Bytes;
use crate::codes::Codes;
use crate::distance::Distances;
use crate::hadamard::Hadamard;
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
/// Holding a reference proves that this machine runs it, and the methods check the shapes. They stand
/// beside the function of the crate that each is behind.
#[derive(Debug)]
pub struct Leaf {
    pub(crate) level: Level,
    pub(crate) distances: Distances,
    pub(crate) hadamard: Hadamard,
    pub(crate) codes: Codes,
    pub(crate) bytes: Bytes,
}

impl Leaf {
    /// See [`crate::level`].
    #[inline]
    pub fn level(&self) -> Level {
        self.level
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
