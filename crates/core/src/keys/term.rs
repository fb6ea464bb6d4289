//! `Term`: inverted postings of a field's presence, booleans and strings.
//! Key: field length `u8`, field, term, chunk `u32`. Value: a [`chunk`](super::chunk).
//!
//! Term: `0` the field is there; `1` boolean `u8`; `2` string of up to 64 bytes, length `u8` before it;
//! `3` first 16 bytes of the SHA-256 of a longer string. A list has a term an item. Numbers are in
//! [`number`](super::number).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::Kind;
use crate::record::Field;

const SHORT_MAX: usize = 64;

/// What a posting is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term<'a> {
    /// The field is there.
    Exists,
    /// The field is this boolean.
    Bool(bool),
    /// The field is this string, or a list with it.
    String(&'a str),
}

/// The key up to the chunk number.
#[must_use]
pub fn prefix(field: &str, term: Term<'_>) -> Vec<u8> {
    let name = [&[field.len() as u8], field.as_bytes()].concat();
    match term {
        Term::Exists => Kind::Term.key(&[&name, &[0]]),
        Term::Bool(value) => Kind::Term.key(&[&name, &[1, u8::from(value)]]),
        Term::String(string) if string.len() <= SHORT_MAX => {
            Kind::Term.key(&[&name, &[2, string.len() as u8], string.as_bytes()])
        }
        Term::String(string) => {
            let digest = Sha256::digest(string.as_bytes());
            Kind::Term.key(&[&name, &[3], &digest[..16]])
        }
    }
}

/// Prefixes of all postings that a record with this field is in.
pub fn prefixes_of(name: &str, field: &Field, into: &mut BTreeSet<Vec<u8>>) {
    into.insert(prefix(name, Term::Exists));
    match field {
        Field::Bool(value) => {
            into.insert(prefix(name, Term::Bool(*value)));
        }
        Field::String(string) => {
            into.insert(prefix(name, Term::String(string)));
        }
        Field::Strings(strings) => {
            into.extend(
                strings
                    .iter()
                    .map(|string| prefix(name, Term::String(string))),
            );
        }
        Field::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No posting's key range holds another posting's rows.
        #[test]
        fn prefixes_are_prefix_free(
            left in ("[ab]{1,3}", "[ab]{0,80}"),
            right in ("[ab]{1,3}", "[ab]{0,80}"),
        ) {
            let terms = |string: &str| {
                [Term::Exists, Term::Bool(true), Term::Bool(false)].map(Some).into_iter().flatten()
                    .map(|term| prefix("f", term)).chain([prefix("f", Term::String(string))])
                    .collect::<Vec<_>>()
            };
            for a in terms(&left.1) {
                for b in terms(&right.1) {
                    prop_assert!(a == b || !b.starts_with(&a));
                }
            }
            let (a, b) = (prefix(&left.0, Term::String(&left.1)), prefix(&right.0, Term::String(&right.1)));
            prop_assert_eq!(a == b, left == right);
            prop_assert!(a == b || !b.starts_with(&a));
        }
    }
}
