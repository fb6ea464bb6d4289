use quartz_kernels::codes::BLOCK;
use roaring::RoaringBitmap;

use super::Page;

/// Which vectors may be found.
pub(crate) enum Allowed<'a> {
    /// All but these.
    AllBut(&'a RoaringBitmap),
    /// These.
    Only {
        /// Their number.
        count: u64,
        /// Their share of all vectors.
        share: f32,
        /// One for each ordinal up to the highest.
        bits: Vec<u64>,
    },
}

impl Allowed<'_> {
    /// Only these, of so many vectors.
    pub(crate) fn only(ordinals: &RoaringBitmap, vectors: u64) -> Self {
        let words = ordinals.max().map_or(0, |max| max as usize / 64 + 1);
        let mut bits = vec![0_u64; words];
        let (mut rest, mut buffer) = (ordinals.iter(), [0; 256]);
        loop {
            // One by one they took a quarter of a query.
            let some = rest.next_many(&mut buffer);
            if some.is_empty() {
                return Self::Only {
                    count: ordinals.len(),
                    share: ordinals.len() as f32 / vectors.max(1) as f32,
                    bits,
                };
            }
            for ordinal in some {
                bits[*ordinal as usize / 64] |= 1 << (*ordinal % 64);
            }
        }
    }

    /// Whether most of a page may be passed over.
    pub(super) const fn is_filter(&self) -> bool {
        matches!(self, Self::Only { .. })
    }

    /// Their share of all vectors, where there is a filter.
    pub(super) const fn share(&self) -> f32 {
        match self {
            Self::AllBut(_) => 1.0,
            Self::Only { share, .. } => *share,
        }
    }

    pub(super) fn contains(&self, ordinal: u32) -> bool {
        match self {
            Self::AllBut(none) => none.is_empty() || !none.contains(ordinal),
            Self::Only { bits, .. } => {
                let word = bits.get(ordinal as usize / 64).copied().unwrap_or(0);
                word >> (ordinal % 64) & 1 == 1
            }
        }
    }

    /// Sets a bit for each member of a page that may be found, a number for each block; gives their share.
    pub(super) fn mark(&self, page: &Page, marks: &mut Vec<u32>) -> f32 {
        marks.clear();
        let mut block = 0;
        for (position, ordinal) in page.ordinals().enumerate() {
            block |= u32::from(self.contains(ordinal)) << (position % BLOCK);
            if position % BLOCK == BLOCK - 1 {
                marks.push(std::mem::take(&mut block));
            }
        }
        if !page.len().is_multiple_of(BLOCK) {
            marks.push(block);
        }
        let marked: u32 = marks.iter().map(|block| block.count_ones()).sum();
        marked as f32 / page.len().max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{code::Code, page::Role};

    fn page(ordinals: impl Iterator<Item = u32>) -> Page {
        let code = Code {
            add: 0.0,
            scale: 1.0,
            signs: vec![1.0; 64],
        };
        let mut page = Page::default();
        for ordinal in ordinals {
            page.push(ordinal, Role::First, &code);
        }
        page
    }

    #[test]
    fn every_member_is_marked_that_may_be_found() {
        let ordinals: RoaringBitmap = (0..100_000).filter(|n| n % 7 == 3).collect();
        let allowed = Allowed::only(&ordinals, 100_000);
        let mut marks = vec![7];
        for members in [0, 1, 31, 32, 33, 100] {
            let members: Vec<u32> = (0..members).map(|n| n * 1_013 + 99_000 * (n % 2)).collect();
            let page = page(members.iter().copied());
            let share = allowed.mark(&page, &mut marks);
            assert_eq!(marks.len(), members.len().div_ceil(BLOCK));
            let mut found = 0;
            for (position, &ordinal) in members.iter().enumerate() {
                let marked = marks[position / BLOCK] >> (position % BLOCK) & 1 == 1;
                assert_eq!(marked, ordinals.contains(ordinal), "{ordinal}");
                assert_eq!(marked, allowed.contains(ordinal));
                found += u32::from(marked);
            }
            assert_eq!(share, found as f32 / members.len().max(1) as f32);
        }
    }
}
