//! Scanning of one-bit codes: four patterns in a register.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m512i, _CMP_GT_OQ, _mm512_add_epi16, _mm512_add_epi32, _mm512_and_si512, _mm512_cmp_ps_mask,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_set_epi32,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_shuffle_i64x2, _mm512_slli_epi16, _mm512_srli_epi16, _mm512_storeu_si512,
    _mm512_sub_epi16, _mm512_unpackhi_epi16, _mm512_unpacklo_epi16,
};

use crate::codes::BLOCK;

type Vector = __m512i;
const WIDTH: usize = 64;

codes!(features: "avx512f,avx512bw");

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(bytes: &[u8; WIDTH]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn low(codes: Vector) -> Vector {
    _mm512_and_si512(codes, _mm512_set1_epi8(0xf))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn high(codes: Vector) -> Vector {
    low(_mm512_srli_epi16::<4>(codes))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn look_up(table: Vector, nibbles: Vector) -> Vector {
    _mm512_shuffle_epi8(table, nibbles)
}

/// Into the first sum goes the whole word, the odd byte 256 times, modulo 2¹⁶; into the second the odd
/// byte. The even ones are the difference, found once at the end.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn accumulate(bytes: Vector, [words, odd]: [Vector; 2]) -> [Vector; 2] {
    [
        _mm512_add_epi16(words, bytes),
        _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(bytes)),
    ]
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn fold(low: [Vector; 2], high: [Vector; 2]) -> [u16; BLOCK] {
    let (low, high) = (add_half_lanes(low), add_half_lanes(high));
    let sums = _mm512_add_epi16(
        _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high),
    );
    let mut codes = [0; BLOCK];
    // SAFETY: the array is one register long, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(codes.as_mut_ptr().cast(), sums) };
    codes
}

/// Four lanes of sums of 16 codes become two of codes 0 to 8 and two of codes 8 to 16.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add_half_lanes([words, odd]: [Vector; 2]) -> Vector {
    let even = _mm512_sub_epi16(words, _mm512_slli_epi16::<8>(odd));
    let first = _mm512_unpacklo_epi16(even, odd);
    let last = _mm512_unpackhi_epi16(even, odd);
    _mm512_add_epi16(
        _mm512_shuffle_i64x2::<0b01_00_01_00>(first, last),
        _mm512_shuffle_i64x2::<0b11_10_11_10>(first, last),
    )
}

/// Writes sixteen positions at a time and keeps those that count: no branch depends on the values.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn push_above(values: &[f32; BLOCK], threshold: f32, first: u32, positions: &mut Vec<u32>) {
    positions.reserve(BLOCK);
    let threshold = _mm512_set1_ps(threshold);
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let mut numbers = _mm512_add_epi32(_mm512_set1_epi32(first.cast_signed()), lanes);
    let mut length = positions.len();
    let (halves, _) = values.as_chunks::<16>();
    for half in halves {
        // SAFETY: the array is one register long, and the load needs no alignment.
        let half = unsafe { _mm512_loadu_ps(half.as_ptr()) };
        let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(half, threshold);
        let packed = _mm512_maskz_compress_epi32(above, numbers);
        // SAFETY: there is room for the 16 of this store behind what was there before and at most 16 others, and
        // the store needs no alignment.
        unsafe { _mm512_storeu_si512(positions.as_mut_ptr().add(length).cast(), packed) };
        length += above.count_ones() as usize;
        numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
    }
    // SAFETY: there is room for so many, and they are written.
    unsafe { positions.set_len(length) };
}
