//! Every kind of row, one file each: key layout, value layout, encode, decode, round-trip test.
//!
//! Keys start with the [`Kind`]; numbers in keys are big-endian, so that byte order is number order.
//! The layouts are written out in `docs/format.md`.
//!
//! | kind | key after the kind byte | value |
//! |---|---|---|
//! | `Meta` | - | version, counts, configuration |
//! | `Record` | id | version, ordinal, expiry, value, text, metadata |
//! | `Value` | ordinal | bytes of a value too large for its record row |
//! | `Ordinal` | ordinal | id |
//! | `Vector` | ordinal | components |
//! | `Set` | which set, chunk | ordinals of all records, of those with a vector |
//! | `Term` | field, value, chunk | ordinals of the records whose field has the value |
//! | `Number` | field, upper fence | sorted (number, ordinal) pairs up to the fence |
//! | `Expiry` | time, ordinal | - |
//! | `Idempotency` | client key | digest of the request, its answer |
//! | `IdempotencyExpiry` | time, client key | - |
//! | `Sketch` | ordinal | the vector in eight bits a component |
//! | `Place` | ordinal | the clusters the vector is in |
//! | `Cluster` | cluster | centroid |
//! | `Codes` | cluster, block | 32 members with their one-bit codes |
//! | `Calibration` | - | what searches for the namespace's own vectors needed |
//! | `Usage` | hour, API key | what it used |
//!
//! The directory's own rows (format version, catalog, tombstones) are in [`catalog`].

pub mod calibration;
pub mod catalog;
pub mod chunk;
pub mod cluster;
pub mod codec;
pub mod codes;
pub mod expiry;
pub mod idempotency;
pub mod meta;
pub mod number;
pub mod ordinal;
pub mod place;
pub mod record;
pub mod set;
pub mod sketch;
pub mod term;
pub mod usage;
pub mod value;
pub mod vector;

/// Version of the layouts in this module. A store written by a later one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// The first byte of a namespace's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "described in the table above")]
pub enum Kind {
    Meta = 0x01,
    Record = 0x02,
    Value = 0x03,
    Ordinal = 0x04,
    Vector = 0x05,
    Set = 0x06,
    Term = 0x07,
    Number = 0x08,
    Expiry = 0x09,
    Idempotency = 0x0A,
    IdempotencyExpiry = 0x0B,
    Sketch = 0x0C,
    Place = 0x0D,
    Cluster = 0x0E,
    Codes = 0x0F,
    Usage = 0x10,
    Calibration = 0x11,
}

impl Kind {
    /// Key of this kind made of `parts`.
    #[must_use]
    pub fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push(self as u8);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    /// Key behind the last one of this kind.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }
}

/// The ordinal at the end of a key.
pub(crate) fn trailing_ordinal(key: &[u8]) -> crate::store::Result<u32> {
    key.last_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or_else(|| crate::store::StoreError::corrupt_row(key, "the key is too short"))
}
