//! Values in JSON bodies.
//!
//! In: with a JSON content type (`application/json`, `…+json`) the JSON text is kept as it is; else a
//! string stands for its text and anything else for its JSON text. Without a content type a string is
//! `text/plain`, other JSON `application/json`, base64 `application/octet-stream`.
//!
//! Out: the same backwards. What cannot go that way and come back the same is sent as base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use quartz_api::Limits;
use quartz_core::record::Value;
use serde_json::value::RawValue;

use crate::problem::{Failure, Result};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
/// Content type of values that come without one.
pub(crate) const BYTES: &str = "application/octet-stream";

/// The three members of a JSON object that make a value.
#[derive(Debug, Default)]
pub(crate) struct WireValue {
    pub(crate) value: Option<Box<RawValue>>,
    pub(crate) value_base64: Option<String>,
    pub(crate) content_type: Option<String>,
}

/// How exact a value must be on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For reading: JSON appears as JSON, white space around it is dropped.
    Readable,
    /// For a line of an export: comes back byte for byte, on one line.
    Exact,
}

/// The value that a client sends; paths are seen from the object that holds it.
pub(crate) fn value_from_wire(wire: WireValue, limits: &Limits) -> Result<Option<Value>> {
    let WireValue {
        value,
        value_base64,
        content_type,
    } = wire;
    if let Some(content_type) = &content_type {
        check_content_type(content_type, limits).map_err(|f| f.at("content_type"))?;
    }
    let (bytes, implied, path) = match (value, value_base64) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid("send value or value_base64, not both").at("value_base64"));
        }
        (None, None) if content_type.is_some() => {
            return Err(
                Failure::invalid("there is no value to have a content type").at("content_type")
            );
        }
        (None, None) => return Ok(None),
        (None, Some(base64)) => {
            let bytes = STANDARD.decode(base64).map_err(|error| {
                Failure::invalid(format!("not base64: {error}")).at("value_base64")
            })?;
            (Bytes::from(bytes), BYTES, "value_base64")
        }
        (Some(raw), None) => {
            let (bytes, implied) = from_json(&raw, content_type.as_deref())?;
            (bytes, implied, "value")
        }
    };
    if bytes.len() > limits.value_bytes {
        return Err(Failure::limit("the value", "value_bytes", limits.value_bytes).at(path));
    }
    let content_type = content_type.unwrap_or_else(|| implied.to_owned());
    Ok(Some(Value {
        content_type,
        bytes,
    }))
}

fn from_json(raw: &RawValue, content_type: Option<&str>) -> Result<(Bytes, &'static str)> {
    let text = raw.get();
    if text.starts_with('"') && !content_type.is_some_and(is_json) {
        let string: String = serde_json::from_str(text)
            .map_err(|error| Failure::invalid(format!("not a string: {error}")).at("value"))?;
        return Ok((Bytes::from(string), TEXT));
    }
    Ok((Bytes::copy_from_slice(text.as_bytes()), JSON))
}

/// The members that carry a value to a client.
pub(crate) fn value_to_wire(value: Value, form: Form) -> WireValue {
    let Value {
        content_type,
        bytes,
    } = value;
    let raw = std::str::from_utf8(&bytes).ok().and_then(|text| {
        if is_json(&content_type) {
            to_json(text, form)
        } else {
            serde_json::value::to_raw_value(text).ok()
        }
    });
    let value_base64 = raw.is_none().then(|| STANDARD.encode(&bytes));
    WireValue {
        value: raw,
        value_base64,
        content_type: Some(content_type),
    }
}

