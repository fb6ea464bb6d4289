//! Scanning of one-bit codes: one pattern in a register.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use std::arch::aarch64::{
    uint8x16_t, uint16x8_t, vaddw_high_u8, vaddw_u8, vandq_u8, vcgtq_f32, vdupq_n_f32, vdupq_n_u8,
    vdupq_n_u16, vget_low_u8, vld1q_f32, vld1q_u8, vmaxvq_u32, vqtbl1q_u8, vshrq_n_u8, vst1q_u16,
};

use crate::codes::BLOCK;

type Vector = uint8x16_t;
type Sums = uint16x8_t;
const WIDTH: usize = 16;

codes!(features: "neon");
push_above!(features: "neon");

#[target_feature(enable = "neon")]
#[inline]
fn zero() -> Sums {
    vdupq_n_u16(0)
}

#[target_feature(enable = "neon")]
#[inline]
fn load(bytes: &[u8; WIDTH]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
fn low(codes: Vector) -> Vector {
    vandq_u8(codes, vdupq_n_u8(0xf))
}

#[target_feature(enable = "neon")]
#[inline]
fn high(codes: Vector) -> Vector {
    vshrq_n_u8::<4>(codes)
}

#[target_feature(enable = "neon")]
#[inline]
fn look_up(table: Vector, nibbles: Vector) -> Vector {
    vqtbl1q_u8(table, nibbles)
}

/// The first eight bytes into the first sum, the others into the second.
#[target_feature(enable = "neon")]
#[inline]
fn accumulate(bytes: Vector, [first, last]: [Sums; 2]) -> [Sums; 2] {
    [
        vaddw_u8(first, vget_low_u8(bytes)),
        vaddw_high_u8(last, bytes),
    ]
}

#[target_feature(enable = "neon")]
#[inline]
fn fold(low: [Sums; 2], high: [Sums; 2]) -> [u16; BLOCK] {
    let mut codes = [0; BLOCK];
    let (parts, _) = codes.as_chunks_mut::<8>();
    for (part, sums) in parts.iter_mut().zip([low[0], low[1], high[0], high[1]]) {
        // SAFETY: the array is one register long, and the store needs no alignment beyond that of `u16`.
        unsafe { vst1q_u16(part.as_mut_ptr(), sums) };
    }
    codes
}

/// There is no instruction for the mask: it is made of the few parts that need one.
#[target_feature(enable = "neon")]
#[inline]
fn above_mask(values: &[f32; BLOCK], threshold: f32) -> u32 {
    let (parts, _) = values.as_chunks::<4>();
    let mut mask = 0;
    for (i, part) in parts.iter().enumerate() {
        // SAFETY: the array is one register long, and the load needs no alignment beyond that of `f32`.
        let values = unsafe { vld1q_f32(part.as_ptr()) };
        if vmaxvq_u32(vcgtq_f32(values, vdupq_n_f32(threshold))) != 0 {
            for (lane, &value) in part.iter().enumerate() {
                mask |= u32::from(value > threshold) << (4 * i + lane);
            }
        }
    }
    mask
}
