//! The transform against the matrix it stands for, and every leaf against the reference.

mod noise;

use noise::noise;
use quartz_kernels::{MAX_HADAMARD, hadamard, leaves};

fn lengths() -> impl Iterator<Item = usize> {
    (0..=MAX_HADAMARD.ilog2()).map(|power| 1 << power)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().copied().map(f32::to_bits).collect()
}

/// Element `(i, j)` of the matrix is -1 when `i & j` has an odd number of bits, +1 otherwise.
#[test]
fn it_is_the_matrix() {
    for length in lengths().filter(|&length| length <= 256) {
        // Whole numbers, so that no order of summation rounds.
        let values: Vec<f32> = (0..length).map(|i| (i * 7 % 23) as f32 - 11.0).collect();
        let expected: Vec<f32> = (0..length)
            .map(|i| {
                let sign = |j: usize| 1.0 - 2.0 * ((i & j).count_ones() % 2) as f32;
                values.iter().enumerate().map(|(j, v)| sign(j) * v).sum()
            })
            .collect();
        let mut transformed = values.clone();
        hadamard(&mut transformed);
        assert_eq!(transformed, expected);
    }
}

/// The stages in their order, element by element.
#[test]
fn every_leaf_has_the_bits_of_the_definition() {
    for length in lengths() {
        for seed in 0..4 {
            let mut values = noise(seed + length, length);
            if seed == 3 {
                values[length / 2] = -0.0;
                values[length / 3] = 1e30;
            }
            let mut expected = values.clone();
            for half in lengths().take_while(|&half| half < length) {
                expected = (0..length)
                    .map(|i| match i & half {
                        0 => expected[i] + expected[i + half],
                        _ => expected[i - half] - expected[i],
                    })
                    .collect();
            }
            for leaf in leaves() {
                let mut transformed = values.clone();
                leaf.hadamard(&mut transformed);
                assert_eq!(
                    bits(&transformed),
                    bits(&expected),
                    "{} at {length}",
                    leaf.level()
                );
            }
        }
    }
}

#[test]
fn twice_is_the_identity_times_the_length() {
    for leaf in leaves() {
        let values: Vec<f32> = (0..1024).map(|i| (i % 13) as f32).collect();
        let mut twice = values.clone();
        leaf.hadamard(&mut twice);
        leaf.hadamard(&mut twice);
        assert!(twice.iter().zip(&values).all(|(t, v)| *t == 1024.0 * v));
    }
}

#[test]
#[should_panic(expected = "a power of two up to 16384, not 384")]
fn other_lengths_are_refused() {
    hadamard(&mut [0.0; 384]);
}

#[test]
#[should_panic(expected = "a power of two up to 16384, not 0")]
fn nothing_is_refused() {
    hadamard(&mut []);
}

#[test]
#[should_panic(expected = "a power of two up to 16384, not 32768")]
fn longer_ones_are_refused() {
    hadamard(&mut [0.0; 2 * MAX_HADAMARD]);
}
