//! One-bit codes: their layout, their table, and every leaf's scan against the definition.

mod noise;

use noise::noise;
use proptest::prelude::*;
use quartz_kernels::codes::{self, BLOCK, Scan, Table, block_bytes};
use quartz_kernels::{above, leaves};

/// Packs as many vectors as `values` has.
fn packed(values: &[f32], dimension: usize) -> Vec<u8> {
    let count = values.len() / dimension;
    let mut blocks = vec![0; count.div_ceil(BLOCK) * block_bytes(dimension)];
    for (position, vector) in values.chunks(dimension).enumerate() {
        codes::pack(&mut blocks, position, vector);
    }
    blocks
}

/// The documented formula, from the bits of each code.
fn defined_bounds(scan: &Scan<'_>) -> Vec<f32> {
    let dimension = scan.table.dimension();
    let mut signs = vec![0.0; dimension];
    let of_code = |position: usize| {
        codes::unpack(scan.codes, position, &mut signs);
        let sum: u32 = (signs.chunks(4).zip(scan.table.entries().chunks(16)))
            .map(|(signs, entries)| {
                let bits = (0..4).filter(|&b| signs[b] > 0.0);
                u32::from(entries[bits.map(|b| 1 << b).sum::<usize>()])
            })
            .sum();
        let product = sum as f32 * scan.table.step() + (scan.table.offset() + scan.slack);
        (scan.base + scan.add[position]) + product * scan.scale[position]
    };
    (0..scan.add.len()).map(of_code).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().copied().map(f32::to_bits).collect()
}

#[track_caller]
fn assert_every_leaf_is_the_definition(scan: &Scan<'_>) {
    let expected = defined_bounds(scan);
    for leaf in leaves() {
        let mut bounds = vec![f32::NAN; expected.len()];
        leaf.code_bounds(scan, &mut bounds);
        let dimension = scan.table.dimension();
        assert_eq!(
            bits(&bounds),
            bits(&expected),
            "{} at {dimension}",
            leaf.level()
        );
    }
}

#[test]
fn the_layout_is_as_documented() {
    let dimension = 128;
    let values = noise(5, 70 * dimension);
    let blocks = packed(&values, dimension);
    assert_eq!(blocks.len(), 3 * 512);
    for (position, vector) in values.chunks(dimension).enumerate() {
        let (block, slot) = (position / 32, position % 32);
        for (component, &value) in vector.iter().enumerate() {
            let byte = blocks[block * 512 + component / 4 * 16 + slot % 16];
            let bit = byte >> (slot / 16 * 4 + component % 4) & 1;
            assert_eq!(bit == 1, value >= 0.0);
        }
    }
}

#[test]
fn zeros_are_positive_and_nan_is_not() {
    let mut vector = [-1.0; 64];
    vector[..3].copy_from_slice(&[0.0, -0.0, f32::NAN]);
    let mut signs = [0.0; 64];
    codes::unpack(&packed(&vector, 64), 0, &mut signs);
    assert_eq!(signs[..4], [1.0, 1.0, -1.0, -1.0]);
}

#[derive(Clone, Debug)]
enum Edit {
    Pack(usize, Vec<bool>),
    Copy(usize, usize),
    CopyWithin(usize, usize),
    Clear(usize),
}

const COUNT: usize = 3 * BLOCK;

fn edit() -> impl Strategy<Value = Edit> {
    let position = 0..COUNT;
    prop_oneof![
        (position.clone(), prop::collection::vec(any::<bool>(), 64))
            .prop_map(|(to, signs)| Edit::Pack(to, signs)),
        (position.clone(), position.clone()).prop_map(|(from, to)| Edit::Copy(from, to)),
        (position.clone(), position.clone()).prop_map(|(from, to)| Edit::CopyWithin(from, to)),
        position.prop_map(Edit::Clear),
    ]
}

