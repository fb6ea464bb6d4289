//! Products with signs: bits become bytes of ones and zeros.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::aarch64::{
    int8x16_t, int16x8_t, vaddvq_s32, vandq_s8, vcombine_u8, vdup_n_u8, vdupq_n_s16, vdupq_n_u64,
    vld1q_s8, vpadalq_s8, vpadalq_s16, vreinterpretq_s8_u8, vreinterpretq_s16_s32,
    vreinterpretq_s32_s16, vreinterpretq_u8_u64, vtstq_u8,
};

const LANES: usize = 16;

signs!(features: "neon");

#[target_feature(enable = "neon")]
#[inline]
fn zero() -> int16x8_t {
    vdupq_n_s16(0)
}

#[target_feature(enable = "neon")]
#[inline]
fn load(values: &[i8; LANES]) -> int8x16_t {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { vld1q_s8(values.as_ptr()) }
}

/// Each byte of bits goes to eight lanes, of which each looks at one bit.
#[target_feature(enable = "neon")]
#[inline]
fn select(query: int8x16_t, bits: &[u8; LANES / 8]) -> int8x16_t {
    let each = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
    let bits = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
    vandq_s8(query, vreinterpretq_s8_u8(vtstq_u8(bits, each)))
}

#[target_feature(enable = "neon")]
#[inline]
fn add_pairs(bytes: int8x16_t, sums: int16x8_t) -> int16x8_t {
    vpadalq_s8(sums, bytes)
}

#[target_feature(enable = "neon")]
#[inline]
fn widen(words: int16x8_t, sums: int16x8_t) -> int16x8_t {
    vreinterpretq_s16_s32(vpadalq_s16(vreinterpretq_s32_s16(sums), words))
}

#[target_feature(enable = "neon")]
#[inline]
fn fold(sums: int16x8_t) -> i32 {
    vaddvq_s32(vreinterpretq_s32_s16(sums))
}
