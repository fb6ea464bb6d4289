//! Reading ahead on the caller's word.

use crate::arch::prefetch::{LINE, into_first_level};

/// Asks the processor for `values`, which are to be read soon but not yet: a cluster that is scanned
/// after the present one, for instance.
///
/// Processors foresee sequential reads only, and only within a page of memory. A hint: it changes no
/// result, and does nothing where there is no such instruction (WebAssembly). One instruction for every
/// 64 bytes; of what does not fit the first-level cache with what is in use, the hint is wasted.
///
/// # Examples
///
/// ```
/// let clusters = [vec![1.0; 384], vec![2.0; 384]];
/// let mut sum = 0.0;
/// for (i, cluster) in clusters.iter().enumerate() {
///     if let Some(next) = clusters.get(i + 1) {
///         quartz_kernels::prefetch(next);
///     }
///     sum += cluster.iter().sum::<f32>();
/// }
/// assert_eq!(sum, 1152.0);
/// ```
#[inline]
pub fn prefetch<T>(values: &[T]) {
    let first = values.as_ptr().cast::<u8>();
    for line in 0..size_of_val(values).div_ceil(LINE) {
        into_first_level(first.wrapping_add(line * LINE));
    }
}

/// [`prefetch`] of a value that is not to be touched yet, not even to see whether it is still there: a hint
/// cannot fault, whatever the address.
#[inline]
pub fn prefetch_value<T>(value: *const T) {
    let first = value.cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        into_first_level(first.wrapping_add(line * LINE));
    }
}
