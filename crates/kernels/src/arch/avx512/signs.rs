//! Products with signs: a row's bits are masks as they lie in memory.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi16, _mm512_add_epi32, _mm512_loadu_si512, _mm512_madd_epi16,
    _mm512_maddubs_epi16, _mm512_maskz_mov_epi8, _mm512_reduce_add_epi32, _mm512_set1_epi8,
    _mm512_set1_epi16, _mm512_setzero_si512,
};

type Vector = __m512i;
const LANES: usize = 64;

signs!(features: "avx512f,avx512bw");

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn select(query: Vector, bits: &[u8; LANES / 8]) -> Vector {
    _mm512_maskz_mov_epi8(u64::from_le_bytes(*bits), query)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add_pairs(bytes: Vector, sums: Vector) -> Vector {
    _mm512_add_epi16(sums, _mm512_maddubs_epi16(_mm512_set1_epi8(1), bytes))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn widen(words: Vector, sums: Vector) -> Vector {
    _mm512_add_epi32(sums, _mm512_madd_epi16(words, _mm512_set1_epi16(1)))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn fold(sums: Vector) -> i32 {
    _mm512_reduce_add_epi32(sums)
}
