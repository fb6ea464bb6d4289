//! Products of vectors of bytes.

use crate::bytes::Bytes;

pub(crate) const KERNELS: Bytes = Bytes { dot, rows, gather };

/// See [`crate::dot_i8`].
pub(crate) fn dot(a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
    products.sum()
}

fn rows(query: &[i8], rows: &[i8], out: &mut [i32]) {
    if query.is_empty() {
        return out.fill(0);
    }
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = dot(query, row);
    }
}

fn gather(query: &[i8], rows: &[&[i8]], out: &mut [i32]) {
    for (row, out) in rows.iter().zip(out) {
        *out = dot(query, row);
    }
}
