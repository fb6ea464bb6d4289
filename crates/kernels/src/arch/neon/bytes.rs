//! Exact products of bytes: widening multiplications, added in pairs.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vaddvq_s32, vdupq_n_s32, vget_low_s8, vld1q_s8, vmull_high_s8, vmull_s8,
    vpadalq_s16,
};

type Vector = int8x16_t;
type Sum = int32x4_t;
const LANES: usize = 16;

bytes!(features: "neon");

#[target_feature(enable = "neon")]
#[inline]
fn zero() -> Sum {
    vdupq_n_s32(0)
}

#[target_feature(enable = "neon")]
#[inline]
fn load(values: &[i8; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { vld1q_s8(values.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
fn load_part(values: &[i8]) -> Vector {
    let mut padded = [0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

/// A product is 2¹⁴ at most and fits 16 bits, that of -128 with itself included.
#[target_feature(enable = "neon")]
#[inline]
fn multiply_add(query: Vector, row: Vector, sum: Sum) -> Sum {
    let sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(query), vget_low_s8(row)));
    vpadalq_s16(sum, vmull_high_s8(query, row))
}

#[inline]
fn surplus(_: &[i8]) -> i32 {
    0
}

#[target_feature(enable = "neon")]
#[inline]
fn fold(sum: Sum) -> i32 {
    vaddvq_s32(sum)
}
