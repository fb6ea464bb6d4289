//! The fast Walsh-Hadamard transform.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use std::arch::aarch64::{vbslq_f32, vextq_f32, vld1q_u32, vrev64q_f32, vst1q_f32};

use super::distance::{LANES, Vector, add, load, subtract};

hadamard!(features: "neon");

#[target_feature(enable = "neon")]
#[inline]
fn store(values: &mut [f32; LANES], vector: Vector) {
    // SAFETY: the array is one register long, and the store needs no alignment beyond that of `f32`.
    unsafe { vst1q_f32(values.as_mut_ptr(), vector) }
}

#[target_feature(enable = "neon")]
#[inline]
fn within(v: Vector) -> Vector {
    let v = pair(v, vrev64q_f32(v), &[0, u32::MAX, 0, u32::MAX]);
    pair(v, vextq_f32::<2>(v, v), &[0, 0, u32::MAX, u32::MAX])
}

/// The sum of the two, and where `second` is set the partner minus the value.
#[target_feature(enable = "neon")]
#[inline]
fn pair(values: Vector, partners: Vector, second: &[u32; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment beyond that of `u32`.
    let second = unsafe { vld1q_u32(second.as_ptr()) };
    vbslq_f32(second, subtract(partners, values), add(values, partners))
}
