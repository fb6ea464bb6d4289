//! Scanning of one-bit codes: one pattern in a register.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use std::arch::wasm32::{
    f32x4_gt, f32x4_splat, i8x16_swizzle, i16x8_add, i16x8_shl, i16x8_shuffle, i16x8_sub,
    i32x4_bitmask, u8x16_shr, u8x16_splat, u16x8_shr, u16x8_splat, v128, v128_and, v128_load,
    v128_store,
};

use crate::codes::BLOCK;

type Vector = v128;
const WIDTH: usize = 16;

codes!(features: "simd128");
push_above!(features: "simd128");

#[target_feature(enable = "simd128")]
#[inline]
fn zero() -> Vector {
    u16x8_splat(0)
}

#[target_feature(enable = "simd128")]
#[inline]
fn load(bytes: &[u8; WIDTH]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { v128_load(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "simd128")]
#[inline]
fn low(codes: Vector) -> Vector {
    v128_and(codes, u8x16_splat(0xf))
}

#[target_feature(enable = "simd128")]
#[inline]
fn high(codes: Vector) -> Vector {
    u8x16_shr(codes, 4)
}

#[target_feature(enable = "simd128")]
#[inline]
fn look_up(table: Vector, nibbles: Vector) -> Vector {
    i8x16_swizzle(table, nibbles)
}

/// Into the first sum goes the whole word, the odd byte 256 times, modulo 2¹⁶; into the second the odd
/// byte. The even ones are the difference, found once at the end.
#[target_feature(enable = "simd128")]
#[inline]
fn accumulate(bytes: Vector, [words, odd]: [Vector; 2]) -> [Vector; 2] {
    [i16x8_add(words, bytes), i16x8_add(odd, u16x8_shr(bytes, 8))]
}

#[target_feature(enable = "simd128")]
#[inline]
fn fold(low: [Vector; 2], high: [Vector; 2]) -> [u16; BLOCK] {
    let mut codes = [0; BLOCK];
    let (halves, _) = codes.as_chunks_mut::<16>();
    for (half, [words, odd]) in halves.iter_mut().zip([low, high]) {
        let even = i16x8_sub(words, i16x8_shl(odd, 8));
        let first = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd);
        let last = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd);
        let (parts, _) = half.as_chunks_mut::<8>();
        for (part, sums) in parts.iter_mut().zip([first, last]) {
            // SAFETY: the array is one register long, and the store needs no alignment.
            unsafe { v128_store(part.as_mut_ptr().cast(), sums) };
        }
    }
    codes
}

#[target_feature(enable = "simd128")]
#[inline]
fn above_mask(values: &[f32; BLOCK], threshold: f32) -> u32 {
    let threshold = f32x4_splat(threshold);
    let (parts, _) = values.as_chunks::<4>();
    let mut mask = 0;
    for (i, part) in parts.iter().enumerate() {
        // SAFETY: the array is one register long, and the load needs no alignment.
        let part = unsafe { v128_load(part.as_ptr().cast()) };
        mask |= u32::from(i32x4_bitmask(f32x4_gt(part, threshold))) << (4 * i);
    }
    mask
}
