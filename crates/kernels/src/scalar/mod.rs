//! The reference: portable code, and what runs where no leaf does.

mod bytes;
mod codes;
mod distance;
mod hadamard;

pub(crate) use distance::widen;
pub use distance::{
    dot, dot_f16_rows, dot_rows, squared_euclidean, squared_euclidean_f16_rows,
    squared_euclidean_rows, squared_norm,
};
pub(crate) use hadamard::hadamard;

use crate::dispatch::{Leaf, Level};

pub(crate) static LEAF: Leaf = Leaf {
    level: Level::Scalar,
    distances: distance::KERNELS,
    hadamard,
    codes: codes::KERNELS,
    dot_i8: bytes::dot,
};
