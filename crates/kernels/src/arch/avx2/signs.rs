//! Products with signs: bits become bytes of ones and zeros.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi64x,
    _mm256_shuffle_epi8,
};

use super::bytes::{fold as fold_each, zero};

type Vector = __m256i;
const LANES: usize = 32;

signs!(features: "avx2,fma");

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Each byte of bits goes to eight lanes, of which each looks at one bit.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn select(query: Vector, bits: &[u8; LANES / 8]) -> Vector {
    let ones = 0x0101_0101_0101_0101;
    let spread = _mm256_setr_epi64x(0, ones, 2 * ones, 3 * ones);
    let each = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let bits = _mm256_set1_epi32(i32::from_le_bytes(*bits));
    let bits = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), each);
    _mm256_and_si256(query, _mm256_cmpeq_epi8(bits, each))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_pairs(bytes: Vector, sums: Vector) -> Vector {
    _mm256_add_epi16(sums, _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn widen(words: Vector, sums: Vector) -> Vector {
    _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn fold(sums: Vector) -> i32 {
    let [sum] = fold_each([sums]);
    sum
}
