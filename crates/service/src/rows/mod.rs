//! Every kind of row of an account, one file each, and the encoding they share.
//!
//! A key is the kind's byte and what the table says, numbers big-endian. A value is the layout's
//! version (one byte) and the fields in the order of their declaration, as `postcard` 1 writes them:
//! varint integers, strings and lists with their length before them. `docs/format.md` has the layouts.
//!
//! | kind | key after the kind byte | value |
//! |---|---|---|
//! | `Profile` | - | what the account is; without it there is no account |
//! | `ApiKey` | number | a key without its secret |
//! | `Role` | name | a role of the account's own |
//! | `AuditHead` | - | where the audit log ends |
//! | `Audit` | sequence number | an entry, chained to the one before |
//! | `Usage` | hour, creation of the namespace, API key, namespace | what was used |
//! | `Month` | month | what was used in all |
//! | `Stock` | namespace | what it holds |
//! | `Member` | number | a person in the account |
//! | `Invitation` | number | somebody who may become one |
//! | `Webhook` | number | where events are sent |
//! | `Outbox` | - | what is next, what was announced |
//! | `Delivery` | webhook, event | an event on its way, or what became of it |
//! | `Due` | time, webhook, event | when it is to be tried |
//!
//! Every kind of row of a person, who has keys of their own:
//!
//! | kind | key after the kind byte | value |
//! |---|---|---|
//! | `Person` | - | who it is; without it there is no such person |
//! | `Session` | hash of the cookie | where they are signed in |
//! | `Link` | hash of the token | what a link in a mail is good for |
//!
//! Where each account has a store of its own, another one lists them: `Enrolled`, by the account's id.

pub mod api_key;
pub mod audit;
pub mod delivery;
pub mod enrolled;
pub mod invitation;
pub(crate) mod link;
pub mod member;
pub mod person;
pub mod profile;
pub mod role;
pub mod session;
pub mod usage;
pub mod webhook;

use quartz_core::store::{Result, RowCursor, ScanLimit, Snapshot, StoreError};
use serde::{Serialize, de::DeserializeOwned};

/// Version of the layouts in this module; a value of a later one is refused.
const LAYOUT: u8 = 1;

/// Start of the rows of all accounts in a store that they share with namespaces.
pub const ACCOUNTS: &[u8] = &[2];
/// Start of the rows of all people in the same store.
pub const PEOPLE: &[u8] = &[3];
/// Start of the rows that list accounts that live elsewhere.
pub(crate) const ROLL: &[u8] = &[4];

/// The first byte of an account's keys, and of a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "described in the tables above")]
pub enum Kind {
    Profile = 0x01,
    ApiKey = 0x02,
    Role = 0x03,
    AuditHead = 0x04,
    Audit = 0x05,
    Usage = 0x06,
    Month = 0x07,
    Stock = 0x08,
    Member = 0x10,
    Invitation = 0x11,
    Person = 0x20,
    Session = 0x21,
    Link = 0x22,
    Webhook = 0x30,
    Outbox = 0x31,
    Delivery = 0x32,
    Due = 0x33,
}

impl Kind {
    /// Key of this kind.
    #[must_use]
    pub fn key(self, rest: &[u8]) -> Vec<u8> {
        [&[self as u8], rest].concat()
    }

    /// Key behind the last one of this kind.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }
}

/// The bytes of a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing to memory fails only for maps and sequences of unknown length, which no row has.
    postcard::to_extend(value, vec![LAYOUT]).unwrap_or_default()
}

/// The value in a row.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T> {
    let corrupt = |why: &str| StoreError::corrupt_row(key, why);
    match bytes.split_first() {
        Some((&LAYOUT, rest)) => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(corrupt("the value is too long")),
            Err(_) => Err(corrupt("the value does not decode")),
        },
        Some((&layout, _)) if layout > LAYOUT => Err(corrupt(
            "the row was written by a later version of QuartzDB",
        )),
        _ => Err(corrupt("the value has no layout")),
    }
}

/// All rows of a kind, with their keys.
pub(crate) async fn all<T: DeserializeOwned>(
    snapshot: &dyn Snapshot,
    kind: Kind,
) -> Result<Vec<(Vec<u8>, T)>> {
    let mut rows = Vec::new();
    let limit = ScanLimit::rows(1024);
    let mut cursor = RowCursor::new(snapshot, kind.key(&[]), kind.end(), limit);
    while let Some(page) = cursor.next_page().await? {
        for (key, value) in page {
            rows.push((key[1..].to_vec(), decode(&key, &value)?));
        }
    }
    Ok(rows)
}

/// The number that ends a key.
pub(crate) fn number<const N: usize>(key: &[u8]) -> Result<[u8; N]> {
    let number = key.last_chunk().copied();
    number.ok_or_else(|| StoreError::corrupt_row(key, "the key is too short"))
}

/// Checks that a value comes back as it went, and that no cut of it is taken for a whole one.
#[cfg(test)]
pub(crate) fn assert_round_trip<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let bytes = encode(value);
    assert_eq!(decode::<T>(b"k", &bytes).as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        assert!(decode::<T>(b"k", &bytes[..cut]).is_err(), "{cut}");
    }
    let mut later = bytes;
    later[0] += 1;
    assert!(decode::<T>(b"k", &later).is_err());
}
