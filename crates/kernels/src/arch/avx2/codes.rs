//! Scanning of one-bit codes: two patterns in a register.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m256i, _CMP_GT_OQ, _mm256_add_epi16, _mm256_and_si256, _mm256_cmp_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_movemask_ps, _mm256_permute2x128_si256, _mm256_set1_epi8,
    _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_unpackhi_epi16,
    _mm256_unpacklo_epi16,
};

use crate::codes::BLOCK;

type Vector = __m256i;
const WIDTH: usize = 32;

codes!(features: "avx2,fma");
push_above!(features: "avx2,fma");

#[target_feature(enable = "avx2,fma")]
#[inline]
fn zero() -> Vector {
    _mm256_setzero_si256()
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load(bytes: &[u8; WIDTH]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn low(codes: Vector) -> Vector {
    _mm256_and_si256(codes, _mm256_set1_epi8(0xf))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn high(codes: Vector) -> Vector {
    low(_mm256_srli_epi16::<4>(codes))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn look_up(table: Vector, nibbles: Vector) -> Vector {
    _mm256_shuffle_epi8(table, nibbles)
}

/// Into the first sum goes the whole word, the odd byte 256 times, modulo 2¹⁶; into the second the odd
/// byte. The even ones are the difference, found once at the end.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn accumulate(bytes: Vector, [words, odd]: [Vector; 2]) -> [Vector; 2] {
    [
        _mm256_add_epi16(words, bytes),
        _mm256_add_epi16(odd, _mm256_srli_epi16::<8>(bytes)),
    ]
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn fold(low: [Vector; 2], high: [Vector; 2]) -> [u16; BLOCK] {
    let mut codes = [0; BLOCK];
    let (halves, _) = codes.as_chunks_mut::<16>();
    for (half, sums) in halves.iter_mut().zip([low, high]) {
        // SAFETY: the array is one register long, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), add_lanes(sums)) };
    }
    codes
}

/// Two lanes of sums of 16 codes become one register of 16 codes.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_lanes([words, odd]: [Vector; 2]) -> Vector {
    let even = _mm256_sub_epi16(words, _mm256_slli_epi16::<8>(odd));
    let first = _mm256_unpacklo_epi16(even, odd);
    let last = _mm256_unpackhi_epi16(even, odd);
    _mm256_add_epi16(
        _mm256_permute2x128_si256::<0x20>(first, last),
        _mm256_permute2x128_si256::<0x31>(first, last),
    )
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn above_mask(values: &[f32; BLOCK], threshold: f32) -> u32 {
    let threshold = _mm256_set1_ps(threshold);
    let (parts, _) = values.as_chunks::<8>();
    let mut mask = 0;
    for (i, part) in parts.iter().enumerate() {
        // SAFETY: the array is one register long, and the load needs no alignment.
        let part = unsafe { _mm256_loadu_ps(part.as_ptr()) };
        let above = _mm256_cmp_ps::<_CMP_GT_OQ>(part, threshold);
        mask |= _mm256_movemask_ps(above).cast_unsigned() << (8 * i);
    }
    mask
}
