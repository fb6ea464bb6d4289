//! Signs of vectors apart from each other: packing, and products with a vector of bytes.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use crate::codes::DIMENSIONS;
use crate::dispatch::{Leaf, active};

/// Writes the signs of `values`: component `8i + b` at bit `b` of byte `i`, 1 for `>= 0`.
///
/// # Panics
///
/// When `signs` is not an eighth of the length of `values`, or that is no multiple of 64.
///
/// # Examples
///
/// ```
/// let mut signs = [0; 8];
/// quartz_kernels::pack_signs(&[[1, -1, 0, -1], [-3; 4]].concat().repeat(8), &mut signs);
/// assert_eq!(signs, [0b0101; 8]);
/// ```
pub fn pack_signs(values: &[i8], signs: &mut [u8]) {
    check(values, signs);
    for (byte, values) in signs.iter_mut().zip(values.as_chunks::<8>().0) {
        *byte = 0;
        for (b, value) in values.iter().enumerate() {
            *byte |= u8::from(*value >= 0) << b;
        }
    }
}

/// Writes `Σ ±query[i]` of each row to `out`, its [packed](pack_signs) signs being the signs: exact whole numbers.
/// For rows scattered in memory: while one is read, later ones are asked for.
///
/// Where few of many codes are wanted, this reads an eighth of a byte a component of those alone, and
/// [`codes::bounds`](fn@crate::codes::bounds) whole blocks.
///
/// # Panics
///
/// When `rows` and `out` differ in length, a row is not an eighth of the query's length, or that is no multiple of 64
/// or is 2¹⁷ or more.
///
/// # Examples
///
/// ```
/// let query: Vec<i8> = (0..64).collect();
/// let (all, none) = ([0xff; 8], [0; 8]);
/// let mut products = [0; 2];
/// quartz_kernels::dot_signs_gather(&query, &[&all, &none], &mut products);
/// assert_eq!(products, [2016, -2016]);
/// ```
#[inline]
pub fn dot_signs_gather(query: &[i8], rows: &[&[u8]], out: &mut [i32]) {
    active().dot_signs_gather(query, rows, out);
}

/// The kernel of a leaf: `query`, its sum, the rows, the products.
pub(crate) type Signs = unsafe fn(&[i8], i32, &[&[u8]], &mut [i32]);

impl Leaf {
    /// See [`crate::dot_signs_gather`].
    #[inline]
    pub fn dot_signs_gather(&self, query: &[i8], rows: &[&[u8]], out: &mut [i32]) {
        assert_eq!(rows.len(), out.len(), "a product for each row");
        for row in rows {
            check(query, row);
        }
        assert!(query.len() < 1 << 17, "a sum of products may overflow");
        let sum = query.iter().map(|&value| i32::from(value)).sum();
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.signs)(query, sum, rows, out) }
    }
}

#[inline]
#[track_caller]
fn check(values: &[i8], signs: &[u8]) {
    assert!(
        values.len().is_multiple_of(DIMENSIONS) && signs.len() == values.len() / 8,
        "signs take an eighth of a multiple of {DIMENSIONS} values"
    );
}
