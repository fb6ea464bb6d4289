use quartz_kernels::{codes, hadamard};

/// How often the window of the transform is moved. Two rounds reach every component from every other;
/// two more make the components of any input nearly normal.
const ROUNDS: usize = 4;

/// A fixed pseudo-random rotation of the vectors of one dimension.
///
/// It spreads every vector evenly over its components, which is what one-bit and eight-bit codes
/// need (RaBitQ, SIGMOD 2024), and keeps lengths and inner products. A round flips signs and applies a
/// Walsh-Hadamard transform to a window of the largest power of two that fits; the window lies at the
/// front and at the back in turn. The bits of the result are the same on every machine.
///
/// Costs O(d log d).
pub(crate) struct Rotation {
    dimension: usize,
    window: usize,
    /// ±1 / √window for each round and component of the window.
    signs: Vec<f32>,
}

impl Rotation {
    pub(crate) fn new(dimension: usize) -> Self {
        let padded = padded(dimension);
        let window = 1 << padded.ilog2();
        let unit = 1.0 / (window as f32).sqrt();
        let signs = (0..(ROUNDS * window) as u64)
            .map(|position| {
                if mix(position) >> 63 == 0 {
                    unit
                } else {
                    -unit
                }
            })
            .collect();
        Self {
            dimension,
            window,
            signs,
        }
    }

    /// Components of a vector.
    pub(crate) const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Components of a rotated vector.
    pub(crate) fn padded(&self) -> usize {
        padded(self.dimension)
    }

    pub(crate) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut rotated = Vec::with_capacity(self.padded());
        rotated.extend_from_slice(vector);
        rotated.resize(self.padded(), 0.0);
        let back = rotated.len() - self.window;
        for (round, signs) in self.signs.chunks(self.window).enumerate() {
            let start = if round % 2 == 0 { 0 } else { back };
            let window = &mut rotated[start..start + self.window];
            for (component, sign) in window.iter_mut().zip(signs) {
                *component *= sign;
            }
            hadamard(window);
        }
        rotated
    }
}

/// Components of a rotated vector of this dimension.
pub(crate) const fn padded(dimension: usize) -> usize {
    dimension.next_multiple_of(codes::DIMENSIONS)
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) const fn mix(position: u64) -> u64 {
    let mut bits = position.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    }

    proptest! {
        #[test]
        fn inner_products_are_kept(
            a in prop::collection::vec(-1.0..1.0_f32, 1..400),
            seed in any::<u64>(),
        ) {
            let b: Vec<_> = (0..a.len() as u64)
                .map(|at| (mix(seed ^ at) >> 40) as f32 / (1 << 24) as f32 - 0.5)
                .collect();
            let rotation = Rotation::new(a.len());
            let rotated = dot(&rotation.apply(&a), &rotation.apply(&b));
            assert!((rotated - dot(&a, &b)).abs() < 1e-4 * a.len() as f64);
        }
    }

    #[test]
    fn one_component_is_spread_over_all() {
        for dimension in [64, 384, 1536, 100] {
            let mut vector = vec![0.0; dimension];
            vector[dimension / 2] = 1.0;
            let rotated = Rotation::new(dimension).apply(&vector);
            let largest = rotated
                .iter()
                .fold(0.0_f32, |max, component| max.max(component.abs()));
            assert!(
                largest < 6.0 / (rotated.len() as f32).sqrt(),
                "{dimension}: {largest}"
            );
        }
    }
}
