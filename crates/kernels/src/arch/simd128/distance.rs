//! Distances of `f32` vectors, and of one to rows of halves.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, f32x4_sub, i32x4_add, i32x4_ge,
    i32x4_lt, i32x4_shl, u32x4_load_extend_u16x4, u32x4_splat, v128, v128_and, v128_bitselect,
    v128_or,
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

/// There is no instruction for it: the steps are those of the scalar reference.
#[target_feature(enable = "simd128")]
#[inline]
fn load_f16(values: &[u16; LANES]) -> Vector {
    const REBIAS: u32 = (127 - 15) << 23;
    const SMALLEST_NORMAL: u32 = 1 << 23;
    const INFINITY: u32 = 0x1F << 23;
    // SAFETY: the array is as long as what is read, and the load needs no alignment.
    let bits = unsafe { u32x4_load_extend_u16x4(values.as_ptr()) };
    let sign = i32x4_shl(v128_and(bits, u32x4_splat(0x8000)), 16);
    let magnitude = i32x4_shl(v128_and(bits, u32x4_splat(0x7FFF)), 13);
    let smallest = u32x4_splat(REBIAS + SMALLEST_NORMAL);
    let subnormal = f32x4_sub(i32x4_add(smallest, magnitude), smallest);
    let normal = i32x4_add(magnitude, u32x4_splat(REBIAS));
    let infinite = i32x4_ge(magnitude, u32x4_splat(INFINITY));
    let normal = i32x4_add(normal, v128_and(infinite, u32x4_splat(REBIAS)));
    let is_subnormal = i32x4_lt(magnitude, u32x4_splat(SMALLEST_NORMAL));
    v128_or(sign, v128_bitselect(subnormal, normal, is_subnormal))
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
