/// A set of ordinals that grows: open addressing, cheap to make for each query.
pub(crate) struct Seen {
    /// `u32::MAX` where there is none; that ordinal itself is never found in the set.
    slots: Vec<u32>,
    len: usize,
}

const NONE: u32 = u32::MAX;
const START: usize = 1024;

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![NONE; START],
            len: 0,
        }
    }

    /// Whether the ordinal is new.
    pub(crate) fn insert(&mut self, ordinal: u32) -> bool {
        if self.len * 2 > self.slots.len() {
            let slots = vec![NONE; self.slots.len() * 4];
            for ordinal in std::mem::replace(&mut self.slots, slots) {
                if ordinal != NONE {
                    let slot = self.slot(ordinal);
                    self.slots[slot] = ordinal;
                }
            }
        }
        let slot = self.slot(ordinal);
        let is_new = self.slots[slot] != ordinal;
        self.slots[slot] = ordinal;
        self.len += usize::from(is_new);
        is_new
    }

    /// Where the ordinal is or belongs.
    fn slot(&self, ordinal: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = ordinal.wrapping_mul(0x9E37_79B1) as usize >> 8 & mask;
        while self.slots[slot] != NONE && self.slots[slot] != ordinal {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_hash_set(ordinals in prop::collection::vec(0..3000_u32, 0..5000)) {
            let (mut seen, mut set) = (Seen::new(), HashSet::new());
            for ordinal in ordinals {
                assert_eq!(seen.insert(ordinal), set.insert(ordinal));
            }
        }
    }
}
