//! `Record`: a record without its vector and without a large value. Key: the id.
//!
//! Value: flags `u8`; version `u64`; ordinal `u32`; then, as the flags say,
//! expiry in milliseconds since 1970 `u64`;
//! content type length `u8`, content type, size of the value `u32`, and the value itself unless it has
//! a row of its own;
//! text length `u32`, text;
//! number of metadata fields `u16`, each: name length `u8`, name, tag `u8` and
//! nothing (`0` false, `1` true), a number `f64` (`2`), length `u32` and a string (`3`), or count `u16` and as
//! many strings with length `u32` (`4`).

use bytes::Bytes;

use super::{
    Kind,
    codec::{Malformed, Reader},
    meta::Counts,
    value::INLINE_MAX,
};
use crate::record::{Field, Metadata};

const EXPIRES: u8 = 1;
const VALUE: u8 = 1 << 1;
const TEXT: u8 = 1 << 2;
const METADATA: u8 = 1 << 3;
const VECTOR: u8 = 1 << 4;

/// The key.
#[must_use]
pub fn key(id: &str) -> Vec<u8> {
    Kind::Record.key(&[id.as_bytes()])
}

/// The id in a key.
///
/// # Errors
/// When the id is not UTF-8.
pub fn id(key: &[u8]) -> Result<String, Malformed> {
    super::codec::utf8(key.get(1..).unwrap_or_default())
}

/// A record row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Number of the write that made it.
    pub version: u64,
    /// The record's ordinal.
    pub ordinal: u32,
    /// When it disappears, milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// The value, or where to find it.
    pub value: Option<StoredValue>,
    /// Text.
    pub text: Option<String>,
    /// Filterable fields.
    pub metadata: Metadata,
    /// Whether there is a `Vector` row.
    pub has_vector: bool,
}

/// A value in a record row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// Media type.
    pub content_type: String,
    /// Length in bytes.
    pub size: u32,
    /// The bytes, if there are at most [`INLINE_MAX`]; else they are in the `Value` row.
    pub inline: Option<Bytes>,
}

impl Row {
    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.expires_at.is_some(), EXPIRES)
            | flag(self.value.is_some(), VALUE)
            | flag(self.text.is_some(), TEXT)
            | flag(!self.metadata.is_empty(), METADATA)
            | flag(self.has_vector, VECTOR);
        let mut out = Vec::with_capacity(64);
        out.push(flags);
        out.extend(self.version.to_be_bytes());
        out.extend(self.ordinal.to_be_bytes());
        if let Some(at) = self.expires_at {
            out.extend(at.to_be_bytes());
        }
        if let Some(value) = &self.value {
            out.push(value.content_type.len() as u8);
            out.extend(value.content_type.as_bytes());
            out.extend(value.size.to_be_bytes());
            if let Some(bytes) = &value.inline {
                out.extend(bytes);
            }
        }
        if let Some(text) = &self.text {
            push_string(&mut out, text);
        }
        if !self.metadata.is_empty() {
            encode_metadata(&mut out, &self.metadata);
        }
        out
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When no row encodes to these bytes.
    pub fn decode(value: Bytes) -> Result<Self, Malformed> {
        let (mut row, flags, mut reader) = Self::decode_head(value)?;
        if flags & TEXT != 0 {
            row.text = Some(read_string(&mut reader)?);
        }
        if flags & METADATA != 0 {
            row.metadata = decode_metadata(&mut reader)?;
        }
        reader.finish()?;
        Ok(row)
    }

    /// Reads all but text and metadata, which stay empty.
    ///
    /// # Errors
    /// When the row does not start as one.
    pub fn decode_value(value: Bytes) -> Result<Self, Malformed> {
        Self::decode_head(value).map(|(row, ..)| row)
    }

    fn decode_head(value: Bytes) -> Result<(Self, u8, Reader), Malformed> {
        let mut reader = Reader::new(value);
        let flags = reader.u8()?;
        if flags >= VECTOR << 1 {
            return Err("a flag is unknown");
        }
        let mut row = Self {
            version: reader.u64()?,
            ordinal: reader.u32()?,
            has_vector: flags & VECTOR != 0,
            ..Self::default()
        };
        if flags & EXPIRES != 0 {
            row.expires_at = Some(reader.u64()?);
        }
        if flags & VALUE != 0 {
            let len = reader.u8()?;
            let content_type = reader.string(len.into())?;
            let size = reader.u32()?;
            let inline = (size as usize <= INLINE_MAX)
                .then(|| reader.bytes(size as usize))
                .transpose()?;
            row.value = Some(StoredValue {
                content_type,
                size,
                inline,
            });
        }
        Ok((row, flags, reader))
    }

    /// Whether the record has disappeared by `now`.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// What the record adds to the namespace's counts.
    #[must_use]
    pub fn counts(&self, id: &str, vector_bytes: u64) -> Counts {
        let value = self.value.as_ref().map_or(0, |value| u64::from(value.size));
        let text = self.text.as_ref().map_or(0, |text| text.len() as u64);
        let metadata: u64 = self
            .metadata
            .iter()
            .map(|(name, field)| field_bytes(name, field))
            .sum();
        let vector = if self.has_vector { vector_bytes } else { 0 };
        Counts {
            records: 1,
            vectors: self.has_vector.into(),
            values: self.value.is_some().into(),
            bytes: id.len() as u64 + value + text + metadata + vector,
        }
    }
}

