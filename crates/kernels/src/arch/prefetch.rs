//! Hints that a cache line will be read soon. They change nothing but time, whatever the address.

#[cfg(target_arch = "aarch64")]
use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

/// Bytes in a cache line, or in half of one on some machines.
pub(crate) const LINE: usize = 64;

/// Asks for the line of `place` in the first-level cache.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the intrinsic is unsafe outside of functions with SSE"
)]
#[inline(always)]
pub(crate) fn into_first_level<T>(place: *const T) {
    // SAFETY: every x86-64 processor has SSE, and the hint cannot fault.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
}

/// Asks for the line of `place` in the second-level cache.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the intrinsic is unsafe outside of functions with SSE"
)]
#[inline(always)]
pub(crate) fn into_second_level<T>(place: *const T) {
    // SAFETY: every x86-64 processor has SSE, and the hint cannot fault.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(place.cast()) }
}

/// Asks for the line of `place` in the first-level cache. The intrinsic is unstable.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "inline assembly")]
#[inline(always)]
pub(crate) fn into_first_level<T>(place: *const T) {
    // SAFETY: the hint cannot fault, and touches no register, flag or stack.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
}

/// Asks for the line of `place` in the second-level cache.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "inline assembly")]
#[inline(always)]
pub(crate) fn into_second_level<T>(place: *const T) {
    // SAFETY: the hint cannot fault, and touches no register, flag or stack.
    unsafe {
        asm!("prfm pldl2keep, [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
}

/// There is no such hint.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(crate) fn into_first_level<T>(_: *const T) {}

/// There is no such hint.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
pub(crate) fn into_second_level<T>(_: *const T) {}
