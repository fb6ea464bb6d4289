//! The fast Walsh-Hadamard transform.
//!
//! Stage `h` pairs elements `h` apart. The stages below the register's lanes are done within registers,
//! two more between the four registers that are loaded together. From there on, two stages a pass:
//! values four pieces of `h` elements apart are loaded, paired twice and stored.
//!
//! ```text
//!  h     [ a ]---+---[ a + b ]-------+---[ (a + b) + (c + d) ]
//!        [ b ]---+---[ a - b ]---+---|---[ (a - b) + (c - d) ]
//!  2 h   [ c ]---+---[ c + d ]---|---+---[ (a + b) - (c + d) ]
//!        [ d ]---+---[ c - d ]---+-------[ (a - b) - (c - d) ]
//! ```
//!
//! However the stages are grouped, an element goes through the same additions in the same order.

/// Writes a leaf's transform, `hadamard`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, and `LANES`, how many `f32` that holds;
/// - `load(&[f32; LANES])` and `store(&mut [f32; LANES], Vector)`;
/// - `add` and `subtract`;
/// - `within(Vector) -> Vector`, the stages below `LANES`.
macro_rules! hadamard {
    (features: $features:literal) => {
        /// Elements of the registers loaded together.
        const PIECE: usize = 4 * LANES;

        /// See [`crate::hadamard`].
        #[target_feature(enable = $features)]
        pub(crate) fn hadamard(values: &mut [f32]) {
            if values.len() < PIECE {
                return $crate::scalar::hadamard(values);
            }
            let (pieces, _) = values.as_chunks_mut::<PIECE>();
            for piece in pieces {
                let (vectors, _) = piece.as_chunks_mut::<LANES>();
                let [a, b, c, d] = vectors else { return };
                let whole = [
                    within(load(a)),
                    within(load(b)),
                    within(load(c)),
                    within(load(d)),
                ];
                put(two_stages(whole), a, b, c, d);
            }
            let (vectors, _) = values.as_chunks_mut::<LANES>();
            let mut half = PIECE / LANES;
            while half < vectors.len() / 2 {
                for group in vectors.chunks_exact_mut(4 * half) {
                    let (low, high) = group.split_at_mut(2 * half);
                    let (a, b) = low.split_at_mut(half);
                    let (c, d) = high.split_at_mut(half);
                    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                        put(two_stages([load(a), load(b), load(c), load(d)]), a, b, c, d);
                    }
                }
                half *= 4;
            }
            if half < vectors.len() {
                let (low, high) = vectors.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    let [sum, difference] = butterfly(load(a), load(b));
                    store(a, sum);
                    store(b, difference);
                }
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn butterfly(a: Vector, b: Vector) -> [Vector; 2] {
            [add(a, b), subtract(a, b)]
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn two_stages([a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
            let ([a, b], [c, d]) = (butterfly(a, b), butterfly(c, d));
            let ([a, c], [b, d]) = (butterfly(a, c), butterfly(b, d));
            [a, b, c, d]
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn put(
            vectors: [Vector; 4],
            a: &mut [f32; LANES],
            b: &mut [f32; LANES],
            c: &mut [f32; LANES],
            d: &mut [f32; LANES],
        ) {
            store(a, vectors[0]);
            store(b, vectors[1]);
            store(c, vectors[2]);
            store(d, vectors[3]);
        }
    };
}
