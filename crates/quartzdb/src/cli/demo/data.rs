use quartz_client::{Metadata, MetadataValue, Record};
use serde::Deserialize;

use crate::cli::import::NpyHeader;

/// Definitions of nouns, from `demo/README.md`.
const RECORDS: (&str, &[u8]) = (
    include_str!("../../../demo/records.jsonl"),
    include_bytes!("../../../demo/records.npy"),
);
const QUERIES: (&str, &[u8]) = (
    include_str!("../../../demo/queries.jsonl"),
    include_bytes!("../../../demo/queries.npy"),
);

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    text: String,
    category: Option<String>,
    length: Option<f64>,
}

/// The records to search in.
pub(super) fn records() -> anyhow::Result<Vec<Record>> {
    let named = |name: &str, value| (name.to_owned(), value);
    read(RECORDS, |line, vector| {
        let category = line.category.map(MetadataValue::String);
        let length = line.length.map(MetadataValue::Number);
        let fields = [
            category.map(|value| named("category", value)),
            length.map(|value| named("length", value)),
        ];
        Record {
            id: line.id,
            vector: Some(vector.into()),
            metadata: Some(Metadata(fields.into_iter().flatten().collect())),
            text: Some(line.text),
            ..Record::default()
        }
    })
}

/// A definition that is not among the records.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) vector: Vec<f32>,
}

pub(super) fn queries() -> anyhow::Result<Vec<Query>> {
    read(QUERIES, |line, vector| Query {
        id: line.id,
        text: line.text,
        vector,
    })
}

fn read<T>(
    (lines, array): (&str, &[u8]),
    make: impl Fn(Line, Vec<f32>) -> T,
) -> anyhow::Result<Vec<T>> {
    let mut components = array;
    let header = NpyHeader::read(&mut components)?;
    let dimension = header.shape.last().copied().unwrap_or(1);
    let vectors = components.chunks(usize::try_from(dimension)?);
    lines
        .lines()
        .zip(vectors)
        .map(|(line, vector)| {
            let vector = vector
                .iter()
                .map(|byte| f32::from(byte.cast_signed()))
                .collect();
            Ok(make(serde_json::from_str(line)?, vector))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_its_vector() {
        let records = records().unwrap();
        assert_eq!((records.len(), queries().unwrap().len()), (1200, 12));
        for record in &records {
            assert_eq!(record.vector.as_ref().unwrap().as_slice().len(), 384);
            assert_eq!(record.metadata.as_ref().unwrap().0.len(), 2);
        }
        let mut ids: Vec<_> = records.iter().map(|record| &record.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1200);
    }
}
