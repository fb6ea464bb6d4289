//! Exact products of vectors of bytes.
//!
//! All is whole numbers, so one running sum is enough order, and products of neighbouring rows keep the
//! multipliers busy.
//!
//! A leaf whose multiplier takes one factor unsigned adds 128 to the row and takes `128 * sum(query)`
//! off at the end: its `surplus`. On the way a sum may pass 32 bits, which comes to the same modulo 2³².

/// Writes a leaf's product of bytes, `dot`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, `LANES`, how many bytes that holds, and `zero()`;
/// - `load(&[i8; LANES])` and `load_part(&[i8])`, which pads up to `LANES` with zeros;
/// - `multiply_add(query, row, sum)`, adding products to sums of 32 bits;
/// - `surplus(query: &[i8]) -> i32`, by how much the sum of the products is too large;
/// - `fold(sum) -> i32`, the sum of the lanes.
macro_rules! bytes {
    (features: $features:literal) => {
        /// Bytes that a turn of the loop takes in.
        const STRIDE: usize = 64;

        #[target_feature(enable = $features)]
        pub(crate) fn dot(query: &[i8], row: &[i8]) -> i32 {
            let mut sum = zero();
            let (query_strides, query_rest) = query.as_chunks::<STRIDE>();
            let (row_strides, row_rest) = row.as_chunks::<STRIDE>();
            for (query, row) in query_strides.iter().zip(row_strides) {
                let (query, _) = query.as_chunks::<LANES>();
                let (row, _) = row.as_chunks::<LANES>();
                for k in 0..STRIDE / LANES {
                    sum = multiply_add(load(&query[k]), load(&row[k]), sum);
                }
            }
            for (query, row) in query_rest.chunks(LANES).zip(row_rest.chunks(LANES)) {
                sum = multiply_add(load_part(query), load_part(row), sum);
            }
            fold(sum).wrapping_sub(surplus(query))
        }
    };
}
