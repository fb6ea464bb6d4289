//! Scanning of one-bit codes, after André, Kermarrec and Le Scouarnec.
//!
//! # How a block is scanned
//!
//! ```text
//!            lane 0                     lane 1
//!  codes   [ pattern 0 of 32 codes ][ pattern 1 of 32 codes ] | next register
//!               low nibbles, high nibbles
//!  table   [ 16 entries of group 0 ][ 16 entries of group 1 ] | next register
//!               look up               look up
//!          [ of codes 0..16        ][ of codes 0..16        ]   and of codes 16..32
//!               + + +                 + + +
//! ```
//!
//! A byte shuffle looks up a nibble in each byte of a register at once, in the 16 entries that stand in
//! the same 16-byte lane of another register: the table never leaves the registers and the first-level
//! cache. The entries found are summed byte position by byte position in 16 bits, and the lanes of the
//! register are added at the end.
//!
//! Sums of 16 bits hold 257 entries. Larger dimensions are scanned 256 groups at a time, the sums of
//! each going into 32 bits.

/// Writes a leaf's scanning kernels and the table of them, `KERNELS`.
///
/// The module that calls it supplies, compiled for the same features:
///
/// - `Vector`, its register, `WIDTH`, how many bytes that holds, and `zero()`;
/// - `load(&[u8; WIDTH])`;
/// - `low(Vector)` and `high(Vector)`, the nibbles of each byte;
/// - `look_up(table, nibbles)`, in each 16-byte lane;
/// - `accumulate(bytes, [Vector; 2]) -> [Vector; 2]`, adding each byte to a sum of 16 bits;
/// - `fold(low: [Vector; 2], high: [Vector; 2]) -> [u16; BLOCK]`, the sums in the order of the codes;
/// - `push_above(&[f32; BLOCK], threshold, first, &mut Vec<u32>)`, which appends the positions of the greater
///   values, counted from `first`.
macro_rules! codes {
    (features: $features:literal) => {
        pub(crate) const KERNELS: $crate::codes::Codes = $crate::codes::Codes {
            fill,
            bounds,
            above,
        };

        #[target_feature(enable = $features)]
        fn fill(
            groups: &[[f32; $crate::codes::PATTERN]],
            inverse: f32,
            lanes: &mut [[u8; $crate::codes::LANE]],
        ) {
            $crate::codes::fill_lanes(groups, inverse, lanes);
        }

        /// Bytes of 256 groups.
        const CHUNK: usize = 256 * $crate::codes::LANE;

        #[target_feature(enable = $features)]
        fn bounds(scan: &$crate::codes::Scan<'_>, bounds: &mut [f32]) {
            let entries = scan.table.entries();
            let length = entries.len();
            let blocks = scan.codes.chunks_exact(length);
            let (bounds, _) = bounds.as_chunks_mut::<BLOCK>();
            for (i, (block, bounds)) in blocks.zip(bounds).enumerate() {
                // Where there is nothing to ask for, the codes at hand, which are there already.
                let ahead = scan.ahead.get(i * length..(i + 1) * length);
                let ahead = ahead.unwrap_or(block);
                let mut sums = [0.0; BLOCK];
                if length <= CHUNK {
                    let part = sum_chunk(block, entries, ahead);
                    for code in 0..BLOCK {
                        sums[code] = f32::from(part[code]);
                    }
                } else {
                    sum_chunks(block, entries, ahead, &mut sums);
                }
                scan.finish(i * BLOCK, &sums, bounds);
            }
        }

        /// Apart, since what sums up over chunks spoils the registers of a block that is one.
        #[target_feature(enable = $features)]
        #[inline(never)]
        fn sum_chunks(codes: &[u8], entries: &[u8], ahead: &[u8], sums: &mut [f32; BLOCK]) {
            let chunks = codes.chunks(CHUNK).zip(entries.chunks(CHUNK));
            for ((codes, entries), ahead) in chunks.zip(ahead.chunks(CHUNK)) {
                let part = sum_chunk(codes, entries, ahead);
                for code in 0..BLOCK {
                    sums[code] += f32::from(part[code]);
                }
            }
        }

        /// Sums the entries that each code of a block selects, of at most 256 groups, and asks for as many bytes
        /// of what comes next.
        #[target_feature(enable = $features)]
        #[inline]
        fn sum_chunk(codes: &[u8], entries: &[u8], ahead: &[u8]) -> [u16; BLOCK] {
            let (codes, _) = codes.as_chunks::<{ $crate::arch::prefetch::LINE }>();
            let (entries, _) = entries.as_chunks::<{ $crate::arch::prefetch::LINE }>();
            let (ahead, _) = ahead.as_chunks::<{ $crate::arch::prefetch::LINE }>();
            let (mut lows, mut highs) = ([zero(); 2], [zero(); 2]);
            for ((codes, entries), ahead) in codes.iter().zip(entries).zip(ahead) {
                $crate::arch::prefetch::into_first_level(ahead);
                let (codes, _) = codes.as_chunks::<WIDTH>();
                let (entries, _) = entries.as_chunks::<WIDTH>();
                for (codes, entries) in codes.iter().zip(entries) {
                    let (codes, table) = (load(codes), load(entries));
                    lows = accumulate(look_up(table, low(codes)), lows);
                    highs = accumulate(look_up(table, high(codes)), highs);
                }
            }
            fold(lows, highs)
        }

        #[target_feature(enable = $features)]
        fn above(values: &[f32], threshold: f32, positions: &mut Vec<u32>) {
            let (blocks, rest) = values.as_chunks::<BLOCK>();
            let mut first = 0;
            for block in blocks {
                push_above(block, threshold, first, positions);
                first += BLOCK as u32;
            }
            for (position, &value) in (first..).zip(rest) {
                if value > threshold {
                    positions.push(position);
                }
            }
        }
    };
}

/// Writes a leaf's `push_above` over `above_mask(&[f32; BLOCK], threshold) -> u32`, a bit for each value that is
/// greater.
macro_rules! push_above {
    (features: $features:literal) => {
        #[target_feature(enable = $features)]
        #[inline]
        fn push_above(block: &[f32; BLOCK], threshold: f32, first: u32, positions: &mut Vec<u32>) {
            let mut mask = above_mask(block, threshold);
            while mask != 0 {
                positions.push(first + mask.trailing_zeros());
                mask &= mask - 1;
            }
        }
    };
}
