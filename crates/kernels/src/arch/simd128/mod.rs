//! WebAssembly SIMD: registers of 16 bytes, no fused multiply-add.
//!
//! Its distances have the same bits as those of [`scalar`](crate::scalar).

mod bytes;
mod codes;
mod distance;
mod hadamard;

use crate::dispatch::{Leaf, Level};

pub(crate) static LEAF: Leaf = Leaf {
    level: Level::Simd128,
    distances: distance::KERNELS,
    hadamard: hadamard::hadamard,
    codes: codes::KERNELS,
    dot_i8: bytes::dot,
};
