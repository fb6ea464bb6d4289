//! Exact products of bytes by AVX-VNNI: 32 in an instruction, which takes the row unsigned.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m256i, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_xor_si256,
};

use super::bytes::{fold, zero};

type Vector = __m256i;
const LANES: usize = 32;

bytes!(features: "avx2,fma,avxvnni");

#[target_feature(enable = "avx2,fma,avxvnni")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,fma,avxvnni")]
#[inline]
fn load_part(values: &[i8]) -> Vector {
    let mut padded = [0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

/// Flipping the top bit adds 128 and makes it unsigned.
#[target_feature(enable = "avx2,fma,avxvnni")]
#[inline]
fn multiply_add(query: Vector, row: Vector, sum: Vector) -> Vector {
    let row = _mm256_xor_si256(row, _mm256_set1_epi8(i8::MIN));
    _mm256_dpbusd_avx_epi32(sum, row, query)
}

#[target_feature(enable = "avx2,fma,avxvnni")]
#[inline]
fn surplus(query: &[i8]) -> i32 {
    let ones = _mm256_set1_epi8(1);
    let (vectors, rest) = query.as_chunks::<LANES>();
    let mut sum = zero();
    for vector in vectors {
        sum = _mm256_dpbusd_avx_epi32(sum, ones, load(vector));
    }
    if !rest.is_empty() {
        sum = _mm256_dpbusd_avx_epi32(sum, ones, load_part(rest));
    }
    128 * fold(sum)
}
