//! Distances of `f32` vectors, and of one to rows of halves.
//!
//! # How a block of rows is scored
//!
//! ```text
//!             accumulator 0   accumulator 1   accumulator 2   accumulator 3
//!  query     [  q0 .. q15  ] [ q16 .. q31  ] [ q32 .. q47  ] [ q48 .. q63  ] | next stride
//!                  x               x               x               x
//!  row 0     [  r0 .. r15  ] [ r16 .. r31  ] [ r32 .. r47  ] [ r48 .. r63  ] | next stride
//!  row 1     [  ...
//! ```
//!
//! (drawn for 16 lanes). A row of halves is widened while it is loaded, and is like a row of `f32` from then
//! on, so both give the same bits. Each row has four accumulators of its own, because a multiply-add takes
//! about four cycles and one can start in every cycle: fewer would leave the unit waiting. A query
//! register is loaded once and used for every row of the block, so a row costs one load per register
//! instead of two. How many rows fit is a matter of registers: `rows x 4` accumulators, the query and
//! a temporary.
//!
//! What is left after the last whole stride goes to the accumulators in the same order, the last piece
//! padded with zeros. So element `i` always meets accumulator lane `i mod STRIDE`, and a row's score
//! does not depend on how many rows share the block: one row or many are the same code with another
//! constant. The tests hold every leaf to that, bit for bit.
//!
//! # Prefetching
//!
//! The hardware prefetches too, but a block reads several rows at once and each ends in a branch, and
//! that leaves a scan 10% or more short of what the memory gives. So while a block is read, the same
//! places of the block after it (and at least 6 KiB ahead, for short rows) are asked for, into the
//! second-level cache. Rows are adjacent, so these are exactly the lines that come next. Tried on
//! Sapphire Rapids at 384 dimensions: distances from 6 to 24 KiB do equally well; hints for the first
//! level depend on the distance; non-temporal ones take up to twice as long; reading rows from distant
//! parts of the matrix instead gains nothing more. On Zen 5 all of this is within 10% of rows one by one.
//! Pairs do not prefetch: what lies behind them may not be wanted. Where there is no hint to give
//! (WebAssembly), several rows at once took twice as long from memory as one.

