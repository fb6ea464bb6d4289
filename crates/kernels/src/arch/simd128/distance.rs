//! Distances of `f32` vectors.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, f32x4_sub, v128,
};

pub(super) type Vector = v128;
pub(super) const LANES: usize = 4;

distances!(features: "simd128", rows: 1);

#[target_feature(enable = "simd128")]
#[inline]
fn zero() -> Vector {
    f32x4_splat(0.0)
}

/// Becomes one `v128.load`.
#[target_feature(enable = "simd128")]
#[inline]
pub(super) fn load(&[a, b, c, d]: &[f32; LANES]) -> Vector {
    f32x4(a, b, c, d)
}

#[target_feature(enable = "simd128")]
#[inline]
fn load_part(values: &[f32]) -> Vector {
    let mut padded = [0.0; LANES];
    padded[..values.len()].copy_from_slice(values);
    load(&padded)
}

#[target_feature(enable = "simd128")]
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    f32x4_add(a, b)
}

#[target_feature(enable = "simd128")]
#[inline]
pub(super) fn subtract(a: Vector, b: Vector) -> Vector {
    f32x4_sub(a, b)
}

#[target_feature(enable = "simd128")]
#[inline]
fn multiply_add(a: Vector, b: Vector, sum: Vector) -> Vector {
    f32x4_add(f32x4_mul(a, b), sum)
}

#[target_feature(enable = "simd128")]
#[inline]
fn fold(sums: Vector) -> f32 {
    let low = f32x4_extract_lane::<0>(sums) + f32x4_extract_lane::<2>(sums);
    let high = f32x4_extract_lane::<1>(sums) + f32x4_extract_lane::<3>(sums);
    low + high
}
