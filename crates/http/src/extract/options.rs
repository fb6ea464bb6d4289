//! Headers that say how to read or write.

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, request::Parts};
use quartz_api::ErrorCode;
use quartz_core::{
    namespace::{Change, Idempotency, View, Write},
    store::Durability,
};

use crate::{
    names,
    problem::{Failure, Result},
    state::app,
};

/// `Quartz-Min-Version`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOptions {
    min_version: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for ReadOptions {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let min_version = match text(&parts.headers, &names::MIN_VERSION)? {
            None => 0,
            // Versions stay below 2^63, which is what most languages can count to.
            Some(text) => text
                .parse()
                .ok()
                .filter(|version| *version <= i64::MAX as u64)
                .ok_or_else(|| {
                    Failure::invalid("Quartz-Min-Version must be a whole number below 2^63")
                        .at(names::MIN_VERSION.as_str())
                })?,
        };
        Ok(Self { min_version })
    }
}

impl ReadOptions {
    /// Refuses a view that is older than the reader demands.
    pub(crate) fn check(self, view: &View) -> Result<()> {
        let version = view.version();
        if version < self.min_version {
            return Err(Failure::new(
                ErrorCode::VersionNotReached,
                format!(
                    "the namespace is at version {version}, not yet at {}",
                    self.min_version
                ),
            )
            .version(version));
        }
        Ok(())
    }
}

/// `Quartz-Durability` and `Idempotency-Key`.
pub(crate) struct WriteOptions {
    durability: Durability,
    idempotency: Option<Box<Repeatable>>,
}

/// A request with an idempotency key, its fingerprint in the making.
struct Repeatable {
    key: String,
    hasher: blake3::Hasher,
}

impl<S: Send + Sync> FromRequestParts<S> for WriteOptions {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let durability = match text(&parts.headers, &names::DURABILITY)? {
            None | Some("disk") => Durability::Disk,
            Some("memory") => Durability::Memory,
            Some(_) => {
                return Err(Failure::invalid("Quartz-Durability may be disk or memory")
                    .at(names::DURABILITY.as_str()));
            }
        };
        let idempotency = match text(&parts.headers, &names::IDEMPOTENCY_KEY)? {
            None => None,
            Some(key) => {
                check_key(key, app.limits.idempotency_key_bytes)?;
                let mut hasher = blake3::Hasher::new();
                let content_type = parts.headers.get(http::header::CONTENT_TYPE);
                for piece in [
                    parts.method.as_str().as_bytes(),
                    parts.uri.path().as_bytes(),
                    parts.uri.query().unwrap_or_default().as_bytes(),
                    content_type.map_or(b"", |value| value.as_bytes()),
                ] {
                    hasher.update(&(piece.len() as u64).to_le_bytes());
                    hasher.update(piece);
                }
                Some(Box::new(Repeatable {
                    key: key.to_owned(),
                    hasher,
                }))
            }
        };
        Ok(Self {
            durability,
            idempotency,
        })
    }
}

impl WriteOptions {
    /// Takes the body into the fingerprint.
    pub(crate) fn body(mut self, bytes: &[u8]) -> Self {
        if let Some(repeatable) = &mut self.idempotency {
            repeatable.hasher.update(bytes);
        }
        self
    }

    /// The write that does `change`.
    pub(crate) fn write(&self, change: Change) -> Write {
        self.slice(change, 0)
    }

    /// The write that does the part `slice` of a request that takes several writes. Each part is
    /// recognised by itself, so a repeat finishes what was broken off.
    pub(crate) fn slice(&self, change: Change, slice: usize) -> Write {
        let idempotency = self.idempotency.as_ref().map(|repeatable| {
            let mut fingerprint = [0; 16];
            fingerprint.copy_from_slice(&repeatable.hasher.finalize().as_bytes()[..16]);
            let key = match slice {
                0 => repeatable.key.clone(),
                // No client's key has a space.
                _ => format!("{} {slice}", repeatable.key),
            };
            Idempotency { key, fingerprint }
        });
        Write {
            change,
            durability: self.durability,
            idempotency,
            payer: None,
            most_units: None,
        }
    }
}

fn check_key(key: &str, most: usize) -> Result<()> {
    if key.len() > most {
        return Err(
            Failure::limit("the idempotency key", "idempotency_key_bytes", most)
                .at(names::IDEMPOTENCY_KEY.as_str()),
        );
    }
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            Failure::invalid("an idempotency key is 1 to 255 visible ASCII characters")
                .at(names::IDEMPOTENCY_KEY.as_str()),
        );
    }
    Ok(())
}

/// The value of a header that may be there once.
fn text<'a>(headers: &'a HeaderMap, name: &'static HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Failure::invalid(format!("the header {name} came twice")).at(name.as_str()));
    }
    value
        .to_str()
        .map(|text| Some(text.trim()))
        .map_err(|_| Failure::invalid(format!("the header {name} must be ASCII")).at(name.as_str()))
}
