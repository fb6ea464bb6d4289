use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest id in bytes.
const MOST: usize = 16;
/// Characters of an id that is made here: 36^12 > 2^62.
const MADE: usize = 12;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Names an account: 1 to 16 characters of `a-z 0-9`. Stands in every key of the account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId([u8; MOST]);

impl AccountId {
    /// The first account of a server, which runs it.
    pub const ROOT: Self = Self(*b"root\0\0\0\0\0\0\0\0\0\0\0\0");

    /// An id from random bytes.
    #[must_use]
    pub fn from_random(random: [u8; MADE]) -> Self {
        let mut bytes = [0; MOST];
        for (place, byte) in bytes.iter_mut().zip(random) {
            // 256 is not a multiple of 36: some characters are a little likelier, none is certain.
            *place = ALPHABET[usize::from(byte) % ALPHABET.len()];
        }
        Self(bytes)
    }

    /// As it stands in keys and paths.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(MOST);
        // Only ASCII gets in.
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }

    /// As it stands in row keys, padded with zeros.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MOST] {
        &self.0
    }

    /// Whether this is the account that runs the server.
    #[must_use]
    pub fn is_root(&self) -> bool {
        *self == Self::ROOT
    }

    /// What stands before the names of the account's namespaces in a directory that holds those of
    /// many accounts: nothing for the first account, else `~`, the id and a slash. No name of a
    /// namespace holds a `~` or a slash, so names of different accounts never meet.
    #[must_use]
    pub fn scope(&self) -> String {
        if self.is_root() {
            return String::new();
        }
        format!("~{}/", self.as_str())
    }
}

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MOST).contains(&text.len()) && text.bytes().all(|b| ALPHABET.contains(&b));
        if !fits {
            return Err("an account id has 1 to 16 characters of a-z 0-9");
        }
        let mut bytes = [0; MOST];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        assert_eq!("root".parse(), Ok(AccountId::ROOT));
        assert_eq!(AccountId::ROOT.scope(), "");
        let made = AccountId::from_random([255; 12]);
        assert_eq!(made.as_str().parse(), Ok(made));
        assert_eq!(made.scope(), format!("~{made}/"));
        for wrong in ["", "A", "a_b", "a/b", "ä", "12345678901234567"] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }
}
