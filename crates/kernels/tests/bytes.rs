//! Exact products of bytes at every length and alignment, and quantisation.

use proptest::prelude::*;
use quartz_kernels::{
    dot_i8, leaves, portable_dot, portable_squared_euclidean, quantise_i8, scalar,
};

/// The definition, wide enough for anything.
fn product(a: &[i8], b: &[i8]) -> i64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| i64::from(a) * i64::from(b))
        .sum()
}

/// A query and its rows, row major: up to 300 dimensions, up to 12 rows.
fn matrix() -> impl Strategy<Value = (Vec<i8>, Vec<i8>)> {
    let value = prop_oneof![4 => any::<i8>(), 1 => Just(-128), 1 => Just(127), 1 => Just(0)];
    (1..300_usize, 0..12_usize).prop_flat_map(move |(dimension, count)| {
        (
            prop::collection::vec(value.clone(), dimension),
            prop::collection::vec(value.clone(), dimension * count),
        )
    })
}

proptest! {
    #[test]
    fn every_leaf_is_exact((query, rows) in matrix()) {
        for row in rows.chunks(query.len()) {
            let expected = product(&query, row);
            // Between other bytes, at an odd address.
            let apart = [&[77], row, &[77]].concat();
            for leaf in leaves() {
                for row in [row, &apart[1..=query.len()]] {
                    prop_assert_eq!(i64::from(leaf.dot_i8(&query, row)), expected, "{}", leaf.level());
                    prop_assert_eq!(i64::from(leaf.dot_i8(row, &query)), expected, "{}", leaf.level());
                }
            }
        }
    }

    #[test]
    fn quantised_values_are_near(
        values in prop::collection::vec(prop_oneof![-1.0_f32..1.0, Just(0.0)], 0..200),
        power in -140..120_i32,
    ) {
        let values: Vec<f32> = values.iter().map(|value| value * 2_f32.powi(power)).collect();
        let mut codes = vec![99; values.len()];
        let scale = quantise_i8(&values, &mut codes);
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        prop_assert_eq!(scale, largest / 127.0);
        for (&value, &code) in values.iter().zip(&codes) {
            prop_assert!(code >= -127);
            if scale == 0.0 {
                prop_assert_eq!(code, 0);
            } else {
                let rounded = (value / scale).round_ties_even().clamp(-127.0, 127.0);
                prop_assert_eq!(f32::from(code), rounded);
            }
        }
    }
}

#[test]
fn the_longest_products_do_not_overflow() {
    for length in [16_384, (1 << 17) - 1] {
        for (a, b) in [(-128, -128), (-128, 127), (127, 127)] {
            let (a, b) = (vec![a; length], vec![b; length]);
            for leaf in leaves() {
                assert_eq!(i64::from(leaf.dot_i8(&a, &b)), product(&a, &b));
            }
        }
    }
}

#[test]
fn nothing_is_zero() {
    for leaf in leaves() {
        assert_eq!(leaf.dot_i8(&[], &[]), 0);
    }
    assert_eq!(quantise_i8(&[], &mut []), 0.0);
}

#[test]
fn ties_go_to_even() {
    let mut codes = [0; 6];
    assert_eq!(
        quantise_i8(&[127.0, 0.5, 1.5, 2.5, -0.5, -1.5], &mut codes),
        1.0
    );
    assert_eq!(codes, [127, 0, 2, 2, 0, -2]);
}

#[test]
fn the_smallest_numbers_have_codes() {
    let smallest = f32::from_bits(1);
    let mut codes = [1; 2];
    assert_eq!(quantise_i8(&[smallest, 0.0], &mut codes), 0.0);
    assert_eq!(codes, [0, 0]);
    let scale = quantise_i8(&[smallest * 190.0, -smallest * 190.0], &mut codes);
    assert_eq!((scale, codes), (smallest, [127, -127]));
    assert_eq!(
        quantise_i8(&[f32::MAX, f32::MIN], &mut codes),
        f32::MAX / 127.0
    );
    assert_eq!(codes, [127, -127]);
}

#[test]
fn portable_distances_are_those_of_the_reference() {
    let (a, b) = ([0.1, 0.2, 0.3], [0.4, -0.5, 0.6]);
    assert_eq!(portable_dot(&a, &b), scalar::dot(&a, &b));
    assert_eq!(
        portable_squared_euclidean(&a, &b),
        scalar::squared_euclidean(&a, &b)
    );
}

#[test]
#[should_panic(expected = "vectors of different dimensions")]
fn dimensions_must_match() {
    dot_i8(&[1, 2], &[1]);
}

#[test]
#[should_panic(expected = "a sum of products may overflow")]
fn longer_ones_are_refused() {
    let vector = vec![0; 1 << 17];
    dot_i8(&vector, &vector);
}
