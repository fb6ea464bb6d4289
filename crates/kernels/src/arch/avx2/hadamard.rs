//! The fast Walsh-Hadamard transform.

#![expect(unsafe_code, reason = "stores through pointers")]

use std::arch::x86_64::{
    _mm256_blend_ps, _mm256_permute_ps, _mm256_permute2f128_ps, _mm256_storeu_ps,
};

use super::distance::{LANES, Vector, add, load, subtract};

hadamard!(features: "avx2,fma");

#[target_feature(enable = "avx2,fma")]
#[inline]
fn store(values: &mut [f32; LANES], vector: Vector) {
    // SAFETY: the array is one register long, and the store needs no alignment.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn within(v: Vector) -> Vector {
    let v = pair::<0xaa>(v, _mm256_permute_ps::<0b10_11_00_01>(v));
    let v = pair::<0xcc>(v, _mm256_permute_ps::<0b01_00_11_10>(v));
    pair::<0xf0>(v, _mm256_permute2f128_ps::<1>(v, v))
}

/// The sum of the two, and in the lanes of `SECOND` the partner minus the value.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn pair<const SECOND: i32>(values: Vector, partners: Vector) -> Vector {
    _mm256_blend_ps::<SECOND>(add(values, partners), subtract(partners, values))
}
