//! Vectors of signed bytes: quantisation and exact products.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use crate::dispatch::{Leaf, active};
use crate::distance::check_pair;

/// Quantises `values` to whole multiples of a scale: `values[i]` is near `codes[i] * scale`.
///
/// `scale` is `max |v| / 127`, and a code is `v / scale` rounded to the nearest whole number, half to
/// even; codes are in `-127..=127`. A zero vector has scale zero and zero codes. Plain IEEE divisions:
/// the same bits on every machine for finite values. Values that are not finite give codes without
/// meaning.
///
/// `O(dimension)`, no allocation.
///
/// # Panics
///
/// When the lengths differ.
///
/// # Examples
///
/// ```
/// let mut codes = [0; 4];
/// let scale = quartz_kernels::quantise_i8(&[254.0, -127.0, 1.0, 3.0], &mut codes);
/// assert_eq!((scale, codes), (2.0, [127, -64, 0, 2]));
/// ```
pub fn quantise_i8(values: &[f32], codes: &mut [i8]) -> f32 {
    assert_eq!(values.len(), codes.len(), "a code for each value");
    let scale = largest_magnitude(values) / 127.0;
    if scale == 0.0 {
        codes.fill(0);
        return 0.0;
    }
    for (code, value) in codes.iter_mut().zip(values) {
        // The clamp is for subnormal scales, which are themselves rounded.
        *code = round(value / scale).clamp(-127, 127) as i8;
    }
    scale
}

/// Several running maxima, for the compiler to make a register of.
fn largest_magnitude(values: &[f32]) -> f32 {
    let (strides, rest) = values.as_chunks::<16>();
    let mut largest = [0.0_f32; 16];
    for stride in strides {
        for (largest, value) in largest.iter_mut().zip(stride) {
            // Not `max`, which the compiler does not make a vector instruction of everywhere.
            *largest = if value.abs() > *largest {
                value.abs()
            } else {
                *largest
            };
        }
    }
    let all = largest.iter().chain(rest);
    all.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The nearest whole number, half to even, of a value within `±2²²`.
///
/// Numbers around `1.5 · 2²³` have no fractional bits: adding it rounds, and leaves the whole number in
/// the low bits. Unlike [`f32::round_ties_even`], no call to a library on the oldest x86-64.
#[inline(always)]
pub(crate) fn round(value: f32) -> i32 {
    const WHOLE: f32 = 12_582_912.0;
    (value + WHOLE)
        .to_bits()
        .wrapping_sub(WHOLE.to_bits())
        .cast_signed()
}

/// The exact dot product of two vectors of bytes; `0` for empty ones.
///
/// # Panics
///
/// When the lengths differ, or are 2¹⁷ or more: up to there, no values (`-128` included) overflow.
///
/// # Examples
///
/// ```
/// assert_eq!(quartz_kernels::dot_i8(&[1, -128], &[3, -128]), 16_387);
/// ```
#[inline]
pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    active().dot_i8(a, b)
}

pub(crate) type DotI8 = unsafe fn(&[i8], &[i8]) -> i32;

impl Leaf {
    /// See [`crate::dot_i8`].
    #[inline]
    pub fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        check_pair(a, b);
        assert!(a.len() < 1 << 17, "a sum of products may overflow");
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.dot_i8)(a, b) }
    }
}
