//! Distances of every leaf this machine can run, over every small dimension: right, reproducible, bounded.

mod noise;

use noise::noise;
use quartz_kernels::{Leaf, Level, leaves, scalar};

/// Every tail of every stride, then sizes in use and the largest with its neighbour.
fn dimensions() -> impl Iterator<Item = usize> {
    let large = [
        96, 127, 128, 129, 384, 768, 1000, 1536, 4095, 4096, 16_383, 16_384,
    ];
    let largest = if cfg!(miri) { 130 } else { usize::MAX };
    (1..=70)
        .chain(large)
        .filter(move |&dimension| dimension <= largest)
}

/// The sum of `terms`, which `f64` holds exactly enough, and how far an `f32` sum may be from it:
/// one rounding per addition of the longest chain, and a few for the term and the folding.
fn exact(terms: impl Iterator<Item = f64>, dimension: usize) -> (f64, f64) {
    let (sum, magnitude) = terms.fold((0.0, 0.0), |(sum, magnitude), term| {
        (sum + term, magnitude + term.abs())
    });
    let roundings = (dimension / 16 + 10) as f64;
    (sum, roundings * f64::from(f32::EPSILON / 2.0) * magnitude)
}

#[track_caller]
fn assert_close(got: f32, (want, tolerance): (f64, f64), what: &str) {
    let error = (f64::from(got) - want).abs();
    assert!(
        error <= tolerance,
        "{what}: {got} for {want}, off by {error:e} > {tolerance:e}"
    );
}

#[test]
fn pairs_agree_with_f64_at_any_alignment() {
    for dimension in dimensions() {
        for offset in 0..4 {
            let a = &noise(dimension, offset + dimension)[offset..];
            let b = &noise(dimension + 1, dimension + 5)[5..];
            let wide = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            let dot = exact(wide().map(|(a, b)| a * b), dimension);
            let euclidean = exact(wide().map(|(a, b)| (a - b) * (a - b)), dimension);
            for leaf in leaves() {
                let what = format!(
                    "{} at {dimension} dimensions, offset {offset}",
                    leaf.level()
                );
                assert_close(leaf.dot(a, b), dot, &what);
                assert_close(leaf.squared_euclidean(a, b), euclidean, &what);
            }
        }
    }
}

/// The promise that makes ties ties: no position among the rows changes a bit of a row's score.
#[test]
fn rows_have_the_bits_of_pairs() {
    type Pair = fn(&Leaf, &[f32], &[f32]) -> f32;
    type Rows = fn(&Leaf, &[f32], &[f32], &mut [f32]);
    let kernels: [(Pair, Rows); 2] = [
        (Leaf::dot, Leaf::dot_rows),
        (Leaf::squared_euclidean, Leaf::squared_euclidean_rows),
    ];
    for dimension in dimensions() {
        let query = noise(dimension, dimension);
        // Through all sizes of the last, incomplete block, and none at all.
        for count in 0..=9 {
            let rows = noise(count, count * dimension);
            for leaf in leaves() {
                for (pair, all) in kernels {
                    let mut scores = vec![f32::NAN; count];
                    all(leaf, &query, &rows, &mut scores);
                    let each = rows.chunks(dimension).map(|row| pair(leaf, &query, row));
                    assert!(
                        scores
                            .iter()
                            .copied()
                            .map(f32::to_bits)
                            .eq(each.map(f32::to_bits)),
                        "{} at {dimension} dimensions, {count} rows",
                        leaf.level(),
                    );
                }
            }
        }
    }
}

#[test]
fn identical_rows_tie() {
    for dimension in dimensions() {
        let query = noise(1, dimension);
        let rows = noise(2, dimension).repeat(11);
        for leaf in leaves() {
            let mut scores = [0.0; 11];
            leaf.dot_rows(&query, &rows, &mut scores);
            assert!(
                scores
                    .iter()
                    .all(|score| score.to_bits() == scores[0].to_bits())
            );
            leaf.squared_euclidean_rows(&query, &query.repeat(11), &mut scores);
            assert_eq!(scores, [0.0; 11], "a vector's distance to itself");
        }
    }
}

/// Small whole numbers add up without rounding, so here even the order makes no difference.
#[test]
fn whole_numbers_are_exact() {
    for dimension in dimensions().filter(|&dimension| dimension <= 4096) {
        let a: Vec<f32> = (0..dimension).map(|i| (i % 7) as f32 - 3.0).collect();
        let b: Vec<f32> = (0..dimension).map(|i| (i % 5) as f32 - 2.0).collect();
        let dot: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let euclidean: f32 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
        for leaf in leaves() {
            assert_eq!(leaf.dot(&a, &b), dot, "{} at {dimension}", leaf.level());
            assert_eq!(
                leaf.squared_euclidean(&a, &b),
                euclidean,
                "{} at {dimension}",
                leaf.level()
            );
        }
    }
}