proptest! {
    /// Each edit changes one code and no other.
    #[test]
    fn edits_follow_a_list_of_codes(edits in prop::collection::vec(edit(), 1..100)) {
        let other: Vec<Vec<bool>> = (0..COUNT).map(|i| (0..64).map(|b| b * i % 3 == 1).collect()).collect();
        let sign = |&bit: &bool| if bit { 1.0 } else { -1.0 };
        let other_values: Vec<f32> = other.iter().flatten().map(sign).collect();
        let other_blocks = packed(&other_values, 64);
        let mut model = vec![vec![false; 64]; COUNT];
        let mut blocks = vec![0; 3 * block_bytes(64)];
        for edit in edits {
            match edit {
                Edit::Pack(to, signs) => {
                    let values: Vec<f32> = signs.iter().map(sign).collect();
                    codes::pack(&mut blocks, to, &values);
                    model[to] = signs;
                }
                Edit::Copy(from, to) => {
                    codes::copy(&other_blocks, from, &mut blocks, to, 64);
                    model[to].clone_from(&other[from]);
                }
                Edit::CopyWithin(from, to) => {
                    codes::copy_within(&mut blocks, from, to, 64);
                    model[to] = model[from].clone();
                }
                Edit::Clear(position) => {
                    codes::clear(&mut blocks, position, 64);
                    model[position] = vec![false; 64];
                }
            }
        }
        for (position, expected) in model.iter().enumerate() {
            let mut signs = [0.0; 64];
            codes::unpack(&blocks, position, &mut signs);
            prop_assert!(signs.iter().zip(expected).all(|(sign, bit)| (*sign == 1.0) == *bit));
        }
    }

    #[test]
    fn sums_of_entries_are_near_the_product(groups in 1..6_usize, power in -60..60_i32, seed in 0..1000_usize) {
        let dimension = 64 * groups;
        let query: Vec<f32> = noise(seed, dimension).iter().map(|q| q * 2_f32.powi(power)).collect();
        let vector = noise(seed + 1, dimension);
        let (table, blocks) = (Table::new(&query), packed(&vector, dimension));
        let (add, scale) = ([0.0; BLOCK], [1.0; BLOCK]);
        let mut products = [0.0; BLOCK];
        codes::bounds(&Scan { table: &table, codes: &blocks, add: &add, scale: &scale, base: 0.0, slack: 0.0, ahead: &[] }, &mut products);
        let exact: f64 = query.iter().zip(&vector).map(|(q, v)| f64::from(*q) * if *v >= 0.0 { 1.0 } else { -1.0 }).sum();
        // Half a step a group, and what the float operations round.
        let most = f64::from(table.step()) * (dimension as f64 / 8.0 + 1.0);
        prop_assert!((f64::from(products[0]) - exact).abs() <= most);
    }

    #[test]
    fn every_leaf_is_the_definition(
        groups in 1..8_usize,
        blocks in 0..4_usize,
        seed in 0..1000_usize,
        base in -2.0_f32..2.0,
        slack in 0.0_f32..2.0,
        ahead in 0..5_usize,
    ) {
        let dimension = 64 * groups;
        let count = blocks * BLOCK;
        let table = Table::new(&noise(seed, dimension));
        let codes = packed(&noise(seed + 1, dimension * count), dimension);
        let (add, scale) = (noise(seed + 2, count), noise(seed + 3, count));
        let ahead = &vec![0; ahead * block_bytes(dimension)];
        assert_every_leaf_is_the_definition(&Scan { table: &table, codes: &codes, add: &add, scale: &scale, base, slack, ahead });
    }

    #[test]
    fn signs_of_bytes_are_packed_like_those_of_floats(
        rows in prop::collection::vec(prop::collection::vec(any::<i8>(), 128), 1..70),
    ) {
        let floats: Vec<f32> = rows.iter().flatten().map(|&value| value.into()).collect();
        // What was there before does not count.
        let mut blocks = vec![0xa5; rows.len().div_ceil(BLOCK) * block_bytes(128)];
        for (position, row) in rows.iter().enumerate() {
            codes::pack_i8(&mut blocks, position, row);
        }
        for position in rows.len()..blocks.len() * 8 / 128 {
            codes::clear(&mut blocks, position, 128);
        }
        assert_eq!(blocks, packed(&floats, 128));
    }

    #[test]
    fn every_leaf_finds_what_is_above(
        values in prop::collection::vec(prop_oneof![
            8 => -1.0_f32..0.0, 2 => 0.0_f32..1.0, 1 => Just(f32::NAN), 1 => Just(0.0), 1 => Just(-0.0), 1 => Just(f32::INFINITY)
        ], 0..300),
        threshold in prop_oneof![4 => Just(0.0_f32), 1 => Just(f32::INFINITY), 1 => Just(f32::NEG_INFINITY), 1 => Just(f32::NAN), 2 => -1.0_f32..1.0],
    ) {
        let expected: Vec<u32> = (0..values.len()).filter(|&i| values[i] > threshold).map(|i| i as u32).collect();
        for leaf in leaves() {
            let mut positions = vec![4, 5];
            leaf.above(&values, threshold, &mut positions);
            prop_assert_eq!(&positions[..2], &[4, 5]);
            prop_assert_eq!(&positions[2..], &expected, "{}", leaf.level());
        }
    }
}

