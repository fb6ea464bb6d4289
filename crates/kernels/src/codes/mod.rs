//! One-bit codes of vectors, stored for scanning: how they lie in memory, and how one is written,
//! read and moved.
//!
//! A code keeps the signs of a vector's components: a bit is 1 for `>= 0`, standing for `+1`, and 0
//! for `-1`. The dimension is a multiple of [`DIMENSIONS`].
//!
//! # Layout
//!
//! Codes come in blocks of [`BLOCK`], each `4 * dimension` bytes, `dimension / 8` a code. Four
//! neighbouring components are a *pattern* of 4 bits, component `4j + b` at bit `b`. A block holds
//! pattern 0 of its 32 codes, then pattern 1, and so on:
//!
//! ```text
//!                byte 0          byte 1               byte 15      | byte 16 ...
//!           +-------+-------+-------+-------+   +-------+-------+
//!  pattern 0| code16| code 0| code17| code 1|...| code31| code15|  | pattern 1 ...
//!           +-------+-------+-------+-------+   +-------+-------+
//!            bits 7-4  3-0
//! ```
//!
//! So a 16-byte lane of a register meets one table of 16 entries, and one shuffle instruction looks up
//! a pattern of 16 codes. See [`bounds`](fn@bounds) for what is done with it.

mod bounds;
mod table;

pub(crate) use bounds::Codes;
pub use bounds::{Scan, above, bounds};
pub use table::Table;
pub(crate) use table::fill_lanes;

/// Codes in a block.
pub const BLOCK: usize = 32;

/// Dimensions are a multiple of this.
pub const DIMENSIONS: usize = 64;

/// Components in a pattern.
pub(crate) const PATTERN: usize = 4;

/// Bytes a pattern of a block's codes takes.
pub(crate) const LANE: usize = BLOCK / 2;

/// Bytes of a block.
///
/// # Panics
///
/// When `dimension` is zero or no multiple of [`DIMENSIONS`].
#[inline]
#[track_caller]
pub fn block_bytes(dimension: usize) -> usize {
    assert!(
        dimension > 0 && dimension.is_multiple_of(DIMENSIONS),
        "codes need a multiple of {DIMENSIONS} dimensions, not {dimension}"
    );
    dimension / PATTERN * LANE
}

/// Writes the signs of a vector of `signs.len()` dimensions as code number `position` of `codes`, a
/// slice of whole blocks.
///
/// `O(dimension)`.
///
/// # Panics
///
/// When the dimension is no multiple of [`DIMENSIONS`], or `codes` ends before the code's block does.
///
/// # Examples
///
/// ```
/// use quartz_kernels::codes;
///
/// let vector = [[0.5; 32], [-0.5; 32]].concat();
/// let mut block = vec![0; codes::block_bytes(64)];
/// codes::pack(&mut block, 3, &vector);
/// let mut signs = [0.0; 64];
/// codes::unpack(&block, 3, &mut signs);
/// assert_eq!(signs, [[1.0; 32], [-1.0; 32]].concat()[..]);
/// ```
pub fn pack(codes: &mut [u8], position: usize, signs: &[f32]) {
    let slot = Slot::of(position);
    let (patterns, _) = signs.as_chunks::<PATTERN>();
    let lanes = slot.lanes_mut(codes, signs.len());
    for (lane, signs) in lanes.iter_mut().zip(patterns) {
        let bit = |b: usize| u8::from(signs[b] >= 0.0) << b;
        slot.set(lane, bit(0) | bit(1) | bit(2) | bit(3));
    }
}

