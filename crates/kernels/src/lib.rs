//! The inner loops of vector search: distances of `f32` vectors, scans of one-bit codes, exact products
//! of bytes, the Hadamard transform.
//!
//! The crate knows slices of numbers and nothing else: no records, no metrics by name, no top-k. It has
//! one scalar reference ([`scalar`]) and one *leaf* per instruction set; the best leaf the machine can
//! run is chosen once and used from then on ([`level`] says which).
//!
//! Of the families below, only [distances](#distances) may differ between leaves, by rounding. All others
//! give **the same bits on every machine**: they are whole numbers, or floats added and multiplied one by
//! one in a documented order. What one machine stores, another can recompute.
//!
//! # Distances
//!
//! Every kernel is a sum over elements, `q[i] * r[i]` or `(q[i] - r[i])²`. A single running sum would
//! wait for the previous addition at every element, so a leaf keeps `W` of them (its *stride*): four
//! registers of as many lanes as the instruction set has.
//!
//! 1. Element `i` is added to running sum `i mod W`, in increasing order of `i`. A last, incomplete
//!    stride is padded with zeros, which change nothing.
//! 2. The four registers are added as `(0 + 1) + (2 + 3)`.
//! 3. The register left is folded in half, low lanes plus high lanes, until one lane remains.
//!
//! | leaf    | needs            | lanes | stride `W` | multiply-add | rows at once |
//! |---------|------------------|------:|-----------:|--------------|-------------:|
//! | scalar  | nothing          |     4 |         16 | two roundings |           1 |
//! | avx2    | AVX2 and FMA     |     8 |         32 | fused        |            2 |
//! | avx512  | AVX-512F         |    16 |         64 | fused        |            4 |
//! | neon    | AArch64          |     4 |         16 | fused        |            4 |
//! | simd128 | WebAssembly SIMD |     4 |         16 | two roundings |           2 |
//!
//! The order is fixed by the leaf and the dimension alone, so two promises hold:
//!
//! - **Within a leaf**, the score of a row is the same bits wherever the row stands: `dot_rows` and
//!   `dot` agree exactly, and identical vectors tie exactly. `squared_norm(a)` is `dot(a, a)`.
//! - **Between leaves**, results differ by rounding only (and `scalar` and `simd128` not even by
//!   that). Scores are therefore not to be stored by one machine and compared on another.
//!
//! NaN and infinities propagate as IEEE 754 says.
//!
//! # Cost
//!
//! `O(dimension)` per vector, no allocation. A scan of rows that do not fit the cache is bound by the
//! memory, not by arithmetic: `cargo run --release -p quartz-kernels --example throughput` prints both
//! cases for each leaf of the machine it runs on.
//!
//! # Sources
//!
//! The layout (a generic algorithm, thin leaves, run-time choice) follows
//! [memchr](https://github.com/BurntSushi/memchr/tree/master/src/arch). Why several running sums: Agner
//! Fog, *Optimizing software in C++*, §12 and *Optimizing subroutines in assembly language*, §9. Their
//! error is also the smaller one, as in blocked summation: Higham, *Accuracy and Stability of Numerical
//! Algorithms*, §4.
//!
//! # Examples
//!
//! ```
//! let query = [1.0, 2.0];
//! let rows = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
//! let mut scores = [0.0; 3];
//! quartz_kernels::dot_rows(&query, &rows, &mut scores);
//! assert_eq!(scores, [11.0, 17.0, 23.0]);
//! ```

mod arch;
mod bytes;
pub mod codes;
mod dispatch;
mod distance;
mod hadamard;
pub mod scalar;

pub use bytes::{dot_i8, dot_i8_gather, dot_i8_rows, quantise_i8};
pub use codes::above;
pub use dispatch::Level;
#[doc(hidden)]
pub use dispatch::{Leaf, leaves};
pub use distance::{
    dot, dot_rows, portable_dot, portable_squared_euclidean, squared_euclidean,
    squared_euclidean_rows, squared_norm,
};
pub use hadamard::{MAX_HADAMARD, hadamard};

/// The leaf in use on this machine: the same answer for the whole life of the process.
#[inline]
pub fn level() -> Level {
    dispatch::active().level()
}
