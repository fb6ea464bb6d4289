//! Stored rows. The first byte chooses the kind. What decodes must encode to bytes that decode to
//! the same, so that no damaged row is read as one thing and written as another.
#![no_main]

use bytes::Bytes;
use quartz_core::keys::{
    calibration,
    chunk::Chunk,
    cluster,
    codes::{self, Block},
    idempotency::Entry,
    meta::Meta,
    number,
    place::Place,
    record::{self, Row},
    sketch,
};

/// Components of a rotated vector.
const DIMENSION: usize = 64;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, value)) = data.split_first() else {
        return;
    };
    match kind % 11 {
        0 => same_bytes(value, |value| Chunk::decode(value).map(|chunk| chunk.encode())),
        1 => same_bytes(value, |value| number::decode(value).map(|pairs| number::encode(&pairs))),
        2 => {
            if let Ok(fence) = number::fence(value) {
                assert!(value.ends_with(&number::key(&[], fence)));
            }
            if let Ok(id) = record::id(value) {
                assert_eq!(record::key(&id)[1..], *value.get(1..).unwrap_or_default());
            }
        }
        3 => settles(value, |value| Row::decode(value).map(|row| row.encode())),
        4 => settles(value, |value| Meta::decode(value).map(|meta| meta.encode())),
        5 => settles(value, |value| Entry::decode(value).map(|entry| entry.encode())),
        6 => same_bytes(value, |value| Place::decode(value).map(Place::encode)),
        7 => same_bytes(value, |value| {
            let mut components = Vec::new();
            let scale = sketch::decode_into(value, DIMENSION, &mut components)?;
            Ok::<_, &str>(sketch::encode(scale, &components))
        }),
        8 => same_bytes(value, |value| {
            let mut components = Vec::new();
            let (group, scale) = cluster::decode_into(value, DIMENSION, &mut components)?;
            Ok::<_, &str>(cluster::encode(group, scale, &components))
        }),
        9 => same_bytes(value, |value| calibration::Row::decode(value).map(|row| row.encode())),
        _ => same_bytes(value, |value| {
            codes::decode(value, DIMENSION).map(|block| {
                let Block { ordinals, add, scale, codes: signs } = block;
                codes::encode(&ordinals, &add, &scale, &signs)
            })
        }),
    }
});

/// Only one value encodes to these bytes.
fn same_bytes<E>(value: &[u8], recode: impl Fn(&[u8]) -> Result<Vec<u8>, E>) {
    if let Ok(again) = recode(value) {
        assert_eq!(again, value);
    }
}

/// Some order is free, so the first encoding may differ; from then on it must not.
fn settles<E: std::fmt::Debug>(value: &[u8], recode: impl Fn(Bytes) -> Result<Vec<u8>, E>) {
    if let Ok(once) = recode(Bytes::copy_from_slice(value)) {
        let twice = recode(once.clone().into()).expect("what was encoded decodes");
        assert_eq!(once, twice);
    }
}
