//! NEON: registers of 16 bytes, 32 of them, part of every AArch64 processor.

mod bytes;
mod codes;
mod distance;
mod hadamard;

use crate::dispatch::{Leaf, Level};

pub(crate) static LEAF: Leaf = Leaf {
    level: Level::Neon,
    distances: distance::KERNELS,
    hadamard: hadamard::hadamard,
    codes: codes::KERNELS,
    dot_i8: bytes::dot,
};
