use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use half::{f16, slice::HalfFloatSliceExt};
use quartz_client::{MAX, Metadata, MetadataValue, Record};

use super::{
    jsonl::Lines,
    npy_header::Header,
    source::{Extent, Options, Source},
};

const BUFFER_BYTES: usize = 1 << 20;

/// Reads an array of vectors and the JSON Lines beside it, beginning after `skip` records.
pub(super) fn open(path: &Path, options: &Options, skip: u64) -> anyhow::Result<Source> {
    let mut array = Array::open(path)?;
    array.skip(skip)?;
    let mut notes = Vec::new();
    let sidecar = match sidecar(path, options) {
        Some(path) => {
            let mut lines = Lines::open(&path)?;
            lines.skip(skip)?;
            notes.push(format!("ids and metadata from {}", path.display()));
            Some(lines)
        }
        None => {
            notes.push("no JSON Lines beside the array: ids are row numbers".into());
            None
        }
    };
    let extent = Extent::Records(array.rows);
    let records = Records {
        array,
        sidecar,
        options: options.clone(),
    };
    Ok(Source {
        records: Box::new(records),
        extent,
        notes,
    })
}

/// `a.npy` goes with `a.jsonl`, and so does `a.f16.npy` if there is no `a.f16.jsonl`.
fn sidecar(path: &Path, options: &Options) -> Option<PathBuf> {
    let beside = path.with_extension("jsonl");
    let shorter = path.with_extension("").with_extension("jsonl");
    options
        .sidecar
        .clone()
        .or_else(|| [beside, shorter].into_iter().find(|path| path.exists()))
}

struct Records {
    array: Array,
    sidecar: Option<Lines>,
    options: Options,
}

impl Records {
    fn read(&mut self) -> anyhow::Result<Option<Record>> {
        let row = self.array.next;
        let Some(vector) = self.array.read()? else {
            if let Some(lines) = &mut self.sidecar
                && lines.next_as::<serde::de::IgnoredAny>()?.is_some()
            {
                bail!(
                    "{} has more records than the array has rows ({row})",
                    lines.name()
                );
            }
            return Ok(None);
        };
        let mut record = Record {
            vector: Some(vector.into()),
            ..Record::default()
        };
        let Some(lines) = &mut self.sidecar else {
            record.id = row.to_string();
            return Ok(Some(record));
        };
        let Some(Metadata(mut fields)) = lines.next_as()? else {
            bail!(
                "{} ends after {row} records, the array has {} rows",
                lines.name(),
                self.array.rows
            );
        };
        let id_field = &self.options.id_field;
        record.id = match fields.remove(id_field) {
            Some(MetadataValue::String(id)) => id,
            Some(MetadataValue::Number(id)) if id.fract() == 0.0 => format!("{id:.0}"),
            Some(_) => bail!(
                "record {}: {id_field} is neither a string nor a whole number",
                row + 1
            ),
            None => bail!(
                "record {}: there is no field {id_field} in {}",
                row + 1,
                lines.name()
            ),
        };
        if let Some(field) = &self.options.text_field
            && let Some(MetadataValue::String(text)) = fields.remove(field)
        {
            record.text = Some(text);
        }
        let ignored = |name: &String| self.options.ignore.contains(name);
        fields.retain(|name, value| *value != MetadataValue::Null && !ignored(name));
        record.metadata = Some(Metadata(fields));
        Ok(Some(record))
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Option<Record>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose().map(|record| record.map(Some))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Component {
    F16 = 2,
    F32 = 4,
    F64 = 8,
}

/// The rows of a two-dimensional array of floats.
struct Array {
    name: String,
    reader: BufReader<File>,
    component: Component,
    dimension: usize,
    rows: u64,
    next: u64,
    row: Vec<u8>,
    halves: Vec<f16>,
}

impl Array {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let bytes = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let header =
            Header::read(&mut reader).with_context(|| format!("{name} is not a NumPy array"))?;
        let (component, rows, dimension) =
            layout(&header).with_context(|| format!("{name} cannot be imported"))?;
        let data = bytes - reader.stream_position()?;
        let row_bytes = dimension * component as usize;
        if rows.checked_mul(row_bytes as u64) != Some(data) {
            bail!(
                "{name} is damaged: its header promises {rows} rows of {row_bytes} bytes, but \
                 {data} bytes follow"
            );
        }
        Ok(Self {
            name,
            reader,
            component,
            dimension,
            rows,
            next: 0,
            row: vec![0; row_bytes],
            halves: Vec::new(),
        })
    }

    fn skip(&mut self, rows: u64) -> anyhow::Result<()> {
        if rows > self.rows {
            bail!(
                "{} has {} rows, but {rows} were imported from it before",
                self.name,
                self.rows
            );
        }
        let bytes = rows * self.row.len() as u64;
        self.reader.seek(SeekFrom::Current(i64::try_from(bytes)?))?;
        self.next = rows;
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<Option<Vec<f32>>> {
        if self.next == self.rows {
            return Ok(None);
        }
        self.reader
            .read_exact(&mut self.row)
            .with_context(|| format!("cannot read row {} of {}", self.next, self.name))?;
        self.next += 1;
        let mut vector = vec![0.0; self.dimension];
        match self.component {
            Component::F16 => {
                let (halves, _) = self.row.as_chunks::<2>();
                self.halves.clear();
                self.halves
                    .extend(halves.iter().map(|b| f16::from_le_bytes(*b)));
                self.halves.convert_to_f32_slice(&mut vector);
            }
            Component::F32 => {
                let (floats, _) = self.row.as_chunks::<4>();
                for (to, from) in vector.iter_mut().zip(floats) {
                    *to = f32::from_le_bytes(*from);
                }
            }
            Component::F64 => {
                let (doubles, _) = self.row.as_chunks::<8>();
                for (to, from) in vector.iter_mut().zip(doubles) {
                    *to = f64::from_le_bytes(*from) as f32;
                }
            }
        }
        Ok(Some(vector))
    }
}

fn layout(header: &Header) -> anyhow::Result<(Component, u64, usize)> {
    let component = match header.descr.as_str() {
        "<f2" => Component::F16,
        "<f4" => Component::F32,
        "<f8" => Component::F64,
        other => bail!("its elements are {other}, not little-endian floats: save a.astype('<f4')"),
    };
    let &[rows, dimension] = header.shape.as_slice() else {
        bail!("its shape is {:?}, not [records, dimension]", header.shape);
    };
    if header.fortran_order {
        bail!("it is stored by columns: save numpy.ascontiguousarray(a)");
    }
    match usize::try_from(dimension) {
        Ok(dimension @ 1..) if dimension <= MAX.dimension => Ok((component, rows, dimension)),
        _ => bail!(
            "its vectors have {dimension} components; 1 to {} are possible",
            MAX.dimension
        ),
    }
}

#[cfg(test)]
#[path = "npy_test.rs"]
mod tests;
