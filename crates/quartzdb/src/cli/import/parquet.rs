use std::{collections::HashMap, fs::File, path::Path};

use anyhow::{Context, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parquet::{
    basic::Type as Physical,
    column::reader::ColumnReader,
    file::reader::{FileReader, SerializedFileReader},
    schema::types::{ColumnDescPtr, SchemaDescriptor},
};
use quartz_client::{Metadata, MetadataValue, Record};

use super::{
    parquet_column::{Cells, List, Scalar, read, text},
    source::{Extent, Options, Source},
};
use crate::cli::format;

/// Rows that are in memory at a time.
const BLOCK_ROWS: usize = 256;

/// Reads a Parquet file, beginning after `skip` records.
pub(super) fn open(path: &Path, options: &Options, skip: u64) -> anyhow::Result<Source> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let reader =
        SerializedFileReader::new(file).with_context(|| format!("{name} is not a Parquet file"))?;
    let columns = plan(reader.metadata().file_metadata().schema_descr(), options)
        .with_context(|| format!("{name} cannot be imported"))?;
    let rows = u64::try_from(reader.metadata().file_metadata().num_rows())?;
    if skip > rows {
        bail!("{name} has {rows} rows, but {skip} were imported from it before");
    }
    let mut records = Records {
        reader,
        columns,
        group: 0,
        readers: Vec::new(),
        left: 0,
        block: Vec::new().into_iter(),
    };
    records
        .pass_over(skip)
        .with_context(|| format!("cannot read {name}"))?;
    Ok(Source {
        records: Box::new(records),
        extent: Extent::Records(rows),
        notes: Vec::new(),
    })
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Id,
    Vector,
    Metadata,
    Text,
    Value,
    ContentType,
    ExpiresAt,
    Field(String),
}

#[derive(Clone, Debug)]
struct Column {
    index: usize,
    role: Role,
    descriptor: ColumnDescPtr,
}

fn plan(schema: &SchemaDescriptor, options: &Options) -> anyhow::Result<Vec<Column>> {
    let mut leaves = HashMap::<&str, usize>::new();
    for column in schema.columns() {
        *leaves.entry(&column.path().parts()[0]).or_default() += 1;
    }
    let mut columns = Vec::new();
    for (index, descriptor) in schema.columns().iter().enumerate() {
        let name = &descriptor.path().parts()[0];
        if options.ignore.contains(name) {
            continue;
        }
        let text_field = options.text_field.as_deref().unwrap_or("text");
        let role = match name.as_str() {
            name if name == options.id_field => Role::Id,
            name if name == options.vector_field => Role::Vector,
            name if name == text_field => Role::Text,
            "metadata" => Role::Metadata,
            "value" => Role::Value,
            "content_type" => Role::ContentType,
            "expires_at" => Role::ExpiresAt,
            name => Role::Field(name.to_owned()),
        };
        let nested = leaves[name.as_str()] > 1 || descriptor.max_rep_level() > 1;
        let list = descriptor.max_rep_level() == 1;
        let physical = descriptor.physical_type();
        let float = matches!(physical, Physical::FLOAT | Physical::DOUBLE);
        let bytes = physical == Physical::BYTE_ARRAY;
        let fits = match &role {
            Role::Vector => list && float,
            Role::Field(_) if list => bytes,
            Role::Field(_) => !matches!(physical, Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY),
            Role::Id => !list && !float,
            Role::ExpiresAt => !list && physical == Physical::INT64,
            _ => !list && bytes,
        };
        if nested || !fits {
            bail!("column {name} {}", advice(&role, list && float, name));
        }
        columns.push(Column {
            index,
            role,
            descriptor: descriptor.clone(),
        });
    }
    if !columns.iter().any(|column| column.role == Role::Id) {
        let names: Vec<_> = schema
            .root_schema()
            .get_fields()
            .iter()
            .map(|f| f.name())
            .collect();
        bail!(
            "there is no column {}; --id-field names another of {}",
            options.id_field,
            names.join(", ")
        );
    }
    Ok(columns)
}

/// Why a column does not fit its role, and what can be done.
fn advice(role: &Role, floats: bool, name: &str) -> String {
    let wanted = match role {
        Role::Field(_) if floats => {
            return format!(
                "is a list of floats: --vector-field {name} makes it the vector, --ignore {name} \
                 leaves it out"
            );
        }
        Role::Vector => "a vector is a list of floats or doubles",
        Role::Id => "an id is a string or a whole number",
        Role::ExpiresAt => "it holds milliseconds since 1970",
        Role::Field(_) => "a metadata field is a string, a number, a boolean or a list of strings",
        _ => "it holds text or bytes",
    };
    format!("has a type that does not fit: {wanted} (--ignore {name} leaves it out)")
}

