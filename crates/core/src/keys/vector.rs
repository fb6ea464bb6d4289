//! `Vector`: the full-precision vector of a record. Key: ordinal `u32`. Value: components as
//! little-endian `f32`, as they were sent.

use super::{Kind, codec::Malformed};

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Vector.key(&[&ordinal.to_be_bytes()])
}

/// The value.
#[must_use]
pub fn encode(components: &[f32]) -> Vec<u8> {
    components
        .iter()
        .flat_map(|component| component.to_le_bytes())
        .collect()
}

/// Appends the components of a stored vector to `into`.
///
/// # Errors
/// When the value does not hold `dimension` components.
pub fn decode_into(value: &[u8], dimension: usize, into: &mut Vec<f32>) -> Result<(), Malformed> {
    let (components, rest) = value.as_chunks::<4>();
    if components.len() != dimension || !rest.is_empty() {
        return Err("a vector has the wrong length");
    }
    into.extend(components.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(components in prop::collection::vec(-1e30_f32..1e30, 1..70)) {
            let mut decoded = Vec::new();
            decode_into(&encode(&components), components.len(), &mut decoded).unwrap();
            assert_eq!(decoded, components);
            assert!(decode_into(&encode(&components), components.len() + 1, &mut decoded).is_err());
        }
    }
}
