//! Distances of `f32` vectors, and of one to rows of halves.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::aarch64::{
    float32x4_t, vadd_f32, vaddq_f32, vcvt_f32_f16, vdupq_n_f32, vfmaq_f32, vget_high_f32,
    vget_lane_f32, vget_low_f32, vld1_u16, vld1q_f32, vreinterpret_f16_u16, vsubq_f32,
};

pub(super) type Vector = float32x4_t;
pub(super) const LANES: usize = 4;

distances!(features: "neon", rows: 4);

#[target_feature(enable = "neon")]
#[inline]
fn zero() -> Vector {
    vdupq_n_f32(0.0)
}

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn load(values: &[f32; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment beyond that of `f32`.
    unsafe { vld1q_f32(values.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
fn load_part(values: &[f32]) -> Vector {
    let mut padded = [0.0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

#[target_feature(enable = "neon")]
#[inline]
fn load_f16(values: &[u16; LANES]) -> Vector {
    // SAFETY: the array is as long as the register, and the load needs no alignment beyond that of `u16`.
    vcvt_f32_f16(vreinterpret_f16_u16(unsafe { vld1_u16(values.as_ptr()) }))
}

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    vaddq_f32(a, b)
}

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn subtract(a: Vector, b: Vector) -> Vector {
    vsubq_f32(a, b)
}

#[target_feature(enable = "neon")]
#[inline]
fn multiply_add(a: Vector, b: Vector, sum: Vector) -> Vector {
    vfmaq_f32(sum, a, b)
}

#[target_feature(enable = "neon")]
#[inline]
fn fold(sums: Vector) -> f32 {
    let sums = vadd_f32(vget_low_f32(sums), vget_high_f32(sums));
    vget_lane_f32::<0>(sums) + vget_lane_f32::<1>(sums)
}
