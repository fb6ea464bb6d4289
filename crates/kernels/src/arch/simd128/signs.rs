//! Products with signs: bits become bytes of ones and zeros.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::wasm32::{
    i8x16_eq, i8x16_swizzle, i16x8_add, i16x8_extadd_pairwise_i8x16, i16x8_splat, i32x4_add,
    i32x4_extadd_pairwise_i16x8, i32x4_extract_lane, u8x16, u64x2_splat, v128, v128_and, v128_load,
};

type Vector = v128;
const LANES: usize = 16;

signs!(features: "simd128");

#[target_feature(enable = "simd128")]
#[inline]
fn zero() -> Vector {
    i16x8_splat(0)
}

#[target_feature(enable = "simd128")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { v128_load(values.as_ptr().cast()) }
}

/// Each byte of bits goes to eight lanes, of which each looks at one bit.
#[target_feature(enable = "simd128")]
#[inline]
fn select(query: Vector, bits: &[u8; LANES / 8]) -> Vector {
    let spread = u8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    let each = u64x2_splat(0x8040_2010_0804_0201);
    let bits = i16x8_splat(i16::from_le_bytes(*bits));
    let bits = v128_and(i8x16_swizzle(bits, spread), each);
    v128_and(query, i8x16_eq(bits, each))
}

#[target_feature(enable = "simd128")]
#[inline]
fn add_pairs(bytes: Vector, sums: Vector) -> Vector {
    i16x8_add(sums, i16x8_extadd_pairwise_i8x16(bytes))
}

#[target_feature(enable = "simd128")]
#[inline]
fn widen(words: Vector, sums: Vector) -> Vector {
    i32x4_add(sums, i32x4_extadd_pairwise_i16x8(words))
}

#[target_feature(enable = "simd128")]
#[inline]
fn fold(sums: Vector) -> i32 {
    let low = i32x4_extract_lane::<0>(sums) + i32x4_extract_lane::<1>(sums);
    low + (i32x4_extract_lane::<2>(sums) + i32x4_extract_lane::<3>(sums))
}
