//! AVX-512: registers of 64 bytes, 32 of them, masked loads.
//!
//! Two leaves: with what every processor since Skylake-SP has, and with VNNI, since Ice Lake and Zen 4.
//! Without VNNI the products of bytes are those of AVX2, which the processor always has too.

mod bytes;
mod codes;
mod distance;
mod hadamard;

use super::avx2;
use crate::dispatch::{Leaf, Level};

/// Needs AVX-512F and BW.
pub(crate) static LEAF: Leaf = Leaf {
    level: Level::Avx512,
    distances: distance::KERNELS,
    hadamard: hadamard::hadamard,
    codes: codes::KERNELS,
    dot_i8: avx2::bytes::dot,
};

/// Needs AVX-512F, BW and VNNI.
pub(crate) static VNNI: Leaf = Leaf {
    level: Level::Avx512Vnni,
    dot_i8: bytes::dot,
    ..LEAF
};
