//! Arbitrary vectors, of arbitrary scale: every leaf stays within rounding of the sum in `f64`.

use proptest::prelude::*;
use quartz_kernels::leaves;

/// A query and its rows, row major: up to 300 dimensions, up to 12 rows.
fn matrix() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let value = prop_oneof![8 => -1.0_f32..1.0, 1 => -1e15_f32..1e15, 1 => -1e-15_f32..1e-15, 1 => Just(0.0)];
    (1..300_usize, 0..12_usize).prop_flat_map(move |(dimension, count)| {
        (
            prop::collection::vec(value.clone(), dimension),
            prop::collection::vec(value.clone(), dimension * count),
        )
    })
}

/// Whether `score` is `terms` summed with one rounding per addition of the longest chain, and a few
/// for the term and the folding. Below the normal numbers a rounding is absolute, not relative.
fn is_near(score: f32, terms: impl Iterator<Item = f64> + Clone) -> bool {
    let magnitude: f64 = terms.clone().map(f64::abs).sum();
    let count = terms.clone().count() as f64;
    let relative = (count / 16.0 + 10.0) * f64::from(f32::EPSILON / 2.0) * magnitude;
    let absolute = count * f64::from(f32::MIN_POSITIVE);
    (f64::from(score) - terms.sum::<f64>()).abs() <= relative + absolute
}

proptest! {
    #[test]
    fn every_leaf_is_near((query, rows) in matrix()) {
        let count = rows.len() / query.len();
        for leaf in leaves() {
            let (mut dots, mut distances) = (vec![0.0; count], vec![0.0; count]);
            leaf.dot_rows(&query, &rows, &mut dots);
            leaf.squared_euclidean_rows(&query, &rows, &mut distances);
            for (i, row) in rows.chunks(query.len()).enumerate() {
                let wide = query.iter().zip(row).map(|(&q, &r)| (f64::from(q), f64::from(r)));
                prop_assert!(is_near(dots[i], wide.clone().map(|(q, r)| q * r)), "{}", leaf.level());
                let squares = wide.map(|(q, r)| (q - r) * (q - r));
                prop_assert!(is_near(distances[i], squares), "{}", leaf.level());
            }
        }
    }

    #[test]
    fn pairs_are_rows_and_symmetric((query, rows) in matrix()) {
        let count = rows.len() / query.len();
        for leaf in leaves() {
            let (mut dots, mut distances) = (vec![0.0; count], vec![0.0; count]);
            leaf.dot_rows(&query, &rows, &mut dots);
            leaf.squared_euclidean_rows(&query, &rows, &mut distances);
            for (i, row) in rows.chunks(query.len()).enumerate() {
                prop_assert_eq!(leaf.dot(&query, row).to_bits(), dots[i].to_bits());
                prop_assert_eq!(leaf.dot(row, &query).to_bits(), dots[i].to_bits());
                let distance = leaf.squared_euclidean(&query, row).to_bits();
                prop_assert_eq!(distance, distances[i].to_bits());
                prop_assert_eq!(leaf.squared_euclidean(row, &query).to_bits(), distance);
            }
        }
    }
}
