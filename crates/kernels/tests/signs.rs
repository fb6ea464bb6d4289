//! Products with signs at every dimension and alignment.

use proptest::prelude::*;
use quartz_kernels::{dot_signs_gather, leaves, pack_signs};

/// The definition.
fn product(query: &[i8], row: &[i8]) -> i32 {
    let signed = query.iter().zip(row).map(|(&value, &sign)| {
        let value = i32::from(value);
        if sign >= 0 { value } else { -value }
    });
    signed.sum()
}

fn packed(row: &[i8]) -> Vec<u8> {
    let mut signs = vec![0xa5; row.len() / 8];
    pack_signs(row, &mut signs);
    signs
}

/// A query and rows of signs: dimensions to 640, and some for which sums of 16 bits are too small.
fn matrix() -> impl Strategy<Value = (Vec<i8>, Vec<Vec<i8>>)> {
    let value = prop_oneof![4 => any::<i8>(), 1 => Just(-128), 1 => Just(127), 1 => Just(0)];
    let dimension = prop_oneof![9 => 1..=10_usize, 1 => 120..140_usize].prop_map(|n| 64 * n);
    (dimension, 0..10_usize).prop_flat_map(move |(dimension, count)| {
        let vector = prop::collection::vec(value.clone(), dimension);
        (vector.clone(), prop::collection::vec(vector, count))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_leaf_is_exact((query, rows) in matrix()) {
        let expected: Vec<i32> = rows.iter().map(|row| product(&query, row)).collect();
        // At odd addresses.
        let apart: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| [&[77], &packed(row)[..], &[77]].concat())
            .collect();
        let apart: Vec<&[u8]> = apart.iter().map(|row| &row[1..row.len() - 1]).collect();
        for leaf in leaves() {
            let mut out = vec![i32::MIN; rows.len()];
            leaf.dot_signs_gather(&query, &apart, &mut out);
            prop_assert_eq!(&out, &expected, "{}", leaf.level());
        }
    }
}

#[test]
fn the_longest_products_do_not_overflow() {
    for dimension in [4_096, 8_192, 8_256, (1 << 17) - 64] {
        for (value, sign) in [(-128, -128), (-128, 127), (127, -128), (127, 127)] {
            let (query, row) = (vec![value; dimension], vec![sign; dimension]);
            let signs = packed(&row);
            for leaf in leaves() {
                let mut out = [0; 5];
                leaf.dot_signs_gather(&query, &[&signs[..]; 5], &mut out);
                assert_eq!(out, [product(&query, &row); 5], "{}", leaf.level());
            }
        }
    }
}

#[test]
#[should_panic(expected = "signs take an eighth")]
fn rows_must_be_an_eighth() {
    let row: &[u8] = &[0; 9];
    dot_signs_gather(&[0; 64], &[row], &mut [0]);
}

#[test]
#[should_panic(expected = "signs take an eighth")]
fn dimensions_must_be_whole() {
    pack_signs(&[0; 8], &mut [0]);
}

#[test]
#[should_panic(expected = "a product for each row")]
fn every_row_needs_a_product() {
    let row: &[u8] = &[0; 8];
    dot_signs_gather(&[0; 64], &[row; 2], &mut [0]);
}

#[test]
#[should_panic(expected = "a sum of products may overflow")]
fn longer_ones_are_refused() {
    dot_signs_gather(&vec![0; 1 << 17], &[], &mut []);
}
