//! Exact products of bytes: widened to 16 bits, multiplied and added in pairs.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32,
    _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256,
    _mm256_madd_epi16, _mm256_setzero_si256,
};

type Vector = __m256i;
const LANES: usize = 16;

bytes!(features: "avx2,fma");

#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn zero() -> Vector {
    _mm256_setzero_si256()
}

/// Widened: 16 words.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is 16 bytes long, and the load needs no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load_part(values: &[i8]) -> Vector {
    let mut padded = [0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

/// Two products of at most 2¹⁴ each fit 32 bits, those of -128 included.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn multiply_add(query: Vector, row: Vector, sum: Vector) -> Vector {
    _mm256_add_epi32(sum, _mm256_madd_epi16(query, row))
}

#[inline]
fn surplus(_: &[i8]) -> i32 {
    0
}

#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn fold(sum: Vector) -> i32 {
    let high = _mm256_extracti128_si256::<1>(sum);
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), high);
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}
