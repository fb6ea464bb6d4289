//! `Vector`: the vector of a record. Key: ordinal `u32`. Value: components as little-endian `f32`; or `01` and
//! components as little-endian `f16`; or `02`, a scale `f32` and a code `i8` for each component, which is
//! scale times code.

use half::f16;
use quartz_kernels::quantise_i8;

use super::{Kind, codec::Malformed};
use crate::vector::Precision;

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Vector.key(&[&ordinal.to_be_bytes()])
}

/// The value.
#[must_use]
pub fn encode(precision: Precision, components: &[f32]) -> Vec<u8> {
    match precision {
        Precision::F32 => components
            .iter()
            .flat_map(|component| component.to_le_bytes())
            .collect(),
        Precision::F16 => {
            let mut value = vec![Precision::F16 as u8];
            let halves = components.iter().map(|&component| f16::from_f32(component));
            value.extend(halves.flat_map(f16::to_le_bytes));
            value
        }
        Precision::Int8 => {
            let mut codes = vec![0; components.len()];
            let scale = quantise_i8(components, &mut codes);
            let mut value = vec![Precision::Int8 as u8];
            value.extend(scale.to_le_bytes());
            value.extend(codes.into_iter().map(i8::cast_unsigned));
            value
        }
    }
}

/// The components, little-endian halves, of a vector that is stored as [`F16`](Precision::F16) and has
/// `dimension` of them.
#[must_use]
pub fn halves(value: &[u8], dimension: usize) -> Option<&[[u8; 2]]> {
    let (&tag, halves) = value.split_first()?;
    (tag == Precision::F16 as u8 && halves.len() == 2 * dimension).then_some(halves.as_chunks().0)
}

/// Appends the components of a stored vector to `into`.
///
/// # Errors
/// When the value does not hold `dimension` components.
pub fn decode_into(value: &[u8], dimension: usize, into: &mut Vec<f32>) -> Result<(), Malformed> {
    if let Some(halves) = halves(value, dimension) {
        into.extend(halves.iter().map(|half| f16::from_le_bytes(*half).to_f32()));
        return Ok(());
    }
    // A length tells this layout from the others: 4d is neither 2d + 1 nor d + 5. Those have tags.
    if value.len() == 4 * dimension {
        let (components, _) = value.as_chunks::<4>();
        into.extend(components.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        return Ok(());
    }
    match value.split_first() {
        Some((&tag, rest)) if tag == Precision::Int8 as u8 && rest.len() == 4 + dimension => {
            let Some((scale, codes)) = rest.split_first_chunk() else {
                return Err("a vector has the wrong length");
            };
            let scale = f32::from_le_bytes(*scale);
            into.extend(
                codes
                    .iter()
                    .map(|code| scale * f32::from(code.cast_signed())),
            );
            Ok(())
        }
        _ => Err("a vector has the wrong length"),
    }
}

/// What a vector is once it is stored.
#[must_use]
pub fn rounded(precision: Precision, components: &[f32]) -> Vec<f32> {
    if precision == Precision::F32 {
        return components.to_vec();
    }
    let mut rounded = Vec::with_capacity(components.len());
    // What was just encoded has the right length.
    let decoded = decode_into(
        &encode(precision, components),
        components.len(),
        &mut rounded,
    );
    debug_assert_eq!(decoded, Ok(()));
    rounded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(components in prop::collection::vec(-1e30_f32..1e30, 1..70)) {
            let mut decoded = Vec::new();
            let value = encode(Precision::F32, &components);
            decode_into(&value, components.len(), &mut decoded).unwrap();
            assert_eq!(decoded, components);
            assert_eq!(rounded(Precision::F32, &components), components);
        }

        // Two components of `f32` are as long as three in one byte each.
        #[test]
        fn another_dimension_is_refused(components in prop::collection::vec(-1e30_f32..1e30, 3..70)) {
            let mut decoded = Vec::new();
            let value = encode(Precision::F32, &components);
            assert!(decode_into(&value, components.len() + 1, &mut decoded).is_err());
        }

        #[test]
        fn rounding_is_as_fine_as_it_says(components in prop::collection::vec(-9.0_f32..9.0, 1..70)) {
            let largest = components.iter().fold(0.0_f32, |most, component| most.max(component.abs()));
            for (precision, finest) in [(Precision::F16, 9.0 / 2048.0), (Precision::Int8, largest / 253.0)] {
                for (rounded, component) in rounded(precision, &components).iter().zip(&components) {
                    assert!((rounded - component).abs() <= finest, "{precision}: {rounded} {component}");
                }
            }
        }

        #[test]
        fn garbage_is_refused_or_has_the_dimension(
            value in prop::collection::vec(any::<u8>(), 0..70),
            dimension in 1..20_usize,
        ) {
            let mut decoded = Vec::new();
            if decode_into(&value, dimension, &mut decoded).is_ok() {
                assert_eq!(decoded.len(), dimension);
            }
        }
    }
}
