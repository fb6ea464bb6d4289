//! Exact products of bytes: widening multiplications, added in pairs.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::wasm32::{
    i16x8_extmul_high_i8x16, i16x8_extmul_low_i8x16, i32x4_add, i32x4_extadd_pairwise_i16x8,
    i32x4_extract_lane, i32x4_splat, v128, v128_load,
};

type Vector = v128;
const LANES: usize = 16;

bytes!(features: "simd128");

#[target_feature(enable = "simd128")]
#[inline]
fn zero() -> Vector {
    i32x4_splat(0)
}

#[target_feature(enable = "simd128")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { v128_load(values.as_ptr().cast()) }
}

#[target_feature(enable = "simd128")]
#[inline]
fn load_part(values: &[i8]) -> Vector {
    let mut padded = [0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

/// A product is 2¹⁴ at most and fits 16 bits, that of -128 with itself included.
#[target_feature(enable = "simd128")]
#[inline]
fn multiply_add(query: Vector, row: Vector, sum: Vector) -> Vector {
    let low = i32x4_extadd_pairwise_i16x8(i16x8_extmul_low_i8x16(query, row));
    let high = i32x4_extadd_pairwise_i16x8(i16x8_extmul_high_i8x16(query, row));
    i32x4_add(sum, i32x4_add(low, high))
}

#[inline]
fn surplus(_: &[i8]) -> i32 {
    0
}

#[target_feature(enable = "simd128")]
#[inline]
fn fold(sum: Vector) -> i32 {
    let low = i32x4_extract_lane::<0>(sum) + i32x4_extract_lane::<1>(sum);
    low + (i32x4_extract_lane::<2>(sum) + i32x4_extract_lane::<3>(sum))
}
