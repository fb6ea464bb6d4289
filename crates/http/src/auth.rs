//! Who may call: one root key, given in one of three headers.

use std::fmt;

use http::{HeaderMap, header};
use quartz_api::ErrorCode;

use crate::problem::{Failure, Result};

/// What keys of this server begin with.
pub const ROOT_PREFIX: &str = "qz_root_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// The key that opens everything, kept as its hash.
#[derive(Clone)]
pub struct RootKey(blake3::Hash);

impl RootKey {
    /// The key whose text is `secret`. Any text will do; [`generate_root_key`] makes a good one.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(blake3::hash(secret.as_bytes()))
    }

    /// Whether `presented` is this key, in a time that does not depend on where they differ.
    fn opens(&self, presented: &str) -> bool {
        // Hashes of blake3 compare in constant time.
        self.0 == blake3::hash(presented.as_bytes())
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

/// A new root key, `qz_root_` + 43 characters + 6 characters of checksum, from 32 random bytes.
///
/// ```
/// use quartz_http::auth::{check_root_key, generate_root_key};
/// let key = generate_root_key([7; 32]);
/// assert_eq!(key.len(), 57);
/// assert!(check_root_key(&key).is_ok());
/// ```
#[must_use]
pub fn generate_root_key(random: [u8; 32]) -> String {
    let mut key = String::with_capacity(ROOT_PREFIX.len() + SECRET_CHARS + CHECKSUM_CHARS);
    key.push_str(ROOT_PREFIX);
    // 62^43 > 2^256: every bit finds its place.
    let mut number = random;
    for _ in 0..SECRET_CHARS {
        key.push(char::from(ALPHABET[usize::from(divide(&mut number, 62))]));
    }
    let checksum = checksum(&key);
    key.push_str(&checksum);
    key
}

/// Why a text is not a well-formed root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It does not begin with `qz_root_`.
    Prefix,
    /// It is too short or too long.
    Length,
    /// It has characters that no key has, or its checksum is wrong.
    Checksum,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "it does not begin with qz_root_",
            Self::Length => "it is cut off or too long: a key has 57 characters",
            Self::Checksum => "it is mistyped: its checksum does not fit",
        })
    }
}

impl std::error::Error for KeyFault {}

/// Whether `key` is well formed; a mistyped key almost never is.
///
/// # Errors
/// What is wrong with it.
pub fn check_root_key(key: &str) -> Result<(), KeyFault> {
    let secret = key.strip_prefix(ROOT_PREFIX).ok_or(KeyFault::Prefix)?;
    if secret.len() != SECRET_CHARS + CHECKSUM_CHARS {
        return Err(KeyFault::Length);
    }
    let split = key.len() - CHECKSUM_CHARS;
    if !key.is_char_boundary(split) || checksum(&key[..split]) != key[split..] {
        return Err(KeyFault::Checksum);
    }
    Ok(())
}

/// Six characters that change with any character of `text`.
fn checksum(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&hash.as_bytes()[..8]);
    (0..CHECKSUM_CHARS)
        .map(|_| char::from(ALPHABET[usize::from(divide(&mut number, 62))]))
        .collect()
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

/// Lets a request pass that carries the key.
pub(crate) fn authenticate(headers: &HeaderMap, root: &RootKey) -> Result<()> {
    let presented = presented_key(headers)?;
    if root.opens(presented) {
        return Ok(());
    }
    let fault = match check_root_key(presented) {
        Err(KeyFault::Prefix) | Ok(()) => String::new(),
        Err(fault) => format!(": {fault}"),
    };
    Err(Failure::new(
        ErrorCode::ApiKeyInvalid,
        format!("the API key in the request is not one this server knows{fault}"),
    ))
}

fn presented_key(headers: &HeaderMap) -> Result<&str> {
    let value = if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let scheme_end = text.find(' ').unwrap_or(text.len());
        if !text[..scheme_end].eq_ignore_ascii_case("bearer") {
            return Err(Failure::new(
                ErrorCode::ApiKeyInvalid,
                "the Authorization header must read: Bearer qz_…",
            ));
        }
        Some(text[scheme_end..].trim())
    } else {
        ["x-api-key", "api-key"]
            .into_iter()
            .find_map(|name| headers.get(name))
            .map(|value| value.to_str().unwrap_or_default().trim())
    };
    match value {
        Some(key) if !key.is_empty() => Ok(key),
        _ => Err(Failure::new(
            ErrorCode::ApiKeyMissing,
            "send the API key as `Authorization: Bearer qz_…` (or X-API-Key, Api-Key)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        generate_root_key(std::array::from_fn(|i| (i * 37) as u8))
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let key = key();
        assert_eq!(check_root_key(&key), Ok(()));
        for position in ROOT_PREFIX.len()..key.len() {
            let mut mistyped = key.clone().into_bytes();
            mistyped[position] = if mistyped[position] == b'x' {
                b'y'
            } else {
                b'x'
            };
            let mistyped = String::from_utf8(mistyped).unwrap();
            assert_eq!(check_root_key(&mistyped), Err(KeyFault::Checksum));
        }
        assert_eq!(check_root_key(&key[..56]), Err(KeyFault::Length));
        assert_eq!(check_root_key("sk_x"), Err(KeyFault::Prefix));
        let odd = format!("{ROOT_PREFIX}{}é1234", "a".repeat(43));
        assert_eq!(check_root_key(&odd), Err(KeyFault::Checksum));
    }

    #[test]
    fn keys_differ_in_every_bit_of_randomness() {
        let mut seen = std::collections::HashSet::new();
        for bit in 0..256 {
            let mut random = [0; 32];
            random[bit / 8] = 1 << (bit % 8);
            assert!(seen.insert(generate_root_key(random)));
        }
    }

    #[test]
    fn three_headers_open() {
        let root = RootKey::new(&key());
        for (name, value) in [
            ("authorization", format!("Bearer {}", key())),
            ("authorization", format!("bearer  {}", key())),
            ("x-api-key", key()),
            ("api-key", key()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert!(authenticate(&headers, &root).is_ok(), "{name}: {value}");
        }
    }

    #[test]
    fn others_stay_out_and_hear_why() {
        let root = RootKey::new(&key());
        let code = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let failure = authenticate(&headers, &root).unwrap_err();
            (failure.code, failure.detail.into_owned())
        };
        assert_eq!(
            authenticate(&HeaderMap::new(), &root).unwrap_err().code,
            ErrorCode::ApiKeyMissing
        );
        assert_eq!(code("x-api-key", "").0, ErrorCode::ApiKeyMissing);
        assert_eq!(code("authorization", "Bearer").0, ErrorCode::ApiKeyMissing);
        assert_eq!(
            code("authorization", "Basic abc").0,
            ErrorCode::ApiKeyInvalid
        );
        assert_eq!(
            code("api-key", &generate_root_key([1; 32])).0,
            ErrorCode::ApiKeyInvalid
        );
        let (invalid, detail) = code("api-key", &key()[..50]);
        assert_eq!(invalid, ErrorCode::ApiKeyInvalid);
        assert!(detail.contains("cut off"), "{detail}");
        assert!(!detail.contains(&key()[..50]));
        assert_eq!(format!("{root:?}"), "RootKey(…)");
    }
}