/// Bytes a field counts for: its name, and 1 a boolean, 8 a number, its length a string.
#[must_use]
pub fn field_bytes(name: &str, field: &Field) -> u64 {
    name.len() as u64
        + match field {
            Field::Bool(_) => 1,
            Field::Number(_) => 8,
            Field::String(string) => string.len() as u64,
            Field::Strings(strings) => strings.iter().map(|string| string.len() as u64).sum(),
        }
}

fn push_string(out: &mut Vec<u8>, string: &str) {
    out.extend((string.len() as u32).to_be_bytes());
    out.extend(string.as_bytes());
}

fn read_string(reader: &mut Reader) -> Result<String, Malformed> {
    let len = reader.u32()?;
    reader.string(len as usize)
}

fn encode_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    out.extend((metadata.len() as u16).to_be_bytes());
    for (name, field) in metadata {
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
        match field {
            Field::Bool(value) => out.push(u8::from(*value)),
            Field::Number(number) => {
                out.push(2);
                out.extend(number.to_be_bytes());
            }
            Field::String(string) => {
                out.push(3);
                push_string(out, string);
            }
            Field::Strings(strings) => {
                out.push(4);
                out.extend((strings.len() as u16).to_be_bytes());
                for string in strings {
                    push_string(out, string);
                }
            }
        }
    }
}

fn decode_metadata(reader: &mut Reader) -> Result<Metadata, Malformed> {
    let count = reader.u16()?;
    let mut metadata = Metadata::new();
    for _ in 0..count {
        let len = reader.u8()?;
        let name = reader.string(len.into())?;
        let field = match reader.u8()? {
            tag @ (0 | 1) => Field::Bool(tag == 1),
            2 => Field::Number(reader.f64()?),
            3 => Field::String(read_string(reader)?),
            4 => {
                let count = reader.u16()?;
                Field::Strings(
                    (0..count)
                        .map(|_| read_string(reader))
                        .collect::<Result<_, _>>()?,
                )
            }
            _ => return Err("a field's tag is unknown"),
        };
        if metadata.insert(name, field).is_some() {
            return Err("a field is there twice");
        }
    }
    if metadata.is_empty() {
        return Err("empty metadata");
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field() -> impl Strategy<Value = Field> {
        prop_oneof![
            any::<bool>().prop_map(Field::Bool),
            (-1e9..1e9).prop_map(Field::Number),
            ".{0,20}".prop_map(Field::String),
            prop::collection::vec(".{0,9}", 0..4).prop_map(Field::Strings),
        ]
    }

    fn value() -> impl Strategy<Value = StoredValue> {
        (
            "[a-z/]{0,20}",
            prop::collection::vec(any::<u8>(), 0..40),
            0..9_u32,
        )
            .prop_map(|(content_type, bytes, separate)| match separate {
                0 => StoredValue {
                    content_type,
                    size: INLINE_MAX as u32 + 1,
                    inline: None,
                },
                _ => {
                    let size = bytes.len() as u32;
                    StoredValue {
                        content_type,
                        size,
                        inline: Some(bytes.into()),
                    }
                }
            })
    }

    proptest! {
        #[test]
        fn round_trip(
            (version, ordinal, has_vector) in any::<(u64, u32, bool)>(),
            expires_at in any::<Option<u64>>(),
            value in prop::option::of(value()),
            text in prop::option::of(".{0,30}"),
            metadata in prop::collection::btree_map(".{1,9}", field(), 0..5),
        ) {
            let row = Row { version, ordinal, expires_at, value, text, metadata, has_vector };
            assert_eq!(Row::decode(row.encode().into()).unwrap(), row);
            let head = Row { text: None, metadata: Metadata::new(), ..row.clone() };
            assert_eq!(Row::decode_value(row.encode().into()).unwrap(), head);
        }

        #[test]
        fn garbage_never_panics(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Row::decode(value.into());
        }
    }
}
