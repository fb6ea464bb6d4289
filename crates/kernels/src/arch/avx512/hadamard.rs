//! The fast Walsh-Hadamard transform.

#![expect(unsafe_code, reason = "stores through pointers")]

use std::arch::x86_64::{
    _mm512_mask_sub_ps, _mm512_permute_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
};

use super::distance::{LANES, Vector, add, load, subtract};

hadamard!(features: "avx512f");

#[target_feature(enable = "avx512f")]
#[inline]
fn store(values: &mut [f32; LANES], vector: Vector) {
    // SAFETY: the array is one register long, and the store needs no alignment.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), vector) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn within(v: Vector) -> Vector {
    let v = pair(v, _mm512_permute_ps::<0b10_11_00_01>(v), 0xaaaa);
    let v = pair(v, _mm512_permute_ps::<0b01_00_11_10>(v), 0xcccc);
    let v = pair(v, _mm512_shuffle_f32x4::<0b10_11_00_01>(v, v), 0xf0f0);
    pair(v, _mm512_shuffle_f32x4::<0b01_00_11_10>(v, v), 0xff00)
}

/// The sum of the two, and in the lanes of `second` the partner minus the value.
#[target_feature(enable = "avx512f")]
#[inline]
fn pair(values: Vector, partners: Vector, second: u16) -> Vector {
    _mm512_mask_sub_ps(add(values, partners), second, partners, values)
}
