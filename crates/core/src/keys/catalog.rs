//! The directory's rows, beside those of the namespaces: format version, catalog and tombstones.
//!
//! | key | value |
//! |---|---|
//! | `00 00` | format version `u32` |
//! | `00 01`, name | namespace number `u32`; the name as it is, or `~`, owner, `/`, name |
//! | `00 02`, namespace number `u32` | empty: the namespace is deleted, its rows are being removed |
//! | `01`, namespace number `u32`, … | a row of that namespace |

use super::codec::Malformed;

/// Key of the format version.
pub const FORMAT_KEY: &[u8] = &[0, 0];
/// Start of the catalog.
pub const NAMES: &[u8] = &[0, 1];
/// What names begin with that say whose they are, and others never do. It sorts behind those.
pub const OWNED: &str = "~";
/// Start of the tombstones.
pub const TOMBSTONES: &[u8] = &[0, 2];

/// Key of a catalog row.
#[must_use]
pub fn name_key(name: &str) -> Vec<u8> {
    [NAMES, name.as_bytes()].concat()
}

/// Key of a tombstone.
#[must_use]
pub fn tombstone_key(number: u32) -> Vec<u8> {
    [TOMBSTONES, &number.to_be_bytes()].concat()
}

/// Start of a namespace's rows.
#[must_use]
pub fn namespace_prefix(number: u32) -> Vec<u8> {
    [&[1][..], &number.to_be_bytes()].concat()
}

/// The number in a catalog row or behind a tombstone's or namespace's first two or one bytes. Numbers
/// are never used again as long as a row of the namespace is left.
///
/// # Errors
/// When the bytes are not a number.
pub fn number(bytes: &[u8]) -> Result<u32, Malformed> {
    bytes
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| "a namespace number has four bytes")
}
