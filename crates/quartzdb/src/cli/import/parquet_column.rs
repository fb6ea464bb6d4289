//! Blocks of one Parquet column as Rust values, without Arrow.

use anyhow::{bail, ensure};
use parquet::{
    basic::Repetition,
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    schema::types::ColumnDescriptor,
};
use quartz_client::MetadataValue;

const LARGEST_WHOLE: i64 = 1 << 53;

/// The rows of a block of one column.
#[derive(Debug)]
pub(super) enum Cells {
    Scalars(std::vec::IntoIter<Option<Scalar>>),
    Lists(std::vec::IntoIter<Option<List>>),
}

#[derive(Debug)]
pub(super) enum Scalar {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Bytes(ByteArray),
}

#[derive(Debug)]
pub(super) enum List {
    Floats(Vec<f32>),
    Bytes(Vec<ByteArray>),
}

/// The levels of a block; empty where the column is required or not repeated.
#[derive(Debug, Default)]
struct Levels {
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

/// Reads the next rows of a column.
pub(super) fn read(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
    rows: usize,
) -> anyhow::Result<Cells> {
    use ColumnReader as R;
    use Scalar::{Bool, Bytes, Integer, Number};
    if column.max_rep_level() == 0 {
        let cells = match reader {
            R::BoolColumnReader(r) => scalars(r, column, rows, |v| Bool(*v)),
            R::Int32ColumnReader(r) => scalars(r, column, rows, |v| Integer(i64::from(*v))),
            R::Int64ColumnReader(r) => scalars(r, column, rows, |v| Integer(*v)),
            R::FloatColumnReader(r) => scalars(r, column, rows, |v| Number(f64::from(*v))),
            R::DoubleColumnReader(r) => scalars(r, column, rows, |v| Number(*v)),
            R::ByteArrayColumnReader(r) => scalars(r, column, rows, |v| Bytes(v.clone())),
            _ => bail!(
                "its type {} is not one that can be imported",
                column.physical_type()
            ),
        };
        return Ok(Cells::Scalars(cells?.into_iter()));
    }
    let lists: Vec<_> = match reader {
        R::FloatColumnReader(r) => lists(r, column, rows, |v| *v, List::Floats)?,
        R::DoubleColumnReader(r) => lists(r, column, rows, |v| *v as f32, List::Floats)?,
        R::ByteArrayColumnReader(r) => lists(r, column, rows, ByteArray::clone, List::Bytes)?,
        _ => bail!("lists of {} cannot be imported", column.physical_type()),
    };
    Ok(Cells::Lists(lists.into_iter()))
}

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    rows: usize,
) -> anyhow::Result<(Vec<T::T>, Levels)> {
    let mut values = Vec::new();
    let mut levels = Levels::default();
    let mut done = 0;
    while done < rows {
        let defined = (column.max_def_level() > 0).then_some(&mut levels.defined);
        let repeated = (column.max_rep_level() > 0).then_some(&mut levels.repeated);
        let (read, _, _) = reader.read_records(rows - done, defined, repeated, &mut values)?;
        ensure!(read > 0, "it ends {} rows too early", rows - done);
        done += read;
    }
    Ok((values, levels))
}

fn scalars<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    rows: usize,
    scalar: impl Fn(&T::T) -> Scalar,
) -> anyhow::Result<Vec<Option<Scalar>>> {
    let (values, levels) = values(reader, column, rows)?;
    let mut values = values.iter().map(scalar);
    if column.max_def_level() == 0 {
        return Ok(values.map(Some).collect());
    }
    let there = |level: &i16| *level == column.max_def_level();
    let cells = levels.defined.iter();
    Ok(cells
        .map(|level| if there(level) { values.next() } else { None })
        .collect())
}

fn lists<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    rows: usize,
    value: impl Fn(&T::T) -> V,
    list: impl Fn(Vec<V>) -> List,
) -> anyhow::Result<Vec<Option<List>>> {
    let (values, levels) = values(reader, column, rows)?;
    let full = column.max_def_level();
    let nullable = column.self_type().get_basic_info().repetition() == Repetition::OPTIONAL;
    let mut values = values.iter().map(value);
    let mut cells = Vec::with_capacity(rows);
    let mut at = 0;
    while at < levels.repeated.len() {
        let after = &levels.repeated[at + 1..];
        let length = 1 + after.iter().take_while(|level| **level > 0).count();
        let defined = &levels.defined[at..at + length];
        at += length;
        if nullable && defined.contains(&(full - 1)) {
            bail!(
                "a list holds a null in row {} of its block",
                cells.len() + 1
            );
        }
        // A list that is null or empty is one level that is not fully defined.
        let empty = defined[0] < full;
        cells.push((!empty).then(|| list(values.by_ref().take(length).collect())));
    }
    ensure!(
        cells.len() == rows,
        "it has {} lists for {rows} rows",
        cells.len()
    );
    Ok(cells)
}

impl Scalar {
    /// The value as the id of a record.
    pub(super) fn into_id(self) -> anyhow::Result<String> {
        match self {
            Self::Integer(number) => Ok(number.to_string()),
            Self::Bytes(bytes) => text(&bytes),
            _ => bail!("ids are strings or whole numbers"),
        }
    }

    /// The value as metadata.
    pub(super) fn into_metadata(self) -> anyhow::Result<MetadataValue> {
        Ok(match self {
            Self::Bool(flag) => MetadataValue::Bool(flag),
            Self::Number(number) => MetadataValue::Number(number),
            Self::Bytes(bytes) => MetadataValue::String(text(&bytes)?),
            Self::Integer(number) => {
                if number.unsigned_abs() > LARGEST_WHOLE.unsigned_abs() {
                    bail!("{number} is beyond ±2^53: cast the column to strings");
                }
                MetadataValue::Number(number as f64)
            }
        })
    }
}

/// UTF-8 text of a value.
pub(super) fn text(bytes: &ByteArray) -> anyhow::Result<String> {
    match std::str::from_utf8(bytes.data()) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => bail!("{} bytes of it are not UTF-8 text", bytes.len()),
    }
}
