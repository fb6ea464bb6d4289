use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema},
    },
};

use crate::{MAX, bounded};

/// Metadata: a flat object of strings, numbers, booleans and lists of strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(
    #[serde(deserialize_with = "bounded::fields")] pub BTreeMap<String, MetadataValue>,
);

/// The value of a metadata field.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// Removes the field in a merge patch; not allowed elsewhere.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite 64-bit float. Whole numbers beyond ±2^53 are refused: send them as strings.
    Number(f64),
    /// A string.
    String(String),
    /// A list of strings.
    Strings(Vec<String>),
}

/// The largest whole number up to which every whole number is a 64-bit float.
const LARGEST_WHOLE: i64 = 1 << 53;

impl Serialize for MetadataValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => {
                let whole = *value as i64;
                if whole as f64 == *value && whole.abs() <= LARGEST_WHOLE {
                    serializer.serialize_i64(whole)
                } else {
                    serializer.serialize_f64(*value)
                }
            }
            Self::String(value) => serializer.serialize_str(value),
            Self::Strings(values) => values.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = MetadataValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or a list of strings")
    }

    fn visit_unit<E: Error>(self) -> Result<MetadataValue, E> {
        Ok(MetadataValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<MetadataValue, E> {
        Ok(MetadataValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<MetadataValue, E> {
        if value.unsigned_abs() > LARGEST_WHOLE.unsigned_abs() {
            return Err(E::custom(
                "whole numbers in metadata lie between -2^53 and 2^53; send larger ones as strings",
            ));
        }
        Ok(MetadataValue::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<MetadataValue, E> {
        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<MetadataValue, E> {
        // -0.0 and 0.0 are equal and must be one key in the index.
        Ok(MetadataValue::Number(value + 0.0))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<MetadataValue, E> {
        Ok(MetadataValue::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<MetadataValue, E> {
        Ok(MetadataValue::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<MetadataValue, A::Error> {
        let mut strings = Vec::new();
        while let Some(string) = sequence.next_element()? {
            if strings.len() == MAX.list_items {
                return Err(A::Error::custom(format_args!(
                    "a metadata list holds at most {} strings",
                    MAX.list_items
                )));
            }
            strings.push(string);
        }
        Ok(MetadataValue::Strings(strings))
    }
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some(
                "A flat object of strings, numbers, booleans and lists of strings.",
            ))
            .into()
    }
}

impl ToSchema for Metadata {
    fn name() -> Cow<'static, str> {
        "Metadata".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_look() {
        for json in [
            "1",
            "-3",
            "0.5",
            "9007199254740992",
            "1e300",
            "true",
            "\"x\"",
            "[\"a\"]",
        ] {
            let value: MetadataValue = serde_json::from_str(json).unwrap();
            let back = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<MetadataValue>(&back).unwrap(), value);
            if json != "1e300" {
                assert_eq!(back, json);
            }
        }
        assert_eq!(
            serde_json::to_string(&MetadataValue::Number(2.0)).unwrap(),
            "2"
        );
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        // Without serde_json's `float_roundtrip` this one does not.
        let json = "923835.2667493811";
        let value: MetadataValue = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }

    #[test]
    fn numbers_that_a_float_cannot_hold_are_refused() {
        for json in [
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "{}",
            "[1]",
        ] {
            assert!(
                serde_json::from_str::<MetadataValue>(json).is_err(),
                "{json}"
            );
        }
    }
}
