use std::fmt;

use quartz_client::{Metadata, Record, Vector};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use serde_json::value::RawValue;

/// A line of a JSON Lines file: a record to store, or one as `quartz export` writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(deserialize_with = "id")]
    id: String,
    vector: Option<Vector>,
    metadata: Option<Metadata>,
    text: Option<String>,
    value: Option<Box<RawValue>>,
    value_base64: Option<String>,
    content_type: Option<String>,
    ttl: Option<u64>,
    expires_at: Option<u64>,
    /// Exports carry it; the record gets the version of its new write.
    #[serde(rename = "version")]
    _version: Option<u64>,
}

impl Line {
    /// The record to store now (milliseconds since 1970), or `None` if it has expired.
    pub(super) fn into_record(self, now: u64) -> Option<Record> {
        let ttl = match self.expires_at {
            Some(moment) if moment <= now => return None,
            Some(moment) => Some((moment - now).div_ceil(1000)),
            None => self.ttl,
        };
        Some(Record {
            id: self.id,
            vector: self.vector,
            metadata: self.metadata,
            text: self.text,
            value: self.value,
            value_base64: self.value_base64,
            content_type: self.content_type,
            ttl,
            ..Record::default()
        })
    }
}

/// An id is a string; whole numbers are taken as their digits.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Id;

    impl Visitor<'_> for Id {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a whole number as id")
        }

        fn visit_str<E: Error>(self, id: &str) -> Result<String, E> {
            Ok(id.to_owned())
        }

        fn visit_string<E: Error>(self, id: String) -> Result<String, E> {
            Ok(id)
        }

        fn visit_u64<E: Error>(self, id: u64) -> Result<String, E> {
            Ok(id.to_string())
        }

        fn visit_i64<E: Error>(self, id: i64) -> Result<String, E> {
            Ok(id.to_string())
        }
    }

    deserializer.deserialize_any(Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Option<Record> {
        serde_json::from_str::<Line>(json)
            .unwrap()
            .into_record(10_000)
    }

    #[test]
    fn exported_records_keep_their_expiry() {
        let record_of =
            |at: u64| record(&format!("{{\"id\":7,\"version\":3,\"expires_at\":{at}}}"));
        assert!(record_of(10_000).is_none());
        let kept = record_of(10_001).unwrap();
        assert_eq!((kept.id.as_str(), kept.ttl), ("7", Some(1)));
        assert_eq!(record("{\"id\":\"a\",\"ttl\":5}").unwrap().ttl, Some(5));
        let json = "{\"id\":\"a\",\"value\":{\"x\": 1.0}}";
        assert_eq!(record(json).unwrap().value.unwrap().get(), "{\"x\": 1.0}");
    }
}