/// Each element counts once: a lone NaN anywhere is seen, and a lone one is the whole sum.
#[test]
fn no_element_is_missed() {
    for dimension in dimensions().filter(|&dimension| dimension <= 130) {
        for leaf in leaves() {
            for place in 0..dimension {
                let mut a = vec![0.0; dimension];
                let ones = vec![1.0; dimension];
                a[place] = 1.0;
                assert_eq!(leaf.dot(&a, &ones), 1.0);
                a[place] = f32::NAN;
                assert!(leaf.dot(&a, &ones).is_nan());
                assert!(leaf.squared_euclidean(&ones, &a).is_nan());
                a[place] = f32::INFINITY;
                assert_eq!(leaf.squared_euclidean(&a, &ones), f32::INFINITY);
            }
        }
    }
}

/// What follows the vector in memory is not read into the score.
#[test]
fn neighbours_are_not_read() {
    for dimension in dimensions() {
        let mut room = vec![f32::NAN; dimension + 32];
        room[16..16 + dimension].fill(1.0);
        let ones = &room[16..16 + dimension];
        for leaf in leaves() {
            assert_eq!(leaf.dot(ones, ones), dimension as f32);
        }
    }
}

#[test]
fn simd128_has_the_bits_of_scalar() {
    for leaf in leaves()
        .into_iter()
        .filter(|leaf| leaf.level() == Level::Simd128)
    {
        for dimension in dimensions() {
            let (a, b) = (noise(1, dimension), noise(2, dimension));
            assert_eq!(leaf.dot(&a, &b).to_bits(), scalar::dot(&a, &b).to_bits());
            let euclidean = scalar::squared_euclidean(&a, &b);
            assert_eq!(
                leaf.squared_euclidean(&a, &b).to_bits(),
                euclidean.to_bits()
            );
        }
    }
}

#[test]
fn nothing_is_zero() {
    assert_eq!(scalar::squared_norm(&[]), 0.0);
    for leaf in leaves() {
        assert_eq!(leaf.dot(&[], &[]), 0.0);
        assert_eq!(leaf.squared_euclidean(&[], &[]), 0.0);
        let mut scores = [f32::NAN; 5];
        leaf.dot_rows(&[], &[], &mut scores);
        assert_eq!(scores, [0.0; 5]);
        leaf.squared_euclidean_rows(&[1.0], &[], &mut []);
    }
}

#[test]
fn the_crate_uses_the_best_leaf() {
    let leaf = leaves().pop().unwrap();
    assert_eq!(quartz_kernels::level(), leaf.level());
    let (query, rows) = (noise(1, 77), noise(2, 7 * 77));
    let (mut ours, mut its) = ([0.0; 7], [0.0; 7]);
    quartz_kernels::dot_rows(&query, &rows, &mut ours);
    leaf.dot_rows(&query, &rows, &mut its);
    assert_eq!(ours, its);
    quartz_kernels::squared_euclidean_rows(&query, &rows, &mut ours);
    leaf.squared_euclidean_rows(&query, &rows, &mut its);
    assert_eq!(ours, its);
    assert_eq!(
        quartz_kernels::squared_norm(&query),
        leaf.dot(&query, &query)
    );
    assert_eq!(
        quartz_kernels::dot(&query, &rows[..77]),
        leaf.dot(&query, &rows[..77])
    );
    assert_eq!(
        quartz_kernels::squared_euclidean(&query, &rows[77..154]),
        ours[1]
    );
}

#[test]
fn levels_have_names() {
    let levels = [
        Level::Scalar,
        Level::Avx2,
        Level::AvxVnni,
        Level::Avx512,
        Level::Avx512Vnni,
        Level::Neon,
        Level::Simd128,
    ];
    assert_eq!(
        levels.map(|level| level.to_string()),
        [
            "scalar",
            "avx2",
            "avx-vnni",
            "avx512",
            "avx512-vnni",
            "neon",
            "simd128"
        ]
    );
}

#[test]
#[should_panic(expected = "vectors of different dimensions")]
fn dimensions_must_match() {
    quartz_kernels::dot(&[1.0, 2.0], &[1.0]);
}

#[test]
#[should_panic(expected = "rows are not out.len() x query.len()")]
fn rows_must_be_whole() {
    quartz_kernels::dot_rows(&[1.0, 2.0], &[1.0, 2.0, 3.0], &mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "rows are not out.len() x query.len()")]
fn every_row_needs_a_score() {
    quartz_kernels::squared_euclidean_rows(&[1.0, 2.0], &[1.0; 4], &mut [0.0; 1]);
}
