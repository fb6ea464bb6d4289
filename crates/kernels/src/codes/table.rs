//! What each pattern of four signs contributes to the product with a query.

use super::{DIMENSIONS, LANE, PATTERN};
use crate::{bytes::round, dispatch::active};

/// Below this a query counts as zero: the inverse of its step would not be finite.
const NEGLIGIBLE: f32 = 1e-30;

/// A query prepared for scanning codes: for each group of four components, what each of the 16 sign
/// patterns adds to the product, as a whole number of steps in a byte.
///
/// Group `j` with components `q = query[4j..4j + 4]` has `extent = (|q0| + |q1|) + (|q2| + |q3|)`, its
/// largest sum. One `step` serves all groups: two times the largest extent, in 255 parts. The entry of a
/// pattern is `((±q0 ± q1) + (±q2 ± q3) + extent) * (1 / step)`, rounded half to even. The sum of the
/// entries that a code selects, one a group, times `step` plus [`offset`](Self::offset) (minus the sum of
/// the extents) is then the product of query and code: each group is off by half a step at most, by
/// `step * sqrt(dimension / 48)` in all on average (root mean square).
///
/// All operations are plain IEEE additions and multiplications in this order: the same bits on every
/// machine, for finite queries. Entries take `4 * dimension` bytes.
///
/// # Examples
///
/// ```
/// use quartz_kernels::codes::Table;
///
/// let mut query = vec![0.0; 64];
/// query[..4].copy_from_slice(&[1.0, 0.5, 0.25, 0.125]);
/// let table = Table::new(&query);
/// assert_eq!(table.entries()[0b0000], 0);
/// assert_eq!(table.entries()[0b1111], 255);
/// assert_eq!(table.step() * 255.0 + table.offset(), 1.875);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    entries: Vec<u8>,
    step: f32,
    offset: f32,
}

impl Table {
    /// Prepares a query.
    ///
    /// # Panics
    ///
    /// When the dimension is no multiple of 64.
    pub fn new(query: &[f32]) -> Self {
        let mut table = Self::default();
        table.fill(query);
        table
    }

    /// Prepares another query, of any dimension, in the same memory.
    ///
    /// `O(dimension)`: 16 additions and multiplications a group.
    ///
    /// # Panics
    ///
    /// When the dimension is no multiple of 64.
    pub fn fill(&mut self, query: &[f32]) {
        assert!(
            query.len().is_multiple_of(DIMENSIONS),
            "codes need a multiple of {DIMENSIONS} dimensions, not {}",
            query.len()
        );
        let (groups, _) = query.as_chunks::<PATTERN>();
        let (mut largest, mut sum) = (0.0_f32, 0.0);
        for group in groups {
            let extent = extent(group);
            largest = largest.max(extent);
            sum += extent;
        }
        self.entries.clear();
        self.entries.resize(groups.len() * LANE, 0);
        if largest < NEGLIGIBLE {
            (self.step, self.offset) = (0.0, 0.0);
            return;
        }
        self.step = 2.0 * largest / 255.0;
        self.offset = -sum;
        let inverse = 1.0 / self.step;
        let (lanes, _) = self.entries.as_chunks_mut();
        active().fill_lanes(groups, inverse, lanes);
    }

    /// The entries: 16 a group, by pattern.
    #[inline]
    pub fn entries(&self) -> &[u8] {
        &self.entries
    }

    /// The value of one unit of an entry; zero for a query that is zero or below `1e-30` throughout.
    #[inline]
    pub fn step(&self) -> f32 {
        self.step
    }

    /// The value of a code whose entries are all zero.
    #[inline]
    pub fn offset(&self) -> f32 {
        self.offset
    }

    /// The dimension of the query.
    #[inline]
    pub fn dimension(&self) -> usize {
        self.entries.len() / PATTERN
    }
}

#[inline(always)]
fn extent([a, b, c, d]: &[f32; PATTERN]) -> f32 {
    (a.abs() + b.abs()) + (c.abs() + d.abs())
}

/// The entries of groups, in plain IEEE operations: every leaf compiles them for its registers, to the same bits.
#[inline(always)]
pub(crate) fn fill_lanes(groups: &[[f32; PATTERN]], inverse: f32, lanes: &mut [[u8; LANE]]) {
    for (lane, group) in lanes.iter_mut().zip(groups) {
        fill_lane(lane, group, inverse);
    }
}

#[inline(always)]
fn fill_lane(lane: &mut [u8; LANE], group: &[f32; PATTERN], inverse: f32) {
    let [a, b, c, d] = *group;
    // By two bits of the pattern each.
    let low = [-a - b, a - b, -a + b, a + b];
    let high = [-c - d, c - d, -c + d, c + d];
    let extent = extent(group);
    for (pattern, entry) in lane.iter_mut().enumerate() {
        let sum = low[pattern % 4] + high[pattern / 4];
        *entry = round((sum + extent) * inverse) as u8;
    }
}
