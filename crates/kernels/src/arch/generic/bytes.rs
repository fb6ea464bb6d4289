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
//! memory would be most of the time. So while a block of rows is read, all lines of a later block are
//! asked for.

/// Writes a leaf's byte kernels and the table of them, `KERNELS`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, `LANES`, how many bytes that holds, and `zero()`;
/// - `load(&[i8; LANES])` and `load_part(&[i8])`, which pads up to `LANES` with zeros;
/// - `multiply_add(query, row, sum)`, adding products to sums of 32 bits;
/// - `surplus(query: &[i8]) -> i32`, by how much the sum of the products is too large;
/// - `fold([Vector; N]) -> [i32; N]`, the sum of the lanes of each, for 1 and 4;
/// - `prefetch(*const i8)`, a hint about the cache line there, or nothing.
macro_rules! bytes {
    (features: $features:literal) => {
        pub(crate) const KERNELS: $crate::bytes::Bytes = $crate::bytes::Bytes { dot, rows, gather };

        /// Rows multiplied together.
        const ROWS: usize = 4;
        /// Bytes in a cache line.
        const LINE: usize = 64;
        /// How far ahead of a gathered block to ask for rows, in bytes.
        const AHEAD: usize = 3072;

        #[target_feature(enable = $features)]
        fn dot(a: &[i8], b: &[i8]) -> i32 {
            let [product] = block(a, [b]);
            product.wrapping_sub(surplus(a))
        }

        #[target_feature(enable = $features)]
        fn rows(query: &[i8], rows: &[i8], out: &mut [i32]) {
            let dimension = query.len();
            if dimension == 0 {
                return out.fill(0);
            }
            let surplus = surplus(query);
            let (blocks, rest) = out.as_chunks_mut::<ROWS>();
            let mut row_blocks = rows.chunks_exact(ROWS * dimension);
            for (out, rows) in blocks.iter_mut().zip(&mut row_blocks) {
                let mut each = [query; ROWS];
                for n in 0..ROWS {
                    each[n] = &rows[n * dimension..][..dimension];
                }
                *out = block(query, each);
                for n in 0..ROWS {
                    out[n] = out[n].wrapping_sub(surplus);
                }
            }
            let row_rest = row_blocks.remainder().chunks_exact(dimension);
            for (out, row) in rest.iter_mut().zip(row_rest) {
                let [product] = block(query, [row]);
                *out = product.wrapping_sub(surplus);
            }
        }

        #[target_feature(enable = $features)]
        fn gather(query: &[i8], rows: &[&[i8]], out: &mut [i32]) {
            let surplus = surplus(query);
            let ahead = (AHEAD / query.len().max(1)).next_multiple_of(ROWS);
            for row in &rows[..ahead.min(rows.len())] {
                prefetch_row(row);
            }
            let (blocks, rest) = out.as_chunks_mut::<ROWS>();
            let (row_blocks, row_rest) = rows.as_chunks::<ROWS>();
            for (i, (out, each)) in blocks.iter_mut().zip(row_blocks).enumerate() {
                let later = rows.get(i * ROWS + ahead..).unwrap_or_default();
                for row in &later[..ROWS.min(later.len())] {
                    prefetch_row(row);
                }
                *out = block(query, *each);
                for n in 0..ROWS {
                    out[n] = out[n].wrapping_sub(surplus);
                }
            }
            for (out, row) in rest.iter_mut().zip(row_rest) {
                let [product] = block(query, [row]);
                *out = product.wrapping_sub(surplus);
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn prefetch_row(row: &[i8]) {
            for line in 0..row.len().div_ceil(LINE) {
                prefetch(row.as_ptr().wrapping_add(line * LINE));
            }
        }

        /// The products of `N` rows of the query's dimension, the surplus included.
        #[target_feature(enable = $features)]
        #[inline]
        fn block<const N: usize>(query: &[i8], rows: [&[i8]; N]) -> [i32; N] {
            let (query_vectors, query_rest) = query.as_chunks::<LANES>();
            let mut sums = [zero(); N];
            let mut row_vectors: [&[[i8; LANES]]; N] = [&[]; N];
            for n in 0..N {
                row_vectors[n] = &rows[n].as_chunks().0[..query_vectors.len()];
            }
            for i in 0..query_vectors.len() {
                let q = load(&query_vectors[i]);
                for n in 0..N {
                    sums[n] = multiply_add(q, load(&row_vectors[n][i]), sums[n]);
                }
            }
            if !query_rest.is_empty() {
                let done = query_vectors.len() * LANES;
                let q = load_part(query_rest);
                for n in 0..N {
                    sums[n] = multiply_add(q, load_part(&rows[n][done..]), sums[n]);
                }
            }
            fold(sums)
        }
    };
}
