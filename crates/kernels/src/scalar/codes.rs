//! Scanning of one-bit codes.

use crate::codes::{BLOCK, Codes, LANE, Scan, block_bytes, fill_lanes};

pub(crate) const KERNELS: Codes = Codes {
    fill: fill_lanes,
    bounds,
    above,
};

fn bounds(scan: &Scan<'_>, bounds: &mut [f32]) {
    let (tables, _) = scan.table.entries().as_chunks::<16>();
    let blocks = scan.codes.chunks_exact(block_bytes(scan.table.dimension()));
    let (bounds, _) = bounds.as_chunks_mut::<BLOCK>();
    for (i, (block, bounds)) in blocks.zip(bounds).enumerate() {
        let mut sums = [0.0; BLOCK];
        for (lane, table) in block.as_chunks::<LANE>().0.iter().zip(tables) {
            for (i, patterns) in lane.iter().enumerate() {
                sums[i] += f32::from(table[usize::from(patterns & 0xf)]);
                sums[LANE + i] += f32::from(table[usize::from(patterns >> 4)]);
            }
        }
        scan.finish(i * BLOCK, &sums, bounds);
    }
}

fn above(values: &[f32], threshold: f32, positions: &mut Vec<u32>) {
    let found = (0..).zip(values).filter(|&(_, &value)| value > threshold);
    positions.extend(found.map(|(position, _)| position));
}
