//! Rows of halves, in every leaf this machine can run: the bits of the same rows in `f32`.

mod noise;

use noise::noise;
use proptest::prelude::*;
use quartz_kernels::{Leaf, f16_to_f32, leaves};

type Rows<T> = fn(&Leaf, &[f32], &[T], &mut [f32]);

/// Each kernel of halves beside the one that it must agree with.
const KERNELS: [(Rows<u16>, Rows<f32>); 2] = [
    (Leaf::dot_f16_rows, Leaf::dot_rows),
    (
        Leaf::squared_euclidean_f16_rows,
        Leaf::squared_euclidean_rows,
    ),
];

/// Whether the bits are those of a number: zeros and subnormals are, infinities and NaN are not.
fn is_finite(bits: u16) -> bool {
    bits & 0x7C00 != 0x7C00
}

fn widened(halves: &[u16]) -> Vec<f32> {
    let mut wide = vec![f32::NAN; halves.len()];
    f16_to_f32(halves, &mut wide);
    wide
}

fn bits(scores: &[f32]) -> Vec<u32> {
    scores.iter().map(|score| score.to_bits()).collect()
}

#[track_caller]
fn assert_same_bits(query: &[f32], rows: &[u16]) {
    let count = rows.len() / query.len();
    for leaf in leaves() {
        for (of_halves, of_floats) in KERNELS {
            let (mut halves, mut floats) = (vec![f32::NAN; count], vec![f32::NAN; count]);
            of_halves(leaf, query, rows, &mut halves);
            of_floats(leaf, query, &widened(rows), &mut floats);
            let (leaf, dimension) = (leaf.level(), query.len());
            assert_eq!(
                bits(&halves),
                bits(&floats),
                "{leaf} at {dimension} dimensions, {count} rows"
            );
        }
    }
}

/// Sign times significand times a power of two, as the standard defines it.
#[test]
fn every_half_is_widened_exactly() {
    for half in (0..=u16::MAX).filter(|&half| is_finite(half)) {
        let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
        let (exponent, fraction) = (i32::from(half >> 10 & 0x1F), f64::from(half & 0x3FF));
        let magnitude = if exponent == 0 {
            fraction * 2_f64.powi(-24)
        } else {
            (1024.0 + fraction) * 2_f64.powi(exponent - 25)
        };
        let wide = widened(&[half])[0];
        assert_eq!(f64::from(wide), sign * magnitude, "{half:#06x}");
        assert_eq!(wide.is_sign_negative(), half >> 15 == 1, "{half:#06x}");
    }
    let infinities = widened(&[0x7C00, 0xFC00]);
    assert_eq!(infinities, [f32::INFINITY, f32::NEG_INFINITY]);
    assert!(widened(&[0x7E00])[0].is_nan());
}

/// One row a half: a product with one is the half itself, so that each leaf widens each half exactly.
#[test]
fn every_leaf_widens_every_half() {
    let halves: Vec<u16> = (0..=u16::MAX).filter(|&half| is_finite(half)).collect();
    assert_same_bits(&[1.0], &halves);
    // The same in whole registers.
    for rows in halves.chunks(1024) {
        assert_same_bits(&noise(1, 64), rows);
    }
}

#[test]
fn infinities_and_nan_propagate() {
    for leaf in leaves() {
        for dimension in [1, 16, 77] {
            let query = vec![1.0; dimension];
            let mut rows = vec![0x3C00; dimension];
            for (bits, is_it) in [
                (0x7C00, f32::is_infinite as fn(f32) -> bool),
                (0xFC00, f32::is_infinite),
                (0x7E00, f32::is_nan),
            ] {
                rows[dimension - 1] = bits;
                for (of_halves, _) in KERNELS {
                    let mut score = [0.0];
                    of_halves(leaf, &query, &rows, &mut score);
                    assert!(is_it(score[0]), "{}: {bits:#06x}", leaf.level());
                }
            }
        }
    }
}

/// Through every tail of every stride, and all sizes of the last, incomplete block of rows.
#[test]
fn rows_of_halves_have_the_bits_of_rows_of_floats() {
    let sizes = [96, 127, 128, 129, 384, 1000, 1536, 16_383];
    let largest = if cfg!(miri) { 130 } else { usize::MAX };
    let dimensions = (1..=70).chain(sizes);
    for dimension in dimensions.filter(|&dimension| dimension <= largest) {
        let query = noise(dimension, dimension);
        for count in 0..=9 {
            let halves: Vec<u16> = noise(count, count * dimension)
                .into_iter()
                .map(|value| (value * 31_743.0).abs() as u16 | u16::from(value < 0.0) << 15)
                .collect();
            assert_same_bits(&query, &halves);
        }
    }
}

proptest! {
    #[test]
    fn any_halves_have_the_bits_of_floats(
        (query, rows) in (1..300_usize, 0..12_usize).prop_flat_map(|(dimension, count)| {
            let half = any::<u16>().prop_filter("a number", |&half| is_finite(half));
            (
                prop::collection::vec(-1e3_f32..1e3, dimension),
                prop::collection::vec(half, dimension * count),
            )
        })
    ) {
        assert_same_bits(&query, &rows);
    }
}

/// What follows the rows in memory is not read into a score.
#[test]
fn neighbours_are_not_read() {
    for dimension in 1..=70 {
        let mut room = vec![0x7E00; dimension + 32];
        room[16..16 + dimension].fill(0x3C00);
        for leaf in leaves() {
            let mut score = [0.0];
            let row = &room[16..16 + dimension];
            leaf.dot_f16_rows(&vec![1.0; dimension], row, &mut score);
            assert_eq!(score, [dimension as f32]);
        }
    }
}

#[test]
fn nothing_is_zero() {
    for leaf in leaves() {
        for (of_halves, _) in KERNELS {
            let mut scores = [f32::NAN; 5];
            of_halves(leaf, &[], &[], &mut scores);
            assert_eq!(scores, [0.0; 5]);
            of_halves(leaf, &[1.0], &[], &mut []);
        }
    }
}

#[test]
fn the_crate_uses_the_best_leaf() {
    let leaf = leaves().pop().unwrap();
    let query = noise(1, 77);
    let rows: Vec<u16> = (0..7 * 77).map(|number| number * 31).collect();
    let (mut ours, mut its) = ([0.0; 7], [0.0; 7]);
    quartz_kernels::dot_f16_rows(&query, &rows, &mut ours);
    leaf.dot_f16_rows(&query, &rows, &mut its);
    assert_eq!(ours, its);
    quartz_kernels::squared_euclidean_f16_rows(&query, &rows, &mut ours);
    leaf.squared_euclidean_f16_rows(&query, &rows, &mut its);
    assert_eq!(ours, its);
}

#[test]
#[should_panic(expected = "rows are not out.len() x query.len()")]
fn rows_must_be_whole() {
    quartz_kernels::dot_f16_rows(&[1.0, 2.0], &[1, 2, 3], &mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "as many halves as numbers")]
fn what_is_widened_needs_its_room() {
    f16_to_f32(&[1, 2], &mut [0.0; 3]);
}
