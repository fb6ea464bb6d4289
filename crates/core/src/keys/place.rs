//! `Place`: the clusters a vector is in. Key: ordinal `u32`. Value: primary cluster `u32`, secondary
//! cluster `u32`, `FF FF FF FF` for none.

use super::{Kind, codec::Malformed};
use crate::index::Role;

/// The clusters of one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cluster with the nearest centroid when the vector was last placed.
    pub primary: u32,
    /// A second one, whose centroid lies in another direction.
    pub secondary: Option<u32>,
}

impl Place {
    /// Both clusters.
    pub fn clusters(self) -> impl Iterator<Item = u32> {
        [Some(self.primary), self.secondary].into_iter().flatten()
    }

    /// What the vector is in a cluster; `None` if it is not in it.
    pub(crate) fn role(self, cluster: u32) -> Option<Role> {
        if cluster == self.primary {
            Some(Role::First)
        } else {
            (Some(cluster) == self.secondary).then_some(Role::Second)
        }
    }

    /// The value.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let secondary = self.secondary.unwrap_or(u32::MAX);
        [self.primary.to_be_bytes(), secondary.to_be_bytes()].concat()
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When no place encodes to these bytes.
    pub fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (numbers, rest) = value.as_chunks::<4>();
        let &[primary, secondary] = numbers else {
            return Err("a place has the wrong length");
        };
        let primary = u32::from_be_bytes(primary);
        let secondary = Some(u32::from_be_bytes(secondary)).filter(|&number| number != u32::MAX);
        if !rest.is_empty() || primary == u32::MAX || secondary == Some(primary) {
            return Err("a place names no two clusters");
        }
        Ok(Self { primary, secondary })
    }
}

/// The key.
#[must_use]
pub fn key(ordinal: u32) -> Vec<u8> {
    Kind::Place.key(&[&ordinal.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(primary in 0..u32::MAX, secondary in prop::option::of(0..u32::MAX)) {
            let place = Place { primary, secondary: secondary.filter(|&number| number != primary) };
            assert_eq!(Place::decode(&place.encode()), Ok(place));
        }

        #[test]
        fn garbage_is_refused(value in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(place) = Place::decode(&value) {
                assert_eq!(place.encode(), value);
            }
        }
    }
}
