//! The inner loops of vector search: distances of `f32` vectors and rows of halves, scans of one-bit
//! codes, exact products of bytes, the Hadamard transform.
//!
//! The crate knows slices of numbers and nothing else: no records, no metrics by name, no top-k. It has
//! one scalar reference ([`scalar`]) and one *leaf* per instruction set; the best leaf the machine can
//! run is chosen once and used from then on ([`level`] says which).
//!
//! Of the families below, only [distances](#distances) may differ between leaves, by rounding. All others
//! give **the same bits on every machine**: they are whole numbers, or floats added and multiplied one by
//! one in a documented order. What one machine stores, another can recompute.
//!
//! | leaf        | needs                       | register | distances, transform | codes   | bytes       |
//! |-------------|-----------------------------|---------:|----------------------|---------|-------------|
//! | scalar      | nothing                     |        - | scalar               | scalar  | scalar      |
//! | avx2        | AVX2, FMA and F16C          | 32 bytes | avx2                 | avx2    | avx2        |
//! | avx-vnni    | the same and AVX-VNNI       | 32 bytes | avx2                 | avx2    | avx-vnni    |
//! | avx512      | AVX-512F and BW, and avx2's | 64 bytes | avx512               | avx512  | avx2        |
//! | avx512-vnni | the same and AVX-512 VNNI   | 64 bytes | avx512               | avx512  | avx512-vnni |
//! | neon        | AArch64                     | 16 bytes | neon                 | neon    | neon        |
//! | simd128     | WebAssembly SIMD            | 16 bytes | simd128              | simd128 | simd128     |
//!
//! # Distances
//!
//! Every distance is a sum over elements, `q[i] * r[i]` or `(q[i] - r[i])²`. A single running sum would
//! wait for the previous addition at every element, so a leaf keeps `W` of them (its *stride*): four
//! registers of as many lanes as the instruction set has.
//!
//! 1. Element `i` is added to running sum `i mod W`, in increasing order of `i`. A last, incomplete
//!    stride is padded with zeros, which change nothing.
//! 2. The four registers are added as `(0 + 1) + (2 + 3)`.
//! 3. The register left is folded in half, low lanes plus high lanes, until one lane remains.
//!
//! | leaf    | lanes | stride `W` | multiply-add  | rows at once |
//! |---------|------:|-----------:|---------------|-------------:|
//! | scalar  |     4 |         16 | two roundings |            1 |
//! | avx2    |     8 |         32 | fused         |            2 |
//! | avx512  |    16 |         64 | fused         |            4 |
//! | neon    |     4 |         16 | fused         |            4 |
//! | simd128 |     4 |         16 | two roundings |            1 |
//!
//! The order is fixed by the leaf and the dimension alone, so two promises hold:
//!
//! - **Within a leaf**, the score of a row is the same bits wherever the row stands: [`dot_rows`] and
//!   [`dot`] agree exactly, and identical vectors tie exactly. `squared_norm(a)` is `dot(a, a)`.
//! - **Between leaves**, results differ by rounding only (and `scalar` and `simd128` not even by
//!   that). Scores are therefore not to be stored by one machine and compared on another: for that there
//!   are [`portable_dot`] and [`portable_squared_euclidean`], always by the scalar reference.
//!
//! Rows may also be halves (IEEE 754 binary16, as `u16`): [`dot_f16_rows`], [`squared_euclidean_f16_rows`].
//! A half is widened while it is loaded, which is exact, so the score is the same bits as that of the row
//! in `f32`, within a leaf and between scalar and simd128. WebAssembly has no instruction for it, and
//! does it in ten.
//!
//! NaN and infinities propagate as IEEE 754 says.
//!
//! # Codes
//!
//! A one-bit code keeps the signs of a vector: `d` components in `d / 8` bytes. The product of a query
//! with one is `Σ ±q[i]`. Four signs have 16 patterns, so for each group of four components the sums of
//! all patterns are put into a table of 16 bytes, once a query ([`codes::Table`]); a scan looks up
//! `d / 4` of them a code and adds. A byte shuffle looks up 16 to 64 at once, when the codes lie in
//! blocks of 32 with the same pattern side by side ([`codes`] draws it). Then [`codes::bounds`] makes of
//! each sum a bound of the rank, and [`above`] finds the few that are worth a closer look.
//!
//! Sums of table entries are whole numbers, and the float operations around them are in a fixed order.
//!
//! # Bytes
//!
//! [`quantise_i8`] stores a vector as bytes and a scale, [`dot_i8`] multiplies such vectors exactly in 32
//! bits.
//!
//! # Hadamard transform
//!
//! [`hadamard`] is a rotation (times a factor) that needs `n log n` additions and no matrix: with random
//! signs before it, the usual cheap stand-in for a random rotation.
//!
//! # Cost
//!
//! No kernel allocates. `cargo run --release -p quartz-kernels --example throughput` prints the times of
//! each leaf of the machine it runs on, with data in the cache and in memory. In the cache, 384
//! dimensions, nanoseconds on one core of a Zen 5 server (`simd128`: the same core, in V8):
//!
//! | kernel, each                           | scalar | avx2 | avx-vnni | avx512-vnni | simd128 |
//! |----------------------------------------|-------:|-----:|---------:|------------:|--------:|
//! | [`dot_rows`], row                      |     24 |   13 |       13 |          10 |      32 |
//! | [`portable_dot`]                       |     24 |   24 |       24 |          24 |      34 |
//! | [`codes::bounds`](fn@codes::bounds), code |   17 | 1.2 |      1.2 |         0.7 |     3.4 |
//! | [`above`], value, none found           |   0.25 | 0.04 |     0.04 |        0.03 |    0.06 |
//! | [`hadamard`] of 512                    |    520 |  102 |      103 |          79 |     207 |
//! | [`codes::Table::fill`]                 |    580 |  580 |      580 |         580 |     700 |
//! | [`quantise_i8`]                        |    160 |  160 |      160 |         160 |     160 |
//!
//! From memory, a scan in order is bound by its bandwidth (2 to 3 ns a code there), and what lies
//! scattered by its latency: codes in scattered clusters of 256 took 8 ns each, scattered rows of bytes 58
//! to 79 ns. A caller that knows what it reads next can ask for it meanwhile ([`prefetch`](fn@prefetch), and
//! [`Scan::ahead`](codes::Scan::ahead) for codes). Rows
//! of halves in order took 63 ns where those of `f32` took 111 (avx512 on Sapphire Rapids).
//!
//! # Tests of other machines' leaves
//!
//! The tests run every leaf that the machine has, and compare what may be stored with bits written down. The
//! leaves of other machines run in an emulator:
//!
//! ```text
//! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
//! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
//!     cargo test -p quartz-kernels --tests --target aarch64-unknown-linux-gnu
//! RUSTFLAGS=-Ctarget-feature=+simd128 CARGO_TARGET_WASM32_WASIP1_RUNNER=wasmtime \
//!     cargo test -p quartz-kernels --tests --target wasm32-wasip1
//! ```
//!
//! # Sources
//!
//! The layout (a generic algorithm, thin leaves, run-time choice) follows
//! [memchr](https://github.com/BurntSushi/memchr/tree/master/src/arch). Why several running sums: Agner
//! Fog, *Optimizing software in C++*, §12 and *Optimizing subroutines in assembly language*, §9. Their
//! error is also the smaller one, as in blocked summation: Higham, *Accuracy and Stability of Numerical
//! Algorithms*, §4. Tables in registers: André, Kermarrec, Le Scouarnec, *Cache locality is not enough:
//! High-Performance Nearest Neighbor Search with Product Quantization Fast Scan*, VLDB 2015. One-bit
//! codes and their bounds: Gao, Long, *RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical
//! Error Bound for Approximate Nearest Neighbor Search*, SIGMOD 2024.
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
mod prefetch;
pub mod scalar;

pub use bytes::{dot_i8, quantise_i8};
pub use codes::above;
pub use dispatch::Level;
#[doc(hidden)]
pub use dispatch::{Leaf, leaves};
pub use distance::{
    dot, dot_f16_rows, dot_rows, f16_to_f32, portable_dot, portable_squared_euclidean,
    squared_euclidean, squared_euclidean_f16_rows, squared_euclidean_rows, squared_norm,
};
pub use hadamard::{MAX_HADAMARD, hadamard};
pub use prefetch::{prefetch, prefetch_value};

/// The leaf in use on this machine: the same answer for the whole life of the process.
#[inline]
pub fn level() -> Level {
    dispatch::active().level()
}