struct Records {
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
    /// The next row group.
    group: usize,
    /// Readers of the group that is open, one for each column.
    readers: Vec<ColumnReader>,
    /// Rows of the open group that have not been read.
    left: usize,
    block: std::vec::IntoIter<Option<Record>>,
}

impl Records {
    /// Whole row groups are passed over unread.
    fn pass_over(&mut self, mut rows: u64) -> anyhow::Result<()> {
        while rows > 0 {
            let group = self.reader.metadata().row_group(self.group);
            let length = u64::try_from(group.num_rows())?;
            if length > rows {
                break;
            }
            rows -= length;
            self.group += 1;
        }
        for _ in 0..rows {
            self.advance()?;
        }
        Ok(())
    }

    fn advance(&mut self) -> anyhow::Result<Option<Option<Record>>> {
        loop {
            if let Some(record) = self.block.next() {
                return Ok(Some(record));
            }
            if self.left == 0 {
                if self.group == self.reader.num_row_groups() {
                    return Ok(None);
                }
                let group = self.reader.get_row_group(self.group)?;
                let readers = self.columns.iter();
                self.readers = readers
                    .map(|column| group.get_column_reader(column.index))
                    .collect::<Result<_, _>>()?;
                self.left = usize::try_from(group.metadata().num_rows())?;
                self.group += 1;
                continue;
            }
            let rows = self.left.min(BLOCK_ROWS);
            self.left -= rows;
            self.block = self.read_block(rows)?.into_iter();
        }
    }

    fn read_block(&mut self, rows: usize) -> anyhow::Result<Vec<Option<Record>>> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for (column, reader) in self.columns.iter().zip(&mut self.readers) {
            let block = read(reader, &column.descriptor, rows)
                .with_context(|| column_name(&column.descriptor))?;
            cells.push(block);
        }
        let now = format::now();
        let mut records = Vec::with_capacity(rows);
        for _ in 0..rows {
            let mut row = Row::default();
            for (column, cells) in self.columns.iter().zip(&mut cells) {
                row.take(&column.role, cells)
                    .with_context(|| column_name(&column.descriptor))?;
            }
            records.push(row.into_record(now));
        }
        Ok(records)
    }
}

fn column_name(descriptor: &ColumnDescPtr) -> String {
    format!("column {}", descriptor.path().parts()[0])
}

impl Iterator for Records {
    type Item = anyhow::Result<Option<Record>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[derive(Default)]
struct Row {
    record: Record,
    metadata: Metadata,
    expires_at: Option<u64>,
}

impl Row {
    fn take(&mut self, role: &Role, cells: &mut Cells) -> anyhow::Result<()> {
        match cells {
            Cells::Scalars(cells) => match cells.next().flatten() {
                Some(scalar) => self.scalar(role, scalar),
                None if *role == Role::Id => bail!("a record has no id"),
                None => Ok(()),
            },
            Cells::Lists(cells) => match (cells.next().flatten(), role) {
                (Some(List::Floats(vector)), _) => {
                    self.record.vector = Some(vector.into());
                    Ok(())
                }
                (Some(List::Bytes(items)), Role::Field(name)) => {
                    let items = items.iter().map(text).collect::<Result<_, _>>()?;
                    let value = MetadataValue::Strings(items);
                    self.metadata.0.insert(name.clone(), value);
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn scalar(&mut self, role: &Role, scalar: Scalar) -> anyhow::Result<()> {
        match (role, scalar) {
            (Role::Id, scalar) => self.record.id = scalar.into_id()?,
            (Role::Text, Scalar::Bytes(bytes)) => self.record.text = Some(text(&bytes)?),
            (Role::Value, Scalar::Bytes(bytes)) => {
                self.record.value_base64 = Some(STANDARD.encode(bytes.data()));
            }
            (Role::ContentType, Scalar::Bytes(bytes)) => {
                self.record.content_type = Some(text(&bytes)?);
            }
            (Role::Metadata, Scalar::Bytes(bytes)) => {
                let parsed: Metadata = serde_json::from_slice(bytes.data())?;
                self.metadata.0.extend(parsed.0);
            }
            (Role::ExpiresAt, Scalar::Integer(moment)) => {
                self.expires_at = Some(u64::try_from(moment).unwrap_or(0));
            }
            (Role::Field(name), scalar) => {
                self.metadata
                    .0
                    .insert(name.clone(), scalar.into_metadata()?);
            }
            _ => {}
        }
        Ok(())
    }

    fn into_record(mut self, now: u64) -> Option<Record> {
        if let Some(moment) = self.expires_at {
            let left = moment.checked_sub(now).filter(|left| *left > 0)?;
            self.record.ttl = Some(left.div_ceil(1000));
        }
        if !self.metadata.0.is_empty() {
            self.record.metadata = Some(self.metadata);
        }
        Some(self.record)
    }
}
