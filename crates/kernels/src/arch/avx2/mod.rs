//! AVX2 with FMA and F16C: registers of 32 bytes, 16 of them.
//!
//! Two leaves: with what every processor since Haswell has, and with VNNI, which some have that have no
//! AVX-512.

pub(super) mod bytes;
mod codes;
mod distance;
mod hadamard;
mod vnni;

use crate::dispatch::{Leaf, Level};

/// Needs AVX2, FMA and F16C.
pub(crate) static LEAF: Leaf = Leaf {
    level: Level::Avx2,
    distances: distance::KERNELS,
    hadamard: hadamard::hadamard,
    codes: codes::KERNELS,
    dot_i8: bytes::dot,
};

/// Needs AVX2, FMA, F16C and AVX-VNNI.
pub(crate) static VNNI: Leaf = Leaf {
    level: Level::AvxVnni,
    dot_i8: vnni::dot,
    ..LEAF
};
