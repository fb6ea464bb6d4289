use bytes::Bytes;
use quartz_kernels::{
    codes::{self, BLOCK, Scan, Table},
    prefetch,
};

use super::code::Code;
use crate::{
    Metric,
    cache::Cached,
    keys::{self, codec::Malformed, codes::Block},
    store::{Snapshot, StoreError},
};

/// The members of a cluster with their one-bit codes, in blocks of 32 as the kernels scan them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// With [`GUEST`] set for members in second place.
    members: Vec<u32>,
    /// One a place of every block; `-∞` where there is no member, so that no bound passes.
    pub(crate) add: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) codes: Vec<u8>,
}

/// Blocks that are asked for together: what most clusters have. By key, since a scan of a tree of sorted tables reads
/// a part of each of them, and a look-up hardly more than the one that has the row.
const BLOCKS_AT_ONCE: usize = 3;
/// Marks a member that has its first place in another cluster.
const GUEST: u32 = 1 << 31;

/// The place of a member: in which cluster it is by right, in which as a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    First,
    Second,
}

impl Page {
    /// An empty one that takes so many members without growing.
    pub(crate) fn with_capacity(members: usize, dimension: usize) -> Self {
        let blocks = members.div_ceil(BLOCK);
        Self {
            members: Vec::with_capacity(members),
            add: Vec::with_capacity(blocks * BLOCK),
            scale: Vec::with_capacity(blocks * BLOCK),
            codes: Vec::with_capacity(blocks * codes::block_bytes(dimension)),
        }
    }

    pub(crate) async fn load(
        snapshot: &dyn Snapshot,
        cluster: u32,
        dimension: usize,
    ) -> Result<Self, StoreError> {
        let mut page = Self::default();
        'blocks: for first in (0..).step_by(BLOCKS_AT_ONCE) {
            let numbers = first..first + BLOCKS_AT_ONCE as u16;
            let keys: Vec<_> = numbers
                .map(|number| Bytes::from(keys::codes::key(cluster, number)))
                .collect();
            for (key, value) in keys.iter().zip(snapshot.get_many(&keys).await?) {
                let Some(value) = value else {
                    break 'blocks;
                };
                let block = keys::codes::decode(&value, dimension)
                    .and_then(|block| page.append(block))
                    .map_err(|why| StoreError::corrupt_row(key, why));
                block?;
                if !page.members.len().is_multiple_of(BLOCK) {
                    break 'blocks;
                }
            }
        }
        page.shrink();
        Ok(page)
    }

    /// Gives back what grew in advance: a page in memory stays as it is, and the budget counts what it needs.
    fn shrink(&mut self) {
        self.members.shrink_to_fit();
        self.add.shrink_to_fit();
        self.scale.shrink_to_fit();
        self.codes.shrink_to_fit();
    }

    /// Every block but the last one is full.
    fn append(&mut self, block: Block) -> Result<(), Malformed> {
        if !self.members.len().is_multiple_of(BLOCK) {
            return Err("a block of codes follows one that is not full");
        }
        let places = self.members.len() + BLOCK;
        self.members.extend(block.ordinals);
        self.add.extend(block.add);
        self.add.resize(places, f32::NEG_INFINITY);
        self.scale.extend(block.scale);
        self.scale.resize(places, 0.0);
        self.codes.extend(block.codes);
        Ok(())
    }

    /// Asks the processor for the members.
    pub(crate) fn prefetch_members(&self) {
        prefetch(&self.members);
    }

    /// Asks the processor for the numbers that go with the codes.
    pub(crate) fn prefetch_numbers(&self) {
        prefetch(&self.add);
        prefetch(&self.scale);
    }

    /// Asks the processor for the codes.
    pub(crate) fn prefetch_codes(&self) {
        prefetch(&self.codes);
    }

    /// The codes of the blocks from `first` to before `last`.
    pub(crate) fn blocks(&self, first: usize, last: usize) -> &[u8] {
        let block = self.codes.len() * BLOCK / self.add.len().max(1);
        &self.codes[block * first..block * last]
    }

    /// The mean scale of the members.
    pub(crate) fn spread(&self) -> f32 {
        const LANES: usize = 16;
        let (chunks, _) = self.scale.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for (sum, scale) in sums.iter_mut().zip(chunk) {
                *sum += scale;
            }
        }
        sums.iter().sum::<f32>() / self.members.len().max(1) as f32
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Members in first place.
    pub(crate) fn first_len(&self) -> usize {
        let first = self.members.iter().filter(|&&member| member & GUEST == 0);
        first.count()
    }

    pub(crate) fn ordinal(&self, position: usize) -> u32 {
        self.members[position] & !GUEST
    }

    pub(crate) fn ordinals(&self) -> impl Iterator<Item = u32> {
        self.members.iter().map(|member| member & !GUEST)
    }

    pub(crate) fn role(&self, position: usize) -> Role {
        if self.members[position] & GUEST == 0 {
            Role::First
        } else {
            Role::Second
        }
    }

    pub(crate) fn set_role(&mut self, position: usize, role: Role) {
        self.members[position] = with_role(self.ordinal(position), role);
    }

    pub(crate) fn position(&self, ordinal: u32) -> Option<usize> {
        self.ordinals().position(|member| member == ordinal)
    }

    /// Adds a member and gives its position.
    pub(crate) fn push(&mut self, ordinal: u32, role: Role, code: &Code) -> usize {
        let position = self.grow(ordinal, role, code.signs.len());
        self.add[position] = code.add;
        self.scale[position] = code.scale;
        codes::pack(&mut self.codes, position, &code.signs);
        position
    }

    /// Adds a member whose signs are those of a sketch.
    pub(crate) fn push_sketch(&mut self, ordinal: u32, add: f32, scale: f32, sketch: &[i8]) {
        let position = self.grow(ordinal, Role::First, sketch.len());
        self.add[position] = add;
        self.scale[position] = scale;
        codes::pack_i8(&mut self.codes, position, sketch);
    }

    /// Makes a place for another member, the last one.
    fn grow(&mut self, ordinal: u32, role: Role, dimension: usize) -> usize {
        let position = self.members.len();
        if position.is_multiple_of(BLOCK) {
            self.add.resize(position + BLOCK, f32::NEG_INFINITY);
            self.scale.resize(position + BLOCK, 0.0);
            let bytes = self.codes.len() + codes::block_bytes(dimension);
            self.codes.resize(bytes, 0);
        }
        self.members.push(with_role(ordinal, role));
        position
    }

    /// Removes the member at a position; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, position: usize, dimension: usize) {
        let last = self.members.len() - 1;
        if position != last {
            self.add[position] = self.add[last];
            self.scale[position] = self.scale[last];
            codes::copy_within(&mut self.codes, last, position, dimension);
        }
        self.members.swap_remove(position);
        self.add[last] = f32::NEG_INFINITY;
        self.scale[last] = 0.0;
        if last.is_multiple_of(BLOCK) {
            self.add.truncate(last);
            self.scale.truncate(last);
            self.codes
                .truncate(self.codes.len() - codes::block_bytes(dimension));
        } else {
            codes::clear(&mut self.codes, last, dimension);
        }
    }

    /// The members in first place whose estimated product with a vector exceeds `least`. The vector is given as a table,
    /// `shift` is its product with the centroid.
    pub(crate) fn leaning(
        &self,
        towards: &Table,
        shift: f32,
        least: f32,
        metric: Metric,
        mut found: impl FnMut(u32),
    ) {
        // <y, x> = <y, c> + <y, r>, and only the factor of <y, r> differs between metrics.
        let factor = match metric {
            Metric::Cosine | Metric::Dot => 1.0,
            Metric::Euclidean => 0.5,
        };
        let none = vec![0.0; self.scale.len()];
        let mut products = vec![0.0; self.scale.len()];
        let scan = Scan {
            table: towards,
            codes: &self.codes,
            add: &none,
            scale: &self.scale,
            base: 0.0,
            slack: 0.0,
            ahead: &[],
        };
        codes::bounds(&scan, &mut products);
        for (&member, product) in self.members.iter().zip(products) {
            if member & GUEST == 0 && shift + factor * product > least {
                found(member);
            }
        }
    }

    /// The stored value of a block, `None` behind the last one.
    pub(crate) fn encode_block(&self, block: usize, dimension: usize) -> Option<Vec<u8>> {
        let start = block * BLOCK;
        let end = self.members.len().min(start + BLOCK);
        if start >= end {
            return None;
        }
        let bytes = codes::block_bytes(dimension);
        Some(keys::codes::encode(
            &self.members[start..end],
            &self.add[start..end],
            &self.scale[start..end],
            &self.codes[block * bytes..(block + 1) * bytes],
        ))
    }
}

