//! The fast Walsh-Hadamard transform.

use std::arch::wasm32::{f32x4_extract_lane, i32x4_shuffle};

use super::distance::{LANES, Vector, add, load, subtract};

hadamard!(features: "simd128");

/// Becomes one `v128.store`.
#[target_feature(enable = "simd128")]
#[inline]
fn store(values: &mut [f32; LANES], vector: Vector) {
    *values = [
        f32x4_extract_lane::<0>(vector),
        f32x4_extract_lane::<1>(vector),
        f32x4_extract_lane::<2>(vector),
        f32x4_extract_lane::<3>(vector),
    ];
}

#[target_feature(enable = "simd128")]
#[inline]
fn within(v: Vector) -> Vector {
    let partners = i32x4_shuffle::<1, 0, 3, 2>(v, v);
    let v = i32x4_shuffle::<0, 5, 2, 7>(add(v, partners), subtract(partners, v));
    let partners = i32x4_shuffle::<2, 3, 0, 1>(v, v);
    i32x4_shuffle::<0, 1, 6, 7>(add(v, partners), subtract(partners, v))
}
