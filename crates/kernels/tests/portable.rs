//! What may be stored: the same bits as on every other machine, which this file has written down.

mod noise;

use noise::noise;
use quartz_kernels::codes::{self, BLOCK, Scan, Table, block_bytes};
use quartz_kernels::{dot_i8, hadamard, portable_dot, portable_squared_euclidean, quantise_i8};

/// FNV-1a over the bytes of the numbers.
fn digest<const N: usize>(numbers: impl IntoIterator<Item = [u8; N]>) -> u64 {
    numbers
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

fn of_floats(values: &[f32]) -> u64 {
    digest(values.iter().map(|value| value.to_le_bytes()))
}

#[test]
fn transforms() {
    let digests = [64, 1024, 16_384].map(|length| {
        let mut values = noise(length, length);
        hadamard(&mut values);
        of_floats(&values)
    });
    assert_eq!(
        digests,
        [
            0x8da3_6650_c6a3_c697,
            0xaa31_e285_e94a_6333,
            0x5875_82e1_0de3_a1f7
        ]
    );
}

#[test]
fn quantised_vectors() {
    let values = noise(7, 1536);
    let mut codes = vec![0; values.len()];
    let scale = quantise_i8(&values, &mut codes);
    let digest = digest(codes.iter().map(|code| code.to_le_bytes()));
    let square = dot_i8(&codes, &codes);
    assert_eq!(
        (scale.to_bits(), digest, square),
        (0x3c00_eb2b, 0xde37_e4e1_ab29_d29d, 8_235_528)
    );
}

#[test]
fn codes_and_their_bounds() {
    let dimension = 1536;
    let mut blocks = vec![0; 2 * block_bytes(dimension)];
    for (position, vector) in noise(8, 2 * BLOCK * dimension)
        .chunks(dimension)
        .enumerate()
    {
        codes::pack(&mut blocks, position, vector);
    }
    let table = Table::new(&noise(9, dimension));
    let (add, scale) = (noise(10, 2 * BLOCK), noise(11, 2 * BLOCK));
    let mut bounds = vec![0.0; 2 * BLOCK];
    codes::bounds(
        &Scan {
            table: &table,
            codes: &blocks,
            add: &add,
            scale: &scale,
            base: 0.3,
            slack: 0.7,
            ahead: &[],
        },
        &mut bounds,
    );
    let digests = [
        digest(blocks.iter().map(|byte| [*byte])),
        digest(table.entries().iter().map(|entry| [*entry])),
        of_floats(&[table.step(), table.offset()]),
        of_floats(&bounds),
    ];
    assert_eq!(
        digests,
        [
            0x28b7_2d09_f739_8202,
            0x2da0_a4e4_0d3f_9200,
            0x7e1c_5490_905f_dbbf,
            0x5e5b_bc42_9d55_6d37
        ]
    );
}

#[test]
fn portable_distances() {
    let pairs = [3, 64, 100, 384, 1537].map(|dimension| {
        let (a, b) = (noise(12, dimension), noise(13, dimension));
        [portable_dot(&a, &b), portable_squared_euclidean(&a, &b)]
    });
    assert_eq!(of_floats(pairs.as_flattened()), 0x72c8_2306_9cc9_9da1);
}