impl Cached for Page {
    fn bytes(&self) -> usize {
        self.codes.len() + self.members.len() * 4 + self.add.len() * 8
    }
}

const fn with_role(ordinal: u32, role: Role) -> u32 {
    match role {
        Role::First => ordinal,
        Role::Second => ordinal | GUEST,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(seed: u32) -> Code {
        let bit = |at: u32| seed.wrapping_mul(0x9E37_79B9) >> (at % 31) & 1;
        Code {
            add: seed as f32,
            scale: 1.0,
            signs: (0..64).map(|at| bit(at) as f32 * 2.0 - 1.0).collect(),
        }
    }

    fn role(number: u32) -> Role {
        if number.is_multiple_of(3) {
            Role::Second
        } else {
            Role::First
        }
    }

    proptest! {
        #[test]
        fn edits_leave_what_pushing_the_rest_would(
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..150),
        ) {
            let (mut page, mut members) = (Page::default(), Vec::new());
            for (number, (push, index)) in (0..).zip(steps) {
                if push || members.is_empty() {
                    page.push(number, role(number), &code(number));
                    members.push(number);
                } else {
                    let position = index.index(members.len());
                    page.swap_remove(position, 64);
                    members.swap_remove(position);
                }
            }
            let mut fresh = Page::default();
            for &member in &members {
                fresh.push(member, role(member), &code(member));
            }
            assert_eq!(page, fresh);
            let mut decoded = Page::default();
            for block in 0..members.len().div_ceil(BLOCK) {
                let value = page.encode_block(block, 64).unwrap();
                decoded.append(keys::codes::decode(&value, 64).unwrap()).unwrap();
            }
            assert_eq!(decoded, page);
        }
    }
}