/// [`pack`] of a vector of bytes.
///
/// # Panics
///
/// As [`pack`].
///
/// # Examples
///
/// ```
/// use quartz_kernels::codes;
///
/// let mut block = vec![0; codes::block_bytes(64)];
/// codes::pack_i8(&mut block, 3, &[[0; 32], [-1; 32]].concat());
/// let mut signs = [0.0; 64];
/// codes::unpack(&block, 3, &mut signs);
/// assert_eq!(signs, [[1.0; 32], [-1.0; 32]].concat()[..]);
/// ```
pub fn pack_i8(codes: &mut [u8], position: usize, values: &[i8]) {
    // Moves the highest bits of eight bytes into one, the first one's lowest.
    const GATHER: u64 = 0x0002_0408_1020_4081;
    let slot = Slot::of(position);
    let (pairs, _) = slot.lanes_mut(codes, values.len()).as_chunks_mut::<2>();
    let (octets, _) = as_bytes(values).as_chunks();
    for ([first, second], octet) in pairs.iter_mut().zip(octets) {
        let negative = u64::from_le_bytes(*octet) & 0x8080_8080_8080_8080;
        let signs = (negative ^ 0x8080_8080_8080_8080).wrapping_mul(GATHER) >> 56;
        slot.set(first, signs as u8 & 0xf);
        slot.set(second, signs as u8 >> 4);
    }
}

/// Eight of them make a word in one load, which the compiler was not seen to find out.
#[expect(unsafe_code, reason = "the same bytes with another sign")]
fn as_bytes(values: &[i8]) -> &[u8] {
    // SAFETY: both types have the same layout, and every value of one is a value of the other.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// Reads code number `position` of `codes` as `+1.0` and `-1.0`, `signs.len()` being the dimension.
///
/// # Panics
///
/// As [`pack`].
pub fn unpack(codes: &[u8], position: usize, signs: &mut [f32]) {
    let slot = Slot::of(position);
    let lanes = slot.lanes(codes, signs.len());
    let (patterns, _) = signs.as_chunks_mut::<PATTERN>();
    for (lane, signs) in lanes.iter().zip(patterns) {
        let pattern = slot.get(lane);
        for (b, sign) in signs.iter_mut().enumerate() {
            *sign = if pattern >> b & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
}

/// Copies code number `from` of `source` over code number `to` of `codes`.
///
/// # Panics
///
/// As [`pack`], for both.
pub fn copy(source: &[u8], from: usize, codes: &mut [u8], to: usize, dimension: usize) {
    let (from, to) = (Slot::of(from), Slot::of(to));
    let source = from.lanes(source, dimension);
    let lanes = to.lanes_mut(codes, dimension);
    for (lane, source) in lanes.iter_mut().zip(source) {
        to.set(lane, from.get(source));
    }
}

/// Copies code number `from` of `codes` over code number `to`.
///
/// # Panics
///
/// As [`pack`], for both.
pub fn copy_within(codes: &mut [u8], from: usize, to: usize, dimension: usize) {
    let (from, to) = (Slot::of(from), Slot::of(to));
    for pattern in 0..dimension / PATTERN {
        let copied = from.get(&from.lanes(codes, dimension)[pattern]);
        to.set(&mut to.lanes_mut(codes, dimension)[pattern], copied);
    }
}

/// Makes code number `position` of `codes` all zero bits, as in a new block.
///
/// # Panics
///
/// As [`pack`].
pub fn clear(codes: &mut [u8], position: usize, dimension: usize) {
    let slot = Slot::of(position);
    for lane in slot.lanes_mut(codes, dimension) {
        slot.set(lane, 0);
    }
}

/// Where a code's patterns are.
#[derive(Clone, Copy)]
struct Slot {
    block: usize,
    byte: usize,
    shift: u32,
}

impl Slot {
    fn of(position: usize) -> Self {
        let slot = position % BLOCK;
        Self {
            block: position / BLOCK,
            byte: slot % LANE,
            shift: if slot < LANE { 0 } else { 4 },
        }
    }

    #[track_caller]
    fn lanes(self, codes: &[u8], dimension: usize) -> &[[u8; LANE]] {
        let bytes = block_bytes(dimension);
        codes[self.block * bytes..][..bytes].as_chunks().0
    }

    #[track_caller]
    fn lanes_mut(self, codes: &mut [u8], dimension: usize) -> &mut [[u8; LANE]] {
        let bytes = block_bytes(dimension);
        codes[self.block * bytes..][..bytes].as_chunks_mut().0
    }

    #[inline]
    fn get(self, lane: &[u8; LANE]) -> u8 {
        lane[self.byte] >> self.shift & 0xf
    }

    #[inline]
    fn set(self, lane: &mut [u8; LANE], pattern: u8) {
        let byte = &mut lane[self.byte];
        *byte = *byte & !(0xf << self.shift) | pattern << self.shift;
    }
}
