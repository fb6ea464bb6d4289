//! `If-Match` and `If-None-Match` (RFC 9110, section 13), as far as the API takes them.

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use quartz_api::ErrorCode;
use quartz_core::namespace::Precondition;

use crate::problem::{Failure, Result};

/// `If-None-Match` of a read: the versions the client has already.
pub(crate) struct ReadCondition(Known);

enum Known {
    Nothing,
    Any,
    Versions(Vec<u64>),
}

/// The condition of a write.
pub(crate) struct WriteCondition(pub(crate) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for ReadCondition {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::parse(&parts.headers)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WriteCondition {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::parse(&parts.headers)
    }
}

impl ReadCondition {
    fn parse(headers: &HeaderMap) -> Result<Self> {
        if headers.contains_key(header::IF_MATCH) {
            return Err(refused(&header::IF_MATCH, "is for PUT and DELETE only"));
        }
        Ok(Self(match tags(headers, &header::IF_NONE_MATCH)? {
            None => Known::Nothing,
            Some(Tags::Any) => Known::Any,
            // Weak comparison: W/ makes no difference.
            Some(Tags::Listed(tags)) => {
                Known::Versions(tags.iter().filter_map(|tag| tag.version).collect())
            }
        }))
    }

    /// Whether the client has this version already.
    pub(crate) fn knows(&self, version: u64) -> bool {
        match &self.0 {
            Known::Nothing => false,
            Known::Any => true,
            Known::Versions(versions) => versions.contains(&version),
        }
    }
}

impl WriteCondition {
    fn parse(headers: &HeaderMap) -> Result<Self> {
        let present = tags(headers, &header::IF_MATCH)?;
        let absent = tags(headers, &header::IF_NONE_MATCH)?;
        let precondition = match (present, absent) {
            (None, None) => Precondition::None,
            (Some(Tags::Any), None) => Precondition::Exists,
            (None, Some(Tags::Any)) => Precondition::Absent,
            (_, Some(Tags::Listed(_))) => {
                return Err(refused(&header::IF_NONE_MATCH, "may only be * in a write"));
            }
            (Some(_), Some(_)) => {
                return Err(Failure::new(
                    ErrorCode::PreconditionFailed,
                    "If-Match asks for a record and If-None-Match for none; send one of them",
                ));
            }
            (Some(Tags::Listed(tags)), None) => match tags.as_slice() {
                [
                    Tag {
                        version: Some(version),
                        weak: false,
                    },
                ] => Precondition::Version(*version),
                // Strong comparison: neither a weak tag nor one of another server ever matches.
                [_] => {
                    return Err(Failure::new(
                        ErrorCode::PreconditionFailed,
                        "the tag in If-Match is not one that this server gives",
                    ));
                }
                _ => return Err(refused(&header::IF_MATCH, "takes one tag")),
            },
        };
        Ok(Self(precondition))
    }
}

/// The tag of a version.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

enum Tags {
    Any,
    Listed(Vec<Tag>),
}

struct Tag {
    version: Option<u64>,
    weak: bool,
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>> {
    let mut all = Vec::new();
    let mut any = false;
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| refused(name, "must be ASCII"))?;
        if text.trim() == "*" {
            any = true;
            continue;
        }
        // Tags of this server hold digits only, so a comma always separates.
        for tag in text.split(',') {
            all.push(
                parse_tag(tag.trim())
                    .ok_or_else(|| refused(name, "must be * or a tag in quotes, such as \"42\""))?,
            );
        }
    }
    match (any, all.is_empty()) {
        (true, true) => Ok(Some(Tags::Any)),
        (true, false) => Err(refused(name, "must be * or tags, not both")),
        (false, true) => Ok(None),
        (false, false) => Ok(Some(Tags::Listed(all))),
    }
}

fn parse_tag(text: &str) -> Option<Tag> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if opaque
        .bytes()
        .any(|byte| byte == b'"' || byte.is_ascii_whitespace())
    {
        return None;
    }
    // `"042"` is not the tag that was given out.
    let version = opaque
        .parse::<u64>()
        .ok()
        .filter(|_| !opaque.starts_with(['0', '+']) || opaque == "0");
    Some(Tag { version, weak })
}

fn refused(name: &HeaderName, why: &str) -> Failure {
    let path = name.as_str().to_owned();
    Failure::invalid(format!("the header {path} {why}")).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    fn write(pairs: &[(&'static str, &'static str)]) -> Result<String, ErrorCode> {
        WriteCondition::parse(&headers(pairs))
            .map(|condition| format!("{:?}", condition.0))
            .map_err(|failure| failure.code)
    }

    #[test]
    fn conditions_of_writes() {
        let invalid = Err(ErrorCode::InvalidRequest);
        let failed = Err(ErrorCode::PreconditionFailed);
        assert_eq!(write(&[]), Ok("None".into()));
        assert_eq!(write(&[("if-match", "*")]), Ok("Exists".into()));
        assert_eq!(write(&[("if-match", "\"42\"")]), Ok("Version(42)".into()));
        assert_eq!(write(&[("if-none-match", "*")]), Ok("Absent".into()));
        assert_eq!(write(&[("if-match", "W/\"42\"")]), failed);
        assert_eq!(write(&[("if-match", "\"abc\"")]), failed);
        assert_eq!(write(&[("if-match", "\"042\"")]), failed);
        assert_eq!(write(&[("if-match", "42")]), invalid);
        assert_eq!(write(&[("if-match", "")]), invalid);
        assert_eq!(write(&[("if-match", "\"1\", \"2\"")]), invalid);
        assert_eq!(write(&[("if-match", "\"1\""), ("if-match", "*")]), invalid);
        assert_eq!(write(&[("if-none-match", "\"1\"")]), invalid);
        assert_eq!(write(&[("if-match", "*"), ("if-none-match", "*")]), failed);
    }

    #[test]
    fn conditions_of_reads() {
        let knows = |value: &'static str, version| {
            ReadCondition::parse(&headers(&[("if-none-match", value)]))
                .unwrap()
                .knows(version)
        };
        assert!(knows("\"1\"", 1) && !knows("\"1\"", 2));
        assert!(knows("W/\"7\", \"abc\",\"2\"", 2) && knows("W/\"7\"", 7));
        assert!(knows("*", 1));
        assert!(!ReadCondition::parse(&headers(&[])).unwrap().knows(1));
        assert!(ReadCondition::parse(&headers(&[("if-match", "*")])).is_err());
        assert!(ReadCondition::parse(&headers(&[("if-none-match", "1")])).is_err());
    }

    #[test]
    fn tags_are_quoted_numbers() {
        for version in [0, 1, 9, 10, 42, u64::MAX] {
            assert_eq!(etag(version), format!("\"{version}\""));
        }
    }
}
