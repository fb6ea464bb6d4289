//! Which leaf runs: asked of the processor once, then a table of functions.
//!
//! A leaf's functions may only be called where its instructions exist. [`Leaf`] carries that proof:
//! the only references to one that leave this module come from [`leaves`], after detection.

use std::fmt;
use std::sync::OnceLock;

use crate::bytes::DotI8;
use crate::codes::Codes;
use crate::distance::Distances;
use crate::hadamard::Hadamard;
use crate::scalar;

/// An instruction set the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Portable code; see [`scalar`](crate::scalar).
    Scalar,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// The same with AVX-VNNI for products of bytes.
    AvxVnni,
    /// x86-64 with AVX-512F and BW.
    Avx512,
    /// The same with AVX-512 VNNI for products of bytes.
    Avx512Vnni,
    /// AArch64: always there.
    Neon,
    /// WebAssembly SIMD: chosen when compiled (`-Ctarget-feature=+simd128`).
    Simd128,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::AvxVnni => "avx-vnni",
            Level::Avx512 => "avx512",
            Level::Avx512Vnni => "avx512-vnni",
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
    pub(crate) dot_i8: DotI8,
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
        (true, &scalar::LEAF),
        #[cfg(target_arch = "x86_64")]
        (has_avx2(), &crate::arch::avx2::LEAF),
        #[cfg(target_arch = "x86_64")]
        (
            has_avx2() && is_x86_feature_detected!("avxvnni"),
            &crate::arch::avx2::VNNI,
        ),
        #[cfg(target_arch = "x86_64")]
        (has_avx512(), &crate::arch::avx512::LEAF),
        #[cfg(target_arch = "x86_64")]
        (
            has_avx512() && is_x86_feature_detected!("avx512vnni"),
            &crate::arch::avx512::VNNI,
        ),
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        (true, &crate::arch::neon::LEAF),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        (true, &crate::arch::simd128::LEAF),
    ]
    .into_iter()
    .filter_map(|(runs, leaf)| runs.then_some(leaf))
    .collect()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

/// The leaves of AVX-512 borrow from those of AVX2.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// The leaf behind the crate's functions.
#[inline]
pub(crate) fn active() -> &'static Leaf {
    static ACTIVE: OnceLock<&'static Leaf> = OnceLock::new();
    ACTIVE.get_or_init(|| leaves().pop().unwrap_or(&scalar::LEAF))
}
