//! `Audit` and `AuditHead`: the log of who did what. Key of an entry: sequence number `u64`, from 1.
//!
//! Each entry carries the hash of the one before, and the head the hash of the last one, so that an
//! entry cannot be changed, removed or put in between without every later hash being wrong.

use serde::{Deserialize, Serialize};

use super::Kind;

/// The key of the head.
#[must_use]
pub fn head_key() -> Vec<u8> {
    Kind::AuditHead.key(&[])
}

/// The key of an entry.
#[must_use]
pub fn key(sequence: u64) -> Vec<u8> {
    Kind::Audit.key(&sequence.to_be_bytes())
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last entry; 0 if there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Something that was done or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who: `root`, `key:7`, `person:a@example.com`, `system`.
    pub actor: String,
    /// What: `key.create`.
    pub action: String,
    /// To what: `key:8`.
    pub target: String,
    /// `done` or the code of the refusal.
    pub outcome: String,
    /// More about it; never a secret or a value.
    pub detail: String,
    /// From where, if known.
    pub address: String,
    /// The request that asked for it.
    pub request_id: String,
}

/// An entry in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// Hash of the entry before; zeros for the first.
    pub previous: [u8; 32],
    /// The entry.
    pub entry: Entry,
}

impl Linked {
    /// The hash of the entry: BLAKE3 over its number, the hash before, and each field with its length.
    /// Anyone can compute it from what `/v1/audit` answers.
    #[must_use]
    pub fn hash(&self, sequence: u64) -> [u8; 32] {
        let Entry {
            at,
            actor,
            action,
            target,
            outcome,
            detail,
            address,
            request_id,
        } = &self.entry;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&sequence.to_be_bytes());
        hasher.update(&self.previous);
        hasher.update(&at.to_be_bytes());
        for text in [actor, action, target, outcome, detail, address, request_id] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(at: u64, texts: [String; 7], previous: [u8; 32], sequence: u64) {
            let [actor, action, target, outcome, detail, address, request_id] = texts;
            let entry = Entry { at, actor, action, target, outcome, detail, address, request_id };
            super::super::assert_round_trip(&Linked { previous, entry });
            super::super::assert_round_trip(&Head { sequence, hash: previous });
        }
    }
}