/// Writes a leaf's distance kernels and the table of them, `KERNELS`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, and `LANES`, how many `f32` that holds;
/// - `zero()`, `load(&[f32; LANES])` and `load_part(&[f32])`, which pads up to `LANES` with zeros;
/// - `load_f16(&[u16; LANES])`, of halves, widened;
/// - `add`, `subtract` and `multiply_add(a, b, sum)`;
/// - `fold(Vector) -> f32`, the sum of the lanes, always folding halves.
macro_rules! distances {
    (features: $features:literal, rows: $rows:literal) => {
        pub(crate) const KERNELS: $crate::distance::Distances = $crate::distance::Distances {
            dot: pair::<false>,
            squared_euclidean: pair::<true>,
            dot_rows: each_row::<false>,
            squared_euclidean_rows: each_row::<true>,
            dot_f16_rows: each_f16_row::<false>,
            squared_euclidean_f16_rows: each_f16_row::<true>,
        };

        /// Registers a row is summed in.
        const ACCUMULATORS: usize = 4;
        /// Elements that all accumulators of a row take in together.
        const STRIDE: usize = ACCUMULATORS * LANES;
        /// Rows scored together.
        const ROWS: usize = $rows;

        /// How far ahead to prefetch at least, in bytes.
        const AHEAD: usize = 6 << 10;

        /// The dot product, or the squared Euclidean distance, of one pair.
        #[target_feature(enable = $features)]
        fn pair<const EUCLIDEAN: bool>(a: &[f32], b: &[f32]) -> f32 {
            let [score] = block::<EUCLIDEAN, 1>(a, b);
            score
        }

        /// The first lanes are `values`, at least one, widened; the rest are zero.
        #[target_feature(enable = $features)]
        #[inline]
        fn load_f16_part(values: &[u16]) -> Vector {
            if let Ok(whole) = values.try_into() {
                return load_f16(whole);
            }
            let mut padded = [0; LANES];
            padded[..values.len()].copy_from_slice(values);
            load_f16(&padded)
        }

        distances!(@rows $features, each_row, block, f32, load, load_part);
        distances!(@rows $features, each_f16_row, f16_block, u16, load_f16, load_f16_part);

        #[target_feature(enable = $features)]
        #[inline]
        fn accumulate<const EUCLIDEAN: bool>(q: Vector, r: Vector, sum: Vector) -> Vector {
            if EUCLIDEAN {
                let difference = subtract(q, r);
                multiply_add(difference, difference, sum)
            } else {
                multiply_add(q, r, sum)
            }
        }
    };

    // The kernels of rows of one type of component.
    (
        @rows $features:literal,
        $each_row:ident, $block:ident, $component:ty, $load:ident, $load_part:ident
    ) => {
        /// Scores the rows by blocks, then those left over one by one.
        #[target_feature(enable = $features)]
        fn $each_row<const EUCLIDEAN: bool>(
            query: &[f32],
            rows: &[$component],
            out: &mut [f32],
        ) {
            let dimension = query.len();
            if dimension == 0 {
                return out.fill(0.0);
            }
            let (out_blocks, out_rest) = out.as_chunks_mut::<ROWS>();
            let mut blocks = rows.chunks_exact(ROWS * dimension);
            for (out, rows) in out_blocks.iter_mut().zip(&mut blocks) {
                *out = $block::<EUCLIDEAN, ROWS>(query, rows);
            }
            let rest = blocks.remainder().chunks_exact(dimension);
            for (out, row) in out_rest.iter_mut().zip(rest) {
                [*out] = $block::<EUCLIDEAN, 1>(query, row);
            }
        }

        /// Scores `N` adjacent rows of the query's dimension.
        // Plain loops: `array::map` and its like are not compiled for the features, and were seen to
        // stay calls in here.
        #[target_feature(enable = $features)]
        #[inline]
        fn $block<const EUCLIDEAN: bool, const N: usize>(
            query: &[f32],
            rows: &[$component],
        ) -> [f32; N] {
            /// In components.
            const AHEAD_AT_LEAST: usize = AHEAD / size_of::<$component>();
            /// Components in a cache line.
            const LINE: usize = $crate::arch::prefetch::LINE / size_of::<$component>();

            let dimension = query.len();
            let ahead = (N * dimension).max(AHEAD_AT_LEAST);
            let prefetched = if N > 1 { N } else { 0 };
            let mut sums = [[zero(); ACCUMULATORS]; N];

            let (query_strides, query_rest) = query.as_chunks::<STRIDE>();
            let mut row_strides: [&[[$component; STRIDE]]; N] = [&[]; N];
            for n in 0..N {
                let row = &rows[n * dimension..][..dimension];
                row_strides[n] = &row.as_chunks().0[..query_strides.len()];
            }
            for i in 0..query_strides.len() {
                let (query, _) = query_strides[i].as_chunks::<LANES>();
                for n in 0..prefetched {
                    let next = row_strides[n][i].as_ptr().wrapping_add(ahead);
                    for line in 0..STRIDE.div_ceil(LINE) {
                        $crate::arch::prefetch::into_second_level(next.wrapping_add(line * LINE));
                    }
                }
                for k in 0..ACCUMULATORS {
                    let q = load(&query[k]);
                    for n in 0..N {
                        let (row, _) = row_strides[n][i].as_chunks::<LANES>();
                        sums[n][k] = accumulate::<EUCLIDEAN>(q, $load(&row[k]), sums[n][k]);
                    }
                }
            }

            let done = query_strides.len() * STRIDE;
            for k in 0..ACCUMULATORS {
                let left = query_rest.len().saturating_sub(k * LANES).min(LANES);
                if left == 0 {
                    break;
                }
                let q = load_part(&query_rest[k * LANES..][..left]);
                for n in 0..N {
                    let r = $load_part(&rows[n * dimension + done + k * LANES..][..left]);
                    sums[n][k] = accumulate::<EUCLIDEAN>(q, r, sums[n][k]);
                }
            }

            let mut scores = [0.0; N];
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                scores[n] = fold(add(add(a, b), add(c, d)));
            }
            scores
        }
    };
}