fn to_json(text: &str, form: Form) -> Option<Box<RawValue>> {
    let trimmed = text.trim_matches([' ', '\n', '\r', '\t']);
    // `null` would read as no value at all.
    if trimmed == "null"
        || form == Form::Exact && (trimmed.len() < text.len() || text.contains('\n'))
    {
        return None;
    }
    RawValue::from_string(trimmed.to_owned()).ok()
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(JSON)
        || media_type
            .len()
            .checked_sub(5)
            .and_then(|start| media_type.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}

/// A content type is kept as it is, but must be able to stand in a header.
pub(crate) fn check_content_type(content_type: &str, limits: &Limits) -> Result<()> {
    if content_type.len() > limits.content_type_bytes {
        let most = limits.content_type_bytes;
        return Err(Failure::limit(
            "the content type",
            "content_type_bytes",
            most,
        ));
    }
    let visible = content_type
        .bytes()
        .all(|byte| (b' '..=b'~').contains(&byte));
    if content_type.trim().is_empty() || !visible {
        return Err(Failure::invalid(
            "a content type is visible ASCII, such as text/plain",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quartz_api::MAX;

    use super::*;

    fn raw(text: &str) -> Option<Box<RawValue>> {
        Some(RawValue::from_string(text.to_owned()).unwrap())
    }

    fn stored(value: &str, content_type: Option<&str>) -> (String, String) {
        let content_type = content_type.map(str::to_owned);
        let wire = WireValue {
            value: raw(value),
            value_base64: None,
            content_type,
        };
        let value = value_from_wire(wire, &MAX).unwrap().unwrap();
        (
            value.content_type,
            String::from_utf8(value.bytes.to_vec()).unwrap(),
        )
    }

    #[test]
    fn forms_of_a_value() {
        let text = |t: &str, b: &str| (t.to_owned(), b.to_owned());
        assert_eq!(stored(r#""a\u0062""#, None), text(TEXT, "ab"));
        assert_eq!(
            stored(r#"{ "a" : 1.50 }"#, None),
            text(JSON, r#"{ "a" : 1.50 }"#)
        );
        assert_eq!(stored(r#""a""#, Some("text/html")), text("text/html", "a"));
        assert_eq!(stored(r#""a""#, Some(JSON)), text(JSON, r#""a""#));
        assert_eq!(stored("[1]", Some("a/b+json")), text("a/b+json", "[1]"));
        assert_eq!(stored("12", Some("text/plain")), text("text/plain", "12"));
    }

    #[test]
    fn what_goes_out_exactly_comes_back_exactly() {
        for content_type in [TEXT, JSON, BYTES, "a/b+json; x=y", "text/html"] {
            for bytes in [
                &b""[..],
                b"text",
                b"\xff\0",
                b"{\"a\":1}",
                b" {}\n",
                b"[\n1]",
                b"null",
                b"\"s\"",
                b"{oops",
                "\u{2028}é".as_bytes(),
                b"1e400",
            ] {
                let value = Value {
                    content_type: content_type.to_owned(),
                    bytes: Bytes::copy_from_slice(bytes),
                };
                let wire = value_to_wire(value.clone(), Form::Exact);
                assert!(
                    !wire
                        .value
                        .as_ref()
                        .is_some_and(|raw| raw.get().contains('\n'))
                );
                assert_eq!(value_from_wire(wire, &MAX).unwrap(), Some(value));
            }
        }
    }

    #[test]
    fn readable_json_is_json() {
        let bytes = Bytes::from_static(b" {\n\"a\": 1}\n");
        let value = Value {
            content_type: JSON.into(),
            bytes,
        };
        let wire = value_to_wire(value, Form::Readable);
        assert_eq!(wire.value.unwrap().get(), "{\n\"a\": 1}");
        assert_eq!(wire.value_base64, None);
    }

    #[test]
    fn faults() {
        let path = |wire| value_from_wire(wire, &MAX).unwrap_err().path.unwrap();
        let base64 = |text: &str| Some(text.to_owned());
        assert_eq!(
            path(WireValue {
                value: raw("1"),
                value_base64: base64("AA=="),
                content_type: None
            }),
            "value_base64"
        );
        assert_eq!(
            path(WireValue {
                value_base64: base64("?"),
                ..Default::default()
            }),
            "value_base64"
        );
        assert_eq!(
            path(WireValue {
                content_type: base64(TEXT),
                ..Default::default()
            }),
            "content_type"
        );
        let odd = WireValue {
            value: raw("1"),
            content_type: base64("a\nb"),
            value_base64: None,
        };
        assert_eq!(path(odd), "content_type");
    }
}
