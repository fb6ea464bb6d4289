use std::{
    fs::File,
    io::{BufWriter, Seek, SeekFrom, Write},
};

use anyhow::{Context, bail};
use quartz_client::{MetadataValue, StoredRecord};

/// Bytes before the data: enough for any shape, and the data aligned.
const HEADER_BYTES: usize = 128;

/// Writes vectors as a NumPy array of f4, and beside it a JSON line with id and metadata for each.
pub(super) struct Sink {
    array: BufWriter<File>,
    sidecar: BufWriter<File>,
    dimension: usize,
    rows: u64,
    without_vector: u64,
    dropped_parts: u64,
}

impl Sink {
    pub(super) fn new(array: File, sidecar: File) -> Self {
        Self {
            array: super::buffered(array),
            sidecar: super::buffered(sidecar),
            dimension: 0,
            rows: 0,
            without_vector: 0,
            dropped_parts: 0,
        }
    }

    pub(super) fn write(&mut self, record: StoredRecord) -> anyhow::Result<()> {
        let Some(vector) = record.vector else {
            self.without_vector += 1;
            return Ok(());
        };
        if self.rows == 0 {
            self.dimension = vector.as_slice().len();
            self.array.write_all(&[0; HEADER_BYTES])?;
        }
        if vector.as_slice().len() != self.dimension {
            bail!(
                "record {} has another dimension than those before it",
                record.id
            );
        }
        for component in vector.as_slice() {
            self.array.write_all(&component.to_le_bytes())?;
        }
        let mut fields = record.metadata.unwrap_or_default();
        let id = MetadataValue::String(record.id.clone());
        if fields.0.insert("id".into(), id).is_some() {
            bail!(
                "record {} has a metadata field named id, which the JSON Lines beside a NumPy array \
                 cannot hold: export as JSON Lines or Parquet",
                record.id
            );
        }
        serde_json::to_writer(&mut self.sidecar, &fields)?;
        self.sidecar.write_all(b"\n")?;
        let value = record.value.is_some() || record.value_base64.is_some();
        self.dropped_parts += u64::from(value || record.text.is_some());
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<Option<String>> {
        if self.rows == 0 {
            bail!("no record has a vector: export as JSON Lines or Parquet");
        }
        self.sidecar.flush()?;
        self.array.seek(SeekFrom::Start(0))?;
        self.array.write_all(&header(self.rows, self.dimension)?)?;
        self.array.flush()?;
        let mut left_out = Vec::new();
        if self.without_vector > 0 {
            left_out.push(format!("{} records without a vector", self.without_vector));
        }
        if self.dropped_parts > 0 {
            left_out.push(format!("text or value of {} records", self.dropped_parts));
        }
        Ok((!left_out.is_empty()).then(|| {
            let left_out = left_out.join(", ");
            format!("left out: {left_out}; JSON Lines and Parquet keep them")
        }))
    }
}

fn header(rows: u64, dimension: usize) -> anyhow::Result<Vec<u8>> {
    let dict =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}");
    let text_bytes = HEADER_BYTES - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(u16::try_from(text_bytes)?.to_le_bytes());
    header.extend(format!("{dict:<width$}\n", width = text_bytes - 1).as_bytes());
    (header.len() == HEADER_BYTES)
        .then_some(header)
        .context("the array is too large for its header")
}
