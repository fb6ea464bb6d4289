//! Distances of `f32` vectors, and of one to rows of halves.

#![expect(unsafe_code, reason = "loads through pointers")]

use std::arch::x86_64::{
    __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps,
    _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_loadu_si256,
    _mm512_add_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_cvtph_ps,
    _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps,
    _mm512_setzero_ps, _mm512_sub_ps,
};

pub(super) type Vector = __m512;
pub(super) const LANES: usize = 16;

distances!(features: "avx512f", rows: 4);

#[target_feature(enable = "avx512f")]
#[inline]
fn zero() -> Vector {
    _mm512_setzero_ps()
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn load(values: &[f32; LANES]) -> Vector {
    // SAFETY: the array is one register long, and the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_part(values: &[f32]) -> Vector {
    debug_assert!((1..=LANES).contains(&values.len()));
    let mask = u16::MAX >> (LANES - values.len());
    // SAFETY: the mask has `values.len()` low bits set; lanes outside it are not read.
    unsafe { _mm512_maskz_loadu_ps(mask, values.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_f16(values: &[u16; LANES]) -> Vector {
    // SAFETY: the array is as long as the register, and the load needs no alignment.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(values.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_ps(a, b)
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn subtract(a: Vector, b: Vector) -> Vector {
    _mm512_sub_ps(a, b)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn multiply_add(a: Vector, b: Vector, sum: Vector) -> Vector {
    _mm512_fmadd_ps(a, b, sum)
}

/// Written out, because `_mm512_reduce_add_ps` leaves the order to the compiler.
#[target_feature(enable = "avx512f")]
#[inline]
fn fold(sums: Vector) -> f32 {
    let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
    let sums = _mm256_add_ps(_mm512_castps512_ps256(sums), high);
    let sums = _mm_add_ps(
        _mm256_castps256_ps128(sums),
        _mm256_extractf128_ps::<1>(sums),
    );
    let sums = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
    _mm_cvtss_f32(_mm_add_ss(sums, _mm_movehdup_ps(sums)))
}
