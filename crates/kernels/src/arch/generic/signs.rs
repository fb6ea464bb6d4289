//! Products of a vector of bytes with signs.
//!
//! The components whose bit is set are kept, the others made zero, and all are added: twice that less the sum of
//! the query is the product. Pairs of bytes are added in 16 bits, which hold 128 pairs whatever they are, and those
//! sums in 32.
//!
//! The rows of a block share the loads of the query. Scattered rows are waited for as [bytes](super::bytes) are: later
//! ones are asked for meanwhile.

/// Writes a leaf's `gather`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, `LANES`, how many bytes that holds, and `zero()`;
/// - `load(&[i8; LANES])`;
/// - `select(query, &[u8; LANES / 8])`, which makes the bytes zero whose bit is not set;
/// - `add_pairs(bytes, sums)`, adding each two bytes to a sum of 16 bits;
/// - `widen(words, sums)`, adding each two sums of 16 bits to one of 32;
/// - `fold(Vector) -> i32`, the sum of the lanes of 32 bits.
macro_rules! signs {
    (features: $features:literal) => {
        use $crate::arch::prefetch::{LINE, into_first_level};

        /// Rows multiplied together.
        const ROWS: usize = 4;
        /// Rows that are asked for before they are read.
        const AHEAD: usize = 32;
        /// Bytes whose pairs fit sums of 16 bits.
        const CHUNK: usize = 128 * LANES;

        #[target_feature(enable = $features)]
        pub(crate) fn gather(query: &[i8], sum: i32, rows: &[&[u8]], out: &mut [i32]) {
            let bytes = query.len() / 8;
            let (out_blocks, out_rest) = out.as_chunks_mut::<ROWS>();
            let (blocks, rest) = rows.as_chunks::<ROWS>();
            for (i, (out, each)) in out_blocks.iter_mut().zip(blocks).enumerate() {
                for n in 0..ROWS {
                    if let Some(row) = rows.get(i * ROWS + n + AHEAD) {
                        for line in 0..bytes.div_ceil(LINE) {
                            into_first_level(row.as_ptr().wrapping_add(line * LINE));
                        }
                    }
                }
                let kept = block(query, *each);
                for n in 0..ROWS {
                    out[n] = 2 * kept[n] - sum;
                }
            }
            for (out, row) in out_rest.iter_mut().zip(rest) {
                let [kept] = block(query, [row]);
                *out = 2 * kept - sum;
            }
        }

        /// For each row, the sum of the components that it keeps.
        #[target_feature(enable = $features)]
        #[inline]
        fn block<const N: usize>(query: &[i8], rows: [&[u8]; N]) -> [i32; N] {
            let mut sums = [zero(); N];
            for (chunk, query) in query.chunks(CHUNK).enumerate() {
                let (query, _) = query.as_chunks::<LANES>();
                let mut bits: [&[[u8; LANES / 8]]; N] = [&[]; N];
                for n in 0..N {
                    let row = &rows[n][chunk * (CHUNK / 8)..];
                    bits[n] = &row.as_chunks().0[..query.len()];
                }
                let mut words = [zero(); N];
                for i in 0..query.len() {
                    let q = load(&query[i]);
                    for n in 0..N {
                        words[n] = add_pairs(select(q, &bits[n][i]), words[n]);
                    }
                }
                for n in 0..N {
                    sums[n] = widen(words[n], sums[n]);
                }
            }
            let mut folded = [0; N];
            for n in 0..N {
                folded[n] = fold(sums[n]);
            }
            folded
        }
    };
}
