//! Products of a vector of bytes with signs.

/// See [`crate::dot_signs_gather`]; the sum is not needed here.
pub(crate) fn gather(query: &[i8], _: i32, rows: &[&[u8]], out: &mut [i32]) {
    for (row, out) in rows.iter().zip(out) {
        let products = query.iter().enumerate().map(|(i, &value)| {
            let value = i32::from(value);
            if row[i / 8] >> (i % 8) & 1 == 1 {
                value
            } else {
                -value
            }
        });
        *out = products.sum();
    }
}
