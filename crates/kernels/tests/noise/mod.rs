//! Reproducible test vectors.

use std::iter;

/// Values in -1..1 from a linear congruential generator.
pub(crate) fn noise(seed: usize, len: usize) -> Vec<f32> {
    let mut state = seed as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    iter::repeat_with(&mut next).skip(3).take(len).collect()
}
