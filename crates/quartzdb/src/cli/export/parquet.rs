use std::{fs::File, io::BufWriter, sync::Arc};

use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use quartz_client::StoredRecord;

const SCHEMA: &str = "message records {
  required binary id (STRING);
  optional group vector (LIST) { repeated group list { required float element; } }
  optional binary metadata (JSON);
  optional binary text (STRING);
  optional binary value;
  optional binary content_type (STRING);
  optional int64 expires_at (TIMESTAMP(MILLIS,true));
}";
const GROUP_ROWS: usize = 10_000;
const GROUP_BYTES: usize = 64 << 20;

/// Writes records as Parquet, a row group at a time.
pub(super) struct Sink {
    writer: SerializedFileWriter<BufWriter<File>>,
    group: Group,
}

/// The columns of the row group that is being collected. `None` is null.
#[derive(Default)]
struct Group {
    rows: usize,
    bytes: usize,
    ids: Vec<Option<ByteArray>>,
    vectors: Vec<Option<Vec<f32>>>,
    metadata: Vec<Option<ByteArray>>,
    texts: Vec<Option<ByteArray>>,
    values: Vec<Option<ByteArray>>,
    content_types: Vec<Option<ByteArray>>,
    expiries: Vec<Option<i64>>,
}

impl Sink {
    pub(super) fn new(file: File) -> anyhow::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        // Vectors do not repeat: a dictionary of them would be pure cost.
        let properties = properties.set_dictionary_enabled(false).build();
        let file = super::buffered(file);
        Ok(Self {
            writer: SerializedFileWriter::new(file, schema, Arc::new(properties))?,
            group: Group::default(),
        })
    }

    pub(super) fn write(&mut self, record: StoredRecord) -> anyhow::Result<()> {
        self.group.push(record)?;
        if self.group.rows >= GROUP_ROWS || self.group.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        if self.group.rows > 0 {
            self.flush()?;
        }
        // Closing writes the footer and flushes.
        self.writer.close()?;
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut writer = self.writer.next_row_group()?;
        let ids: Vec<_> = group.ids.into_iter().flatten().collect();
        let mut column = next(&mut writer)?;
        column
            .typed::<ByteArrayType>()
            .write_batch(&ids, None, None)?;
        column.close()?;
        vectors(&mut writer, &group.vectors)?;
        optional::<ByteArrayType>(&mut writer, group.metadata)?;
        optional::<ByteArrayType>(&mut writer, group.texts)?;
        optional::<ByteArrayType>(&mut writer, group.values)?;
        optional::<ByteArrayType>(&mut writer, group.content_types)?;
        optional::<Int64Type>(&mut writer, group.expiries)?;
        writer.close()?;
        Ok(())
    }
}

type Writer<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

fn next<'a>(
    writer: &'a mut Writer<'_>,
) -> anyhow::Result<parquet::file::writer::SerializedColumnWriter<'a>> {
    writer
        .next_column()?
        .context("the schema has a column less than it should")
}

fn optional<T: DataType>(writer: &mut Writer<'_>, cells: Vec<Option<T::T>>) -> anyhow::Result<()> {
    let defined: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let mut column = next(writer)?;
    column
        .typed::<T>()
        .write_batch(&values, Some(&defined), None)?;
    Ok(column.close()?)
}

fn vectors(writer: &mut Writer<'_>, vectors: &[Option<Vec<f32>>]) -> anyhow::Result<()> {
    let mut column = next(writer)?;
    let typed = column.typed::<FloatType>();
    for vector in vectors {
        // Levels: 0 no list, 1 an empty one, 2 an element.
        let components = vector.as_deref().unwrap_or_default();
        let levels = components.len().max(1);
        let level = match vector.as_deref() {
            None => 0,
            Some([]) => 1,
            Some(_) => 2,
        };
        let mut repeated = vec![1; levels];
        repeated[0] = 0;
        typed.write_batch(components, Some(&vec![level; levels]), Some(&repeated))?;
    }
    Ok(column.close()?)
}

impl Group {
    fn push(&mut self, record: StoredRecord) -> anyhow::Result<()> {
        let value = value(&record)?;
        let metadata = record
            .metadata
            .as_ref()
            .map(serde_json::to_vec)
            .transpose()?;
        let vector = record.vector.map(quartz_client::Vector::into_vec);
        let bytes = [
            vector.as_ref().map_or(0, |vector| vector.len() * 4),
            metadata.as_ref().map_or(0, Vec::len),
            record.text.as_ref().map_or(0, String::len),
            value.as_ref().map_or(0, Vec::len),
        ];
        self.rows += 1;
        self.bytes += record.id.len() + bytes.iter().sum::<usize>();
        self.ids.push(Some(record.id.into_bytes().into()));
        self.vectors.push(vector);
        self.metadata.push(metadata.map(Into::into));
        self.texts
            .push(record.text.map(|text| text.into_bytes().into()));
        self.values.push(value.map(Into::into));
        let content_type = record.content_type;
        self.content_types
            .push(content_type.map(|t| t.into_bytes().into()));
        let expiry = record.expires_at.map(i64::try_from).transpose()?;
        self.expiries.push(expiry);
        Ok(())
    }
}

/// The bytes of the value: a JSON value stands for itself, a string of another type for its text.
fn value(record: &StoredRecord) -> anyhow::Result<Option<Vec<u8>>> {
    if let Some(base64) = &record.value_base64 {
        return Ok(Some(STANDARD.decode(base64)?));
    }
    let Some(value) = &record.value else {
        return Ok(None);
    };
    let json = record.content_type.as_deref().is_none_or(is_json);
    if !json && value.get().starts_with('"') {
        let text: String = serde_json::from_str(value.get())?;
        return Ok(Some(text.into_bytes()));
    }
    Ok(Some(value.get().as_bytes().to_vec()))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}
