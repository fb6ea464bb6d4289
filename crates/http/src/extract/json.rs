//! JSON bodies. The fast path parses once; only a body at fault is parsed again to find the place.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, header};
use quartz_api::ErrorCode;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::body::{self, BodyLimit};
use crate::{
    auth::Guest,
    problem::{Failure, Result},
    state::app,
};

/// The body, parsed, and its bytes.
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// How it says it, for fingerprints.
    pub(crate) bytes: bytes::Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self> {
        let app = app(request.extensions())?;
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Failure::new(
                ErrorCode::UnsupportedMediaType,
                "the body must be JSON with Content-Type: application/json",
            ));
        }
        let limit = match parts.extensions.get::<Guest>() {
            None => BodyLimit {
                name: "body_bytes",
                bytes: app.limits.body_bytes,
            },
            // From a stranger.
            Some(_) => BodyLimit {
                name: "open_body_bytes",
                bytes: app.limits.open_body_bytes,
            },
        };
        let bytes = body::read(&parts.headers, body, limit).await?;
        Ok(Self {
            value: parse(&bytes)?,
            bytes,
        })
    }
}

/// The object that JSON text stands for.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // What serde derives would also take a list of the members' values.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    match serde_json::from_slice(bytes) {
        Ok(value) if is_object => Ok(value),
        Ok(_) => Err(Failure::invalid("the body is not a JSON object")),
        Err(error) => Err(describe::<T>(bytes, &error)),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        || media_type.split_once('/').is_some_and(|(kind, subtype)| {
            kind.eq_ignore_ascii_case("application")
                && subtype.len() > 5
                && subtype.as_bytes()[subtype.len() - 5..].eq_ignore_ascii_case(b"+json")
        })
}

/// The failure of a body that is not a `T`: says where and what.
fn describe<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Failure {
    // Some wrong types and all numbers out of range are syntax errors to serde_json.
    let is_json = error.is_data() || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if !is_json {
        return Failure::invalid(if bytes.is_empty() {
            "the body is empty where JSON is expected".to_owned()
        } else {
            format!("the body is not valid JSON: {error}")
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => error.path().to_string(),
        Ok(_) => String::new(),
    };
    let sentence = error.to_string();
    // Wire types that stop reading at a limit say so in these words.
    let code = if sentence.contains(" at most ") {
        ErrorCode::LimitExceeded
    } else if sentence.starts_with("number out of range") && is_in_vector(&path) {
        ErrorCode::VectorInvalid
    } else {
        ErrorCode::InvalidRequest
    };
    let failure = Failure::new(code, sentence);
    if path.is_empty() || path == "." {
        failure
    } else {
        failure.at(path)
    }
}

/// Whether the last member that a path names is a vector: `records[1].vector[0]`.
fn is_in_vector(path: &str) -> bool {
    let member = path.rsplit('.').next().unwrap_or_default();
    member.split('[').next() == Some("vector")
}

#[cfg(test)]
mod tests {
    use quartz_api::{BatchRequest, NamespaceConfig, QueryRequest, UpsertRequest};

    use super::*;

    fn fault<T: DeserializeOwned>(body: &str) -> Failure {
        match serde_json::from_slice::<T>(body.as_bytes()) {
            Ok(_) => panic!("{body} is fine"),
            Err(error) => describe::<T>(body.as_bytes(), &error),
        }
    }

    #[test]
    fn faults_name_their_place() {
        let failure =
            fault::<UpsertRequest>(r#"{"records":[{"id":"a"},{"id":"b","vector":[1,"x"]}]}"#);
        assert_eq!(failure.path.as_deref(), Some("records[1].vector[1]"));
        let failure = fault::<UpsertRequest>(r#"{"records":[{"id":"a","metadata":{"x":{}}}]}"#);
        assert_eq!(failure.path.as_deref(), Some("records[0].metadata.x"));
        let failure = fault::<QueryRequest>(r#"{"topk":3}"#);
        assert_eq!(failure.path.as_deref(), Some("topk"));
        assert!(
            failure.detail.contains("unknown field `topk`"),
            "{}",
            failure.detail
        );
        let failure = fault::<QueryRequest>("{\"id\":\n}");
        assert!(failure.detail.contains("line 2"), "{}", failure.detail);
        assert!(fault::<QueryRequest>("").detail.contains("empty"));
    }

    #[test]
    fn faults_that_look_like_syntax_are_told_apart() {
        let failure = fault::<BatchRequest>(r#"{"operations":[{"id":"a","op":1}]}"#);
        assert_eq!(failure.path.as_deref(), Some("operations[0].op"));
        let failure = fault::<QueryRequest>(r#"{"vector":[1,1e39]}"#);
        assert_eq!(failure.code, ErrorCode::VectorInvalid);
        assert_eq!(failure.path.as_deref(), Some("vector[1]"));
        let failure = fault::<UpsertRequest>(r#"{"records":[{"id":"a","metadata":{"x":1e999}}]}"#);
        assert_eq!(failure.code, ErrorCode::InvalidRequest);
        assert_eq!(failure.path.as_deref(), Some("records[0].metadata.x"));
    }

    #[test]
    fn a_body_is_an_object() {
        assert!(parse::<NamespaceConfig>(b" {}").is_ok());
        assert!(parse::<NamespaceConfig>(b"[]").is_err());
        assert!(parse::<UpsertRequest>(b"[[]]").is_err());
    }

    #[test]
    fn limits_of_the_wire_types_are_limits() {
        let vector = format!("{{\"vector\":[{}0]}}", "0,".repeat(16_384));
        let failure = fault::<QueryRequest>(&vector);
        assert_eq!(failure.code, ErrorCode::LimitExceeded, "{}", failure.detail);
        assert_eq!(failure.path.as_deref(), Some("vector"));
    }

    #[test]
    fn json_has_several_names() {
        let is = |value: &str| {
            is_json(
                &[(header::CONTENT_TYPE, value.parse().unwrap())]
                    .into_iter()
                    .collect(),
            )
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8"));
        assert!(is("application/merge-patch+json"));
        assert!(
            !is("text/json")
                && !is("application/x-www-form-urlencoded")
                && !is("application/+json")
        );
        assert!(!is_json(&HeaderMap::new()));
    }
}
