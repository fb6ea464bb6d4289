//! Products of vectors of bytes.

/// See [`crate::dot_i8`].
pub(crate) fn dot(a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
    products.sum()
}
