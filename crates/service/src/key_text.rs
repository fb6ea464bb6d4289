//! The text of an API key: `qz_<account>_<secret><checksum>`.
//!
//! The secret is 256 random bits in 43 characters of `0-9 A-Z a-z`; the checksum, 6 characters over
//! all that stands before it, tells a mistyped or cut key, and a scanner what a leaked one looks like.

use std::fmt;

use crate::AccountId;

/// What every key begins with.
pub const PREFIX: &str = "qz_";
/// Characters of the secret and its checksum, behind the last `_`.
const TAIL_CHARS: usize = SECRET_CHARS + CHECKSUM_CHARS;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a text is not a well-formed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It does not begin with `qz_` and an account.
    Prefix,
    /// It is too short or too long.
    Length,
    /// It has characters that no key has, or its checksum is wrong.
    Checksum,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "it does not begin with qz_ and the name of an account",
            Self::Length => "it is cut off or too long: 49 characters follow its second underscore",
            Self::Checksum => "it is mistyped: its checksum does not fit",
        })
    }
}

impl std::error::Error for KeyFault {}

/// A key of an account, from 32 random bytes.
///
/// ```
/// use quartz_service::{AccountId, key_text};
/// let key = key_text::make(AccountId::ROOT, [7; 32]);
/// assert_eq!(key.len(), 57);
/// assert_eq!(key_text::account(&key), Ok(AccountId::ROOT));
/// ```
#[must_use]
pub fn make(account: AccountId, random: [u8; 32]) -> String {
    let mut key = format!("{PREFIX}{account}_");
    // 62^43 > 2^256: every bit finds its place.
    let mut number = random;
    for _ in 0..SECRET_CHARS {
        key.push(char::from(ALPHABET[usize::from(divide(&mut number, 62))]));
    }
    let checksum = checksum(&key);
    key.extend(checksum.map(char::from));
    key
}

/// The account a key belongs to. A mistyped key almost never passes.
///
/// # Errors
/// What is wrong with the text.
pub fn account(key: &str) -> Result<AccountId, KeyFault> {
    let rest = key.strip_prefix(PREFIX).ok_or(KeyFault::Prefix)?;
    let (account, tail) = rest.split_once('_').ok_or(KeyFault::Prefix)?;
    let account = account.parse().map_err(|_| KeyFault::Prefix)?;
    if tail.len() != TAIL_CHARS {
        return Err(KeyFault::Length);
    }
    let split = key.len() - CHECKSUM_CHARS;
    let sound = key.is_char_boundary(split) && checksum(&key[..split]) == key.as_bytes()[split..];
    sound.then_some(account).ok_or(KeyFault::Checksum)
}

/// Six characters that change with any character of `text`.
fn checksum(text: &str) -> [u8; CHECKSUM_CHARS] {
    let hash = blake3::hash(text.as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&hash.as_bytes()[..8]);
    std::array::from_fn(|_| ALPHABET[usize::from(divide(&mut number, 62))])
}

/// Divides a big-endian number in place and gives the remainder.
fn divide(number: &mut [u8], divisor: u8) -> u8 {
    let mut remainder = 0;
    for digit in number {
        let dividend = remainder * 256 + u16::from(*digit);
        *digit = (dividend / u16::from(divisor)) as u8;
        remainder = dividend % u16::from(divisor);
    }
    remainder as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        make(
            "acme7".parse().unwrap(),
            std::array::from_fn(|i| (i * 37) as u8),
        )
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let key = key();
        assert_eq!(account(&key), Ok("acme7".parse().unwrap()));
        for position in PREFIX.len()..key.len() {
            let mut mistyped = key.clone().into_bytes();
            mistyped[position] = if mistyped[position] == b'x' {
                b'y'
            } else {
                b'x'
            };
            let mistyped = String::from_utf8(mistyped).unwrap();
            assert!(account(&mistyped).is_err(), "{mistyped}");
        }
        assert_eq!(account(&key[..56]), Err(KeyFault::Length));
        assert_eq!(account("sk_x"), Err(KeyFault::Prefix));
        assert_eq!(account("qz_no"), Err(KeyFault::Prefix));
        let odd = format!("qz_root_{}é1234", "a".repeat(43));
        assert_eq!(account(&odd), Err(KeyFault::Checksum));
    }

    #[test]
    fn keys_differ_in_every_bit_of_randomness() {
        let mut seen = std::collections::HashSet::new();
        for bit in 0..256 {
            let mut random = [0; 32];
            random[bit / 8] = 1 << (bit % 8);
            assert!(seen.insert(make(AccountId::ROOT, random)));
        }
    }
}
