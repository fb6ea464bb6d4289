//! Lists and maps that stop reading at their limit, so that a small body cannot become a large
//! allocation.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::{MAX, MetadataValue};

/// At most `records_per_request` items.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(ListVisitor(PhantomData))
}

/// As [`list`], for a list that may be absent.
pub(crate) fn optional_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_option(OptionalVisitor(PhantomData))
}

/// At most `metadata_fields` fields, each named once.
pub(crate) fn fields<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, MetadataValue>, D::Error> {
    deserializer.deserialize_map(FieldsVisitor)
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            if items.len() == MAX.records_per_request {
                return Err(A::Error::custom(format_args!(
                    "a request holds at most {} items",
                    MAX.records_per_request
                )));
            }
            items.push(item);
        }
        Ok(items)
    }
}

struct OptionalVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionalVisitor<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        list(deserializer).map(Some)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = BTreeMap<String, MetadataValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object of strings, numbers, booleans and lists of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, MetadataValue>()? {
            if fields.len() == MAX.metadata_fields {
                return Err(A::Error::custom(format_args!(
                    "metadata holds at most {} fields",
                    MAX.metadata_fields
                )));
            }
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DeleteRequest, FetchRequest, Metadata};

    #[test]
    fn lists_end_at_the_limit() {
        let ids = |count| format!("{{\"ids\":[{}]}}", vec!["\"a\""; count].join(","));
        assert!(serde_json::from_str::<FetchRequest>(&ids(1_000)).is_ok());
        assert!(serde_json::from_str::<DeleteRequest>(&ids(1_000)).is_ok());
        for error in [
            serde_json::from_str::<FetchRequest>(&ids(1_001)).unwrap_err(),
            serde_json::from_str::<DeleteRequest>(&ids(1_001)).unwrap_err(),
        ] {
            assert!(error.to_string().contains("at most 1000 items"), "{error}");
        }
        let absent: DeleteRequest = serde_json::from_str(r#"{"ids":null}"#).unwrap();
        assert_eq!(absent.ids, None);
    }

    #[test]
    fn metadata_ends_at_the_limit_and_names_a_field_once() {
        let fields: Vec<_> = (0..257).map(|i| format!("\"{i}\":1")).collect();
        let json = format!("{{{}}}", fields.join(","));
        assert!(serde_json::from_str::<Metadata>(&json).is_err());
        assert!(serde_json::from_str::<Metadata>(r#"{"a":1,"a":2}"#).is_err());
    }
}
