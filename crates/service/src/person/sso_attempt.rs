//! What a browser keeps while it is away at an identity provider.
//!
//! One secret, from which everything is derived that ties the two ends of a single sign-on together, so
//! that nothing is stored here. The server's mark on it says until when it is good and where it leads, and
//! that this server has made it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;

use crate::Handshake;

/// How long somebody may take to sign in at the provider.
pub const SSO_LIFE_MILLIS: u64 = 10 * 60 * 1000;
/// Attempts that are remembered as spent: as many as the turnstile lets begin in their life, and some.
const SPENT_MAX: usize = 16_384;

const PREFIX: &str = "qzo_";
const MARK_BYTES: usize = 32;
const SECRET_BYTES: usize = 32;
const STATE_CONTEXT: &str = "quartzdb 2026-11 state of a single sign-on";
const NONCE_CONTEXT: &str = "quartzdb 2026-11 nonce of a single sign-on";
const VERIFIER_CONTEXT: &str = "quartzdb 2026-11 code verifier of a single sign-on";

/// Makes attempts and takes them back, each once.
pub struct SsoAttempts {
    key: [u8; 32],
    spent: Cache<[u8; SECRET_BYTES], Arc<AtomicBool>>,
}

/// A single sign-on that has begun.
pub(super) struct SsoAttempt {
    secret: [u8; SECRET_BYTES],
    /// Milliseconds since 1970.
    expires_at: u64,
    /// The path here where the browser goes in the end.
    pub(super) return_to: String,
}

impl SsoAttempts {
    /// Attempts that are marked with a key. Who has begun with another one begins anew, so it lasts as long as
    /// the host can see to.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            spent: Cache::new(SPENT_MAX),
        }
    }

    /// Begins one: what the browser keeps of it, and the attempt.
    pub(super) fn begin(
        &self,
        secret: [u8; SECRET_BYTES],
        now: u64,
        return_to: &str,
    ) -> (String, SsoAttempt) {
        let attempt = SsoAttempt {
            secret,
            expires_at: now.saturating_add(SSO_LIFE_MILLIS),
            return_to: return_to.to_owned(),
        };
        let body = attempt.bytes();
        let mark = blake3::keyed_hash(&self.key, &body);
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string([&mark.as_bytes()[..], &body].concat(), &mut text);
        (text, attempt)
    }

    /// Takes an attempt back with the state that came from the provider, once. `None` if it is none of ours,
    /// of another state, over, or was taken back before.
    pub(super) fn take(&self, kept: &str, state: &str, now: u64) -> Option<SsoAttempt> {
        let bytes = URL_SAFE_NO_PAD.decode(kept.strip_prefix(PREFIX)?).ok()?;
        let (mark, body) = bytes.split_first_chunk::<MARK_BYTES>()?;
        // Hashes of blake3 compare in constant time.
        if blake3::keyed_hash(&self.key, body) != blake3::Hash::from(*mark) {
            return None;
        }
        let attempt = SsoAttempt::parse(body)?;
        let expected = attempt.handshake().state;
        let is_its_state = blake3::hash(expected.as_bytes()) == blake3::hash(state.as_bytes());
        if !is_its_state || attempt.expires_at <= now {
            return None;
        }
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(spent) = self.spent.get_or_insert_with(&attempt.secret, fresh);
        (!spent.swap(true, Ordering::AcqRel)).then_some(attempt)
    }
}

impl SsoAttempt {
    /// What goes to the provider, and proves the way back. Each is derived by itself: who sees one knows
    /// neither the others nor the secret.
    pub(super) fn handshake(&self) -> Handshake {
        let derive = |context| URL_SAFE_NO_PAD.encode(blake3::derive_key(context, &self.secret));
        Handshake {
            state: derive(STATE_CONTEXT),
            nonce: derive(NONCE_CONTEXT),
            verifier: derive(VERIFIER_CONTEXT),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        [
            &self.secret[..],
            &self.expires_at.to_be_bytes(),
            self.return_to.as_bytes(),
        ]
        .concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (secret, rest) = bytes.split_first_chunk()?;
        let (expires_at, return_to) = rest.split_first_chunk()?;
        Some(Self {
            secret: *secret,
            expires_at: u64::from_be_bytes(*expires_at),
            return_to: String::from_utf8(return_to.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_taken_back_once_by_its_own_state() {
        let attempts = SsoAttempts::new([1; 32]);
        let (kept, begun) = attempts.begin([7; 32], 1000, "/console/x?y=1");
        let (other, _) = attempts.begin([8; 32], 1000, "/");
        let state = begun.handshake().state;
        assert!(attempts.take(&kept, "", 1000).is_none());
        assert!(
            attempts
                .take(&kept, &begun.handshake().nonce, 1000)
                .is_none()
        );
        assert!(attempts.take(&other, &state, 1000).is_none());
        let taken = attempts
            .take(&kept, &state, 1000 + SSO_LIFE_MILLIS - 1)
            .unwrap();
        assert_eq!(taken.return_to, "/console/x?y=1");
        assert_eq!(taken.handshake(), begun.handshake());
        assert!(attempts.take(&kept, &state, 1000).is_none());
    }

    #[test]
    fn an_attempt_ends_and_cannot_be_changed() {
        let attempts = SsoAttempts::new([1; 32]);
        let (kept, begun) = attempts.begin([7; 32], 1000, "/");
        let state = begun.handshake().state;
        assert!(
            attempts
                .take(&kept, &state, 1000 + SSO_LIFE_MILLIS)
                .is_none()
        );
        // Another process has another key.
        assert!(
            SsoAttempts::new([2; 32])
                .take(&kept, &state, 1000)
                .is_none()
        );
        let mut bytes = URL_SAFE_NO_PAD.decode(&kept[PREFIX.len()..]).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let changed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));
            bytes[at] ^= 1;
            assert!(attempts.take(&changed, &state, 1000).is_none(), "byte {at}");
        }
        for none in ["", PREFIX, &kept[1..], &kept[..60]] {
            assert!(attempts.take(none, &state, 1000).is_none(), "{none}");
        }
        assert!(attempts.take(&kept, &state, 1000).is_some());
    }

    #[test]
    fn parts_of_a_handshake_are_verifiers_and_differ() {
        let (_, attempt) = SsoAttempts::new([1; 32]).begin([7; 32], 0, "/");
        let Handshake {
            state,
            nonce,
            verifier,
        } = attempt.handshake();
        // RFC 7636: 43 to 128 unreserved characters.
        assert_eq!(verifier.len(), 43);
        assert!(state != nonce && nonce != verifier && verifier != state);
    }
}
