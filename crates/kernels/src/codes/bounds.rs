//! Scanning: bounds of many codes at once, and which of them are worth a closer look.

#![expect(
    unsafe_code,
    reason = "calls functions compiled for features detected at run time"
)]

use super::{BLOCK, LANE, PATTERN, Table, block_bytes};
use crate::{
    dispatch::{Leaf, active},
    prefetch::prefetch,
};

/// Bounds the ranks of all codes in some whole blocks.
///
/// With `S` the sum of the entries of the table that code `i` selects, an exact whole number,
///
/// ```text
/// bounds[i] = (base + add[i]) + (S * step + (offset + slack)) * scale[i]
/// ```
///
/// in exactly this order of plain IEEE operations: the same bits on every machine. `step` and `offset`
/// are the table's; `add`, `scale` and `bounds` have a number for each code, the unused ones at the end
/// of the last block included.
///
/// No allocation. About `dimension / 4` table look-ups a code, 16 to 64 in an instruction.
///
/// # Panics
///
/// When the table is empty, the codes are not whole blocks of its dimension, or the other lengths are not
/// 32 a block.
///
/// # Examples
///
/// ```
/// use quartz_kernels::codes::{self, Scan};
///
/// let vector: Vec<f32> = (0..64).map(|i| (i % 7) as f32 - 3.0).collect();
/// let mut block = vec![0; codes::block_bytes(64)];
/// codes::pack(&mut block, 0, &vector);
/// let scan = Scan {
///     table: &codes::Table::new(&vector),
///     codes: &block,
///     add: &[0.0; codes::BLOCK],
///     scale: &[1.0; codes::BLOCK],
///     base: 0.0,
///     slack: 0.0,
///     ahead: &[],
/// };
/// let mut products = [0.0; codes::BLOCK];
/// codes::bounds(&scan, &mut products);
/// let exact: f32 = vector.iter().map(|v| v.abs()).sum();
/// assert!((products[0] - exact).abs() < 1.0);
/// ```
#[inline]
pub fn bounds(scan: &Scan<'_>, bounds: &mut [f32]) {
    active().code_bounds(scan, bounds);
}

/// Appends the positions of the values above a threshold, in order. A NaN is not above anything.
///
/// Fast when there are few: about the cost of reading the values.
///
/// # Panics
///
/// When there are more than 2³² values.
///
/// # Examples
///
/// ```
/// let mut positions = vec![];
/// quartz_kernels::above(&[1.0, 3.0, f32::NAN, 2.0, 4.0], 2.0, &mut positions);
/// assert_eq!(positions, [1, 4]);
/// ```
#[inline]
pub fn above(values: &[f32], threshold: f32, positions: &mut Vec<u32>) {
    active().above(values, threshold, positions);
}

/// What [`bounds`] takes.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The query.
    pub table: &'a Table,
    /// Whole blocks of codes.
    pub codes: &'a [u8],
    /// Added to the bound of each code.
    pub add: &'a [f32],
    /// Multiplied with the product of the query and each code.
    pub scale: &'a [f32],
    /// Added to all bounds.
    pub base: f32,
    /// Added to all products.
    pub slack: f32,
    /// Codes that are to be scanned next, or none. The processor is asked for a line of them for each line that is
    /// scanned, and at the end for what there is more: a hint like [`prefetch`](crate::prefetch), spread so that it
    /// need not wait for others to be answered.
    pub ahead: &'a [u8],
}

impl Scan<'_> {
    /// From sums of entries to bounds, for the block whose first code is number `first`. Sums are at most 255 * 4096,
    /// which floats add up and hold exactly.
    #[inline(always)]
    pub(crate) fn finish(&self, first: usize, sums: &[f32; BLOCK], bounds: &mut [f32; BLOCK]) {
        let add = &self.add[first..][..BLOCK];
        let scale = &self.scale[first..][..BLOCK];
        let shift = self.table.offset() + self.slack;
        for i in 0..BLOCK {
            bounds[i] = (self.base + add[i]) + (sums[i] * self.table.step() + shift) * scale[i];
        }
    }
}

/// Groups of components and the inverse of the step of a table give its entries.
type Fill = unsafe fn(&[[f32; PATTERN]], f32, &mut [[u8; LANE]]);

/// The scanning kernels of a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codes {
    pub(crate) fill: Fill,
    pub(crate) bounds: unsafe fn(&Scan<'_>, &mut [f32]),
    pub(crate) above: unsafe fn(&[f32], f32, &mut Vec<u32>),
}

impl Leaf {
    /// See [`Table::fill`]: the entries of some groups.
    pub(crate) fn fill_lanes(
        &self,
        groups: &[[f32; PATTERN]],
        inverse: f32,
        lanes: &mut [[u8; LANE]],
    ) {
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.codes.fill)(groups, inverse, lanes) }
    }

    /// See [`bounds`].
    #[inline]
    pub fn code_bounds(&self, scan: &Scan<'_>, bounds: &mut [f32]) {
        let block = block_bytes(scan.table.dimension());
        assert!(
            scan.codes.len().is_multiple_of(block),
            "codes are not whole blocks of {block} bytes"
        );
        let count = scan.codes.len() / block * BLOCK;
        assert!(
            scan.add.len() == count && scan.scale.len() == count && bounds.len() == count,
            "add, scale and bounds need {BLOCK} numbers a block"
        );
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.codes.bounds)(scan, bounds) }
        prefetch(scan.ahead.get(scan.codes.len()..).unwrap_or_default());
    }

    /// See [`above`].
    #[inline]
    pub fn above(&self, values: &[f32], threshold: f32, positions: &mut Vec<u32>) {
        assert!(
            u32::try_from(values.len().saturating_sub(1)).is_ok(),
            "positions have 32 bits"
        );
        // SAFETY: `self` came from `leaves`, which detected the features.
        unsafe { (self.codes.above)(values, threshold, positions) }
    }
}