/// Every entry that a code selects is 255, and the sums pass 16 bits; then random ones.
#[test]
fn no_sum_overflows() {
    for dimension in [64, 1024, 1088, 4096, 16_384 - 64, 16_384] {
        let mut query = noise(dimension, dimension);
        let random = Table::new(&query);
        query.fill(1.0);
        let largest = Table::new(&query);
        let mut values = noise(1, BLOCK * dimension);
        values[..2 * dimension].fill(1.0);
        values[31 * dimension..].fill(1.0);
        let codes = packed(&values, dimension);
        let (add, scale) = (noise(2, BLOCK), noise(3, BLOCK));
        for table in [&random, &largest] {
            assert_every_leaf_is_the_definition(&Scan {
                table,
                codes: &codes,
                add: &add,
                scale: &scale,
                base: 0.5,
                slack: 0.25,
                ahead: &[],
            });
        }
        let mut bounds = [0.0; BLOCK];
        codes::bounds(
            &Scan {
                table: &largest,
                codes: &codes,
                add: &[0.0; BLOCK],
                scale: &[1.0; BLOCK],
                base: 0.0,
                slack: 0.0,
                ahead: &[],
            },
            &mut bounds,
        );
        let error = (bounds[31] - dimension as f32).abs();
        assert!(error < 1e-6 * dimension as f32);
    }
}

#[test]
fn a_table_is_filled_again() {
    let mut table = Table::new(&noise(1, 384));
    table.fill(&noise(2, 128));
    assert_eq!(table, Table::new(&noise(2, 128)));
    assert_eq!(table.dimension(), 128);
    for query in [vec![0.0; 64], vec![1e-32; 64]] {
        table.fill(&query);
        assert_eq!((table.step(), table.offset()), (0.0, 0.0));
        assert_eq!(table.entries(), [0; 256]);
    }
}

#[test]
fn the_crate_scans_by_its_leaf() {
    let values = noise(1, 64 * BLOCK);
    let (table, codes) = (Table::new(&noise(2, 64)), packed(&values, 64));
    let (add, scale) = (noise(3, BLOCK), noise(4, BLOCK));
    let scan = Scan {
        table: &table,
        codes: &codes,
        add: &add,
        scale: &scale,
        base: 1.0,
        slack: 0.5,
        ahead: &[],
    };
    let mut bounds = [0.0; BLOCK];
    codes::bounds(&scan, &mut bounds);
    assert_eq!(bits(&bounds), bits(&defined_bounds(&scan)));
    let mut positions = vec![];
    above(&bounds, bounds[7], &mut positions);
    assert!(!positions.contains(&7));
}

#[test]
#[should_panic(expected = "a multiple of 64 dimensions, not 96")]
fn dimensions_must_be_whole_registers() {
    codes::pack(&mut [0; 4096], 0, &[0.0; 96]);
}

#[test]
#[should_panic(expected = "a multiple of 64 dimensions, not 4")]
fn tables_too() {
    Table::new(&[0.0; 4]);
}

#[test]
#[should_panic(expected = "codes are not whole blocks of 256 bytes")]
fn blocks_must_be_whole() {
    let table = Table::new(&[1.0; 64]);
    codes::bounds(
        &Scan {
            table: &table,
            codes: &[0; 255],
            add: &[],
            scale: &[],
            base: 0.0,
            slack: 0.0,
            ahead: &[],
        },
        &mut [],
    );
}

#[test]
#[should_panic(expected = "add, scale and bounds need 32 numbers a block")]
fn every_code_needs_its_numbers() {
    let table = Table::new(&[1.0; 64]);
    let (add, scale) = ([0.0; 31], [0.0; 32]);
    codes::bounds(
        &Scan {
            table: &table,
            codes: &[0; 256],
            add: &add,
            scale: &scale,
            base: 0.0,
            slack: 0.0,
            ahead: &[],
        },
        &mut [0.0; 32],
    );
}

#[test]
#[should_panic(expected = "add, scale and bounds need 32 numbers a block")]
fn every_code_needs_a_bound() {
    let table = Table::new(&[1.0; 64]);
    codes::bounds(
        &Scan {
            table: &table,
            codes: &[0; 256],
            add: &[0.0; 32],
            scale: &[0.0; 32],
            base: 0.0,
            slack: 0.0,
            ahead: &[],
        },
        &mut [],
    );
}
