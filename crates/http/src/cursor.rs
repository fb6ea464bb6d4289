//! Cursors: where a list goes on, bound to the list they came from.
//!
//! A cursor is base64url of `format (1 byte) · digest (8 bytes) · last id`. The digest covers the
//! list, its namespace and prefix, so a cursor sent to another list is noticed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quartz_api::ErrorCode;

use crate::problem::{Failure, Result};

const FORMAT: u8 = 1;
const DIGEST_BYTES: usize = 8;

/// A list that hands out cursors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    /// Name of the endpoint.
    pub(crate) endpoint: &'static str,
    /// Name of the namespace, empty for the list of namespaces.
    pub(crate) namespace: &'a str,
    /// Prefix the ids start with.
    pub(crate) prefix: &'a str,
}

impl List<'_> {
    /// The cursor to go on after `id`.
    pub(crate) fn cursor(&self, id: &str) -> String {
        let mut bytes = Vec::with_capacity(1 + DIGEST_BYTES + id.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.digest(id));
        bytes.extend_from_slice(id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The id to go on after.
    pub(crate) fn after(&self, cursor: &str) -> Result<String> {
        self.parse(cursor).ok_or_else(|| {
            Failure::new(
                ErrorCode::CursorInvalid,
                "the cursor was not made by this list with this prefix; send next_cursor back as \
                 it came, or start again without a cursor",
            )
            .at("cursor")
        })
    }

    fn parse(&self, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (&format, rest) = bytes.split_first()?;
        let (digest, id) = rest.split_at_checked(DIGEST_BYTES)?;
        let id = std::str::from_utf8(id).ok()?;
        (format == FORMAT && digest == self.digest(id)).then(|| id.to_owned())
    }

    fn digest(&self, id: &str) -> [u8; DIGEST_BYTES] {
        let mut hasher = blake3::Hasher::new();
        for part in [self.endpoint, self.namespace, self.prefix, id] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..DIGEST_BYTES]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: List<'_> = List {
        endpoint: "kv",
        namespace: "ns",
        prefix: "a",
    };

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = LIST.cursor("abc");
        assert_eq!(LIST.after(&cursor).unwrap(), "abc");
        for other in [
            List {
                endpoint: "records",
                ..LIST
            },
            List {
                namespace: "n",
                prefix: "sa",
                ..LIST
            },
            List { prefix: "", ..LIST },
        ] {
            assert_eq!(
                other.after(&cursor).unwrap_err().code,
                ErrorCode::CursorInvalid
            );
        }
    }

    proptest! {
        #[test]
        fn cursors_round_trip(id in ".{1,40}") {
            prop_assert_eq!(LIST.after(&LIST.cursor(&id)).unwrap(), id);
        }

        #[test]
        fn other_text_is_refused(text in ".{0,60}") {
            prop_assert!(LIST.after(&text).is_err());
        }
    }
}
