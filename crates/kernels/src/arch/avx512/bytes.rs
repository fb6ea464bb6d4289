//! Exact products of bytes by VNNI: 64 in an instruction, which takes the row unsigned.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi8,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

type Vector = __m512i;
const LANES: usize = 64;

bytes!(features: "avx512f,avx512bw,avx512vnni");

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn load_part(values: &[i8]) -> Vector {
    debug_assert!((1..=LANES).contains(&values.len()));
    let mask = u64::MAX >> (LANES - values.len());
    // SAFETY: the mask has `values.len()` low bits set; lanes outside it are not read.
    unsafe { _mm512_maskz_loadu_epi8(mask, values.as_ptr()) }
}

/// Flipping the top bit adds 128 and makes it unsigned.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn multiply_add(query: Vector, row: Vector, sum: Vector) -> Vector {
    let row = _mm512_xor_si512(row, _mm512_set1_epi8(i8::MIN));
    _mm512_dpbusd_epi32(sum, row, query)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn surplus(query: &[i8]) -> i32 {
    let ones = _mm512_set1_epi8(1);
    let (vectors, rest) = query.as_chunks::<LANES>();
    let mut sum = zero();
    for vector in vectors {
        sum = _mm512_dpbusd_epi32(sum, ones, load(vector));
    }
    if !rest.is_empty() {
        sum = _mm512_dpbusd_epi32(sum, ones, load_part(rest));
    }
    128 * fold(sum)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn fold(sum: Vector) -> i32 {
    _mm512_reduce_add_epi32(sum)
}
