//! Scoped tokens: made offline from an API key, for a short time, for one namespace and, if given, one
//! filter. For a browser that is to search, and nothing else.
//!
//! `qzt_<account>.<key>.<end>.<namespace>.<filter>.<signature>`: the end in seconds since 1970; namespace,
//! filter (JSON, may be empty) and signature as base64url without padding. The signature is Ed25519 over
//! all that stands before the last dot. Its seed is SHA-256 of `quartz scoped token v1`, a newline and
//! the text of the key; the account keeps the public half, so who steals the store makes no tokens. There
//! is one algorithm, and nothing in a token chooses it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{AccountId, key_text};

/// What every token begins with.
pub const PREFIX: &str = "qzt_";
/// A longer text is not looked at.
pub const BYTES_MAX: usize = 8 << 10;
/// A token that ends later than this from now is refused: it is not short-lived.
pub const LIFE_SECONDS_MAX: u64 = 24 * 60 * 60;
const SEED_CONTEXT: &[u8] = b"quartz scoped token v1\n";

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The one namespace.
    pub namespace: String,
    /// JSON of a filter that every search is subject to; empty: none.
    pub filter: Box<str>,
}

/// A token taken apart, its signature not yet checked.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) account: AccountId,
    pub(crate) key: u32,
    pub(crate) ends_at_seconds: u64,
    pub(crate) scope: Scope,
    signed: usize,
    signature: Signature,
}

/// Makes a token from the text of an API key and the key's number.
///
/// # Errors
/// What is wrong with the text of the key.
pub fn make(
    key: &str,
    number: u32,
    ends_at_seconds: u64,
    scope: &Scope,
) -> Result<String, key_text::KeyFault> {
    let account = key_text::account(key)?;
    let (namespace, filter) = (
        URL_SAFE_NO_PAD.encode(&scope.namespace),
        URL_SAFE_NO_PAD.encode(scope.filter.as_bytes()),
    );
    let mut token = format!("{PREFIX}{account}.{number}.{ends_at_seconds}.{namespace}.{filter}");
    let signature = signer(key).sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
    Ok(token)
}

/// The public half of what signs the tokens of a key.
pub(crate) fn verifier(key: &str) -> [u8; 32] {
    signer(key).verifying_key().to_bytes()
}

fn signer(key: &str) -> SigningKey {
    let mut seed = Sha256::new();
    seed.update(SEED_CONTEXT);
    seed.update(key.as_bytes());
    SigningKey::from_bytes(&seed.finalize().into())
}

impl Claims {
    /// Takes a token apart; `None` if it is none.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.len() > BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let mut parts = signed.strip_prefix(PREFIX)?.split('.');
        let account = parts.next()?.parse().ok()?;
        let key = number(parts.next()?)?;
        let ends_at_seconds = number(parts.next()?)?;
        let namespace = text(parts.next()?)?;
        let filter = text(parts.next()?)?.into();
        if parts.next().is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self {
            account,
            key: u32::try_from(key).ok()?,
            ends_at_seconds,
            scope: Scope { namespace, filter },
            signed: signed.len(),
            signature: Signature::from_slice(&signature).ok()?,
        })
    }

    /// Whether the token was signed by the key with this public half.
    pub(crate) fn is_signed_by(&self, token: &str, verifier: &[u8; 32]) -> bool {
        // The strict check refuses a signature that could have been altered and still hold.
        VerifyingKey::from_bytes(verifier).is_ok_and(|verifier| {
            verifier
                .verify_strict(&token.as_bytes()[..self.signed], &self.signature)
                .is_ok()
        })
    }
}

/// A number written in one way only.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    plain.then(|| text.parse().ok())?
}

fn text(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        key_text::make("acme".parse().unwrap(), [3; 32])
    }

    fn token() -> String {
        let scope = Scope {
            namespace: "docs.v1".into(),
            filter: "{\"user\":7}".into(),
        };
        make(&key(), 4, 1_000, &scope).unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_made_for() {
        let (token, verifier) = (token(), verifier(&key()));
        let claims = Claims::parse(&token).unwrap();
        assert_eq!((claims.account.as_str(), claims.key), ("acme", 4));
        assert_eq!(claims.ends_at_seconds, 1_000);
        assert_eq!(&*claims.scope.filter, "{\"user\":7}");
        assert_eq!(claims.scope.namespace, "docs.v1");
        assert!(claims.is_signed_by(&token, &verifier));
        let other = super::verifier(&key_text::make("acme".parse().unwrap(), [4; 32]));
        assert!(!claims.is_signed_by(&token, &other));
        assert!(!claims.is_signed_by(&token, &[0; 32]));
    }

    #[test]
    fn no_character_can_be_changed() {
        let (token, verifier) = (token(), verifier(&key()));
        for at in 0..token.len() {
            for with in ["A", "z", "0", ".", "-"] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, with);
                if changed == token {
                    continue;
                }
                let holds = Claims::parse(&changed)
                    .is_some_and(|claims| claims.is_signed_by(&changed, &verifier));
                assert!(!holds, "{changed}");
            }
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let long = format!("{}{}", token(), "A".repeat(BYTES_MAX));
        // What a JSON web token with its signature switched off looks like.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJuYW1lc3BhY2UiOiIqIn0.";
        for text in ["", PREFIX, "qzt_acme.4.1000.ZG9j..", unsigned, &long] {
            assert!(Claims::parse(text).is_none(), "{text}");
        }
        for text in ["04", "+4", "-4", "4294967296", ""] {
            let changed = token().replacen(".4.", &format!(".{text}."), 1);
            assert!(Claims::parse(&changed).is_none(), "{text}");
        }
    }
}
