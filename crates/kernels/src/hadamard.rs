//! The fast Walsh-Hadamard transform.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use crate::dispatch::{Leaf, active};

/// The longest transform.
pub const MAX_HADAMARD: usize = 16_384;

/// Multiplies `values` in place by the Hadamard matrix of its size, in natural (Sylvester) order and
/// unnormalised: twice is the identity times `values.len()`.
///
/// The stages pair elements 1, 2, 4, ... apart, in this order, each pair `(a, b)` becoming
/// `(a + b, a - b)`. Nothing is multiplied, so the bits are the same on every machine (the payload of a
/// NaN aside). `O(n log n)` additions, no allocation.
///
/// # Panics
///
/// When the length is not a power of two in `1..=16_384`.
///
/// # Examples
///
/// ```
/// let mut values = [1.0, 2.0, 3.0, 4.0];
/// quartz_kernels::hadamard(&mut values);
/// assert_eq!(values, [10.0, -2.0, -4.0, 0.0]);
/// ```
#[inline]
pub fn hadamard(values: &mut [f32]) {
    active().hadamard(values);
}

pub(crate) type Hadamard = unsafe fn(&mut [f32]);

impl Leaf {
    /// See [`crate::hadamard`].
    #[inline]
    pub fn hadamard(&self, values: &mut [f32]) {
        assert!(
            values.len().is_power_of_two() && values.len() <= MAX_HADAMARD,
            "the transform needs a power of two up to {MAX_HADAMARD}, not {}",
            values.len()
        );
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.hadamard)(values) }
    }
}
