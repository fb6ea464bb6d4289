//! Exact products of vectors of bytes.
//!
//! As with [distances](super::distance), the rows of a block share the loads of the query. All is whole
//! numbers, so one running sum a row is enough order: rows of a block, and neighbouring blocks, keep the
//! multipliers busy.
//!
//! A leaf whose multiplier takes one factor unsigned adds 128 to the row and takes `128 * sum(query)`
//! off at the end: its `surplus`. On the way a sum may pass 32 bits, which comes to the same modulo 2³².
//!
//! Scattered rows are each a few cache lines that no hardware prefetcher expects, and waiting for
//! memory would be most of the time. So while the rows of a block are read, the same places of rows some
//! KiB later in the list are asked for, and the first ones before anything is read. Adjacent rows gain
//! too. Tried on Zen 5 at 384 and 1,536 dimensions: 6 KiB ahead is 1.5 times as fast as 1.5 KiB, and 12
//! KiB no faster; asking for a whole later block at once, instead of line by line, was slower where
//! rows are long.

/// Writes a leaf's byte kernels and the table of them, `KERNELS`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, `LANES`, how many bytes that holds, and `zero()`;
/// - `load(&[i8; LANES])` and `load_part(&[i8])`, which pads up to `LANES` with zeros;
/// - `multiply_add(query, row, sum)`, adding products to sums of 32 bits;
/// - `surplus(query: &[i8]) -> i32`, by how much the sum of the products is too large;
/// - `fold([Vector; N]) -> [i32; N]`, the sum of the lanes of each, for 1 and 4.
macro_rules! bytes {
    (features: $features:literal) => {
        pub(crate) const KERNELS: $crate::bytes::Bytes = $crate::bytes::Bytes { dot, rows, gather };

        use $crate::arch::prefetch::{LINE, into_first_level};

        /// Rows multiplied together.
        const ROWS: usize = 4;
        /// How far ahead to prefetch, in bytes.
        const AHEAD: usize = 6144;

        #[target_feature(enable = $features)]
        fn dot(a: &[i8], b: &[i8]) -> i32 {
            product(a, b, surplus(a))
        }

        #[target_feature(enable = $features)]
        fn rows(query: &[i8], rows: &[i8], out: &mut [i32]) {
            let dimension = query.len();
            if dimension == 0 {
                return out.fill(0);
            }
            let surplus = surplus(query);
            let (out_blocks, out_rest) = out.as_chunks_mut::<ROWS>();
            let mut blocks = rows.chunks_exact(ROWS * dimension);
            for (out, rows) in out_blocks.iter_mut().zip(&mut blocks) {
                let mut each = [query; ROWS];
                let mut next = [query.as_ptr(); ROWS];
                for n in 0..ROWS {
                    each[n] = &rows[n * dimension..][..dimension];
                    next[n] = each[n].as_ptr().wrapping_add(AHEAD);
                }
                *out = block(query, each, next, surplus);
            }
            let rest = blocks.remainder().chunks_exact(dimension);
            for (out, row) in out_rest.iter_mut().zip(rest) {
                *out = product(query, row, surplus);
            }
        }

        #[target_feature(enable = $features)]
        fn gather(query: &[i8], rows: &[&[i8]], out: &mut [i32]) {
            let surplus = surplus(query);
            let ahead = (AHEAD / query.len().max(1)).max(ROWS);
            for row in &rows[..ahead.min(rows.len())] {
                $crate::prefetch(row);
            }
            let (out_blocks, out_rest) = out.as_chunks_mut::<ROWS>();
            let (blocks, rest) = rows.as_chunks::<ROWS>();
            for (i, (out, each)) in out_blocks.iter_mut().zip(blocks).enumerate() {
                // Beyond the last row, the query stands in: a hint without effect.
                let mut next = [query.as_ptr(); ROWS];
                for n in 0..ROWS {
                    if let Some(row) = rows.get(i * ROWS + n + ahead) {
                        next[n] = row.as_ptr();
                    }
                }
                *out = block(query, *each, next, surplus);
            }
            for (out, row) in out_rest.iter_mut().zip(rest) {
                *out = product(query, row, surplus);
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn product(query: &[i8], row: &[i8], surplus: i32) -> i32 {
            // Nothing comes next that is known.
            let [product] = block(query, [row], [query.as_ptr()], surplus);
            product
        }

        /// The products of `N` rows of the query's dimension, prefetching as many that start at `next`.
        #[target_feature(enable = $features)]
        #[inline]
        fn block<const N: usize>(
            query: &[i8],
            rows: [&[i8]; N],
            next: [*const i8; N],
            surplus: i32,
        ) -> [i32; N] {
            let prefetched = if N > 1 { N } else { 0 };
            let mut sums = [zero(); N];
            let (query_lines, query_rest) = query.as_chunks::<LINE>();
            let mut row_lines: [&[[i8; LINE]]; N] = [&[]; N];
            for n in 0..N {
                row_lines[n] = &rows[n].as_chunks().0[..query_lines.len()];
            }
            for i in 0..query_lines.len() {
                for n in 0..prefetched {
                    into_first_level(next[n].wrapping_add(i * LINE));
                }
                let (query, _) = query_lines[i].as_chunks::<LANES>();
                for k in 0..LINE / LANES {
                    let q = load(&query[k]);
                    for n in 0..N {
                        let (row, _) = row_lines[n][i].as_chunks::<LANES>();
                        sums[n] = multiply_add(q, load(&row[k]), sums[n]);
                    }
                }
            }
            // The last line, and one more where rows are not aligned to lines.
            for n in 0..prefetched {
                into_first_level(next[n].wrapping_add(query.len().saturating_sub(1)));
            }
            let done = query_lines.len() * LINE;
            for k in 0..LINE / LANES {
                let left = query_rest.len().saturating_sub(k * LANES).min(LANES);
                if left == 0 {
                    break;
                }
                let q = load_part(&query_rest[k * LANES..][..left]);
                for n in 0..N {
                    let row = load_part(&rows[n][done + k * LANES..][..left]);
                    sums[n] = multiply_add(q, row, sums[n]);
                }
            }
            let mut products = fold(sums);
            for n in 0..N {
                products[n] = products[n].wrapping_sub(surplus);
            }
            products
        }
    };
}
