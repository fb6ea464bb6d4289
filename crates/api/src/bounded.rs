//! Lists and maps that stop reading at their limit, so that a small body cannot become a large
//! allocation.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Unexpected, Visitor},
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

/// Reads a whole number below 2^63, if there is one: `deserialize_with` of a member that may be absent.
/// `7.0` is one too, JSON knows no other numbers.
///
/// # Errors
/// When it is another number, or none.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_option(WholeVisitor(PhantomData))
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

struct WholeVisitor<T>(PhantomData<T>);

impl<'de, T: TryFrom<u64>> Visitor<'de> for WholeVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 2^63 - 1")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let small = i64::try_from(number).ok().and(T::try_from(number).ok());
        let refused = || E::invalid_value(Unexpected::Unsigned(number), &self);
        small.map(Some).ok_or_else(refused)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() == 0.0 && (0.0..9.3e18).contains(&number) {
            return self.visit_u64(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
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
    use crate::{DeleteRequest, FetchRequest, Metadata, QueryRequest, Record};

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let version = |number: &str| {
            let json = format!("{{\"id\":\"a\",\"if_version\":{number}}}");
            serde_json::from_str::<Record>(&json).map(|record| record.if_version)
        };
        assert_eq!(version("7").unwrap(), Some(7));
        assert_eq!(version("7.0").unwrap(), Some(7));
        assert_eq!(version("null").unwrap(), None);
        assert_eq!(version("9223372036854775807").unwrap(), Some(u64::MAX / 2));
        for number in [
            "9223372036854775808",
            "9.3e18",
            "-1",
            "0.5",
            "\"7\"",
            "[7]",
            "1e300",
        ] {
            let error = version(number).unwrap_err();
            assert!(error.to_string().contains("whole number"), "{error}");
        }
        let query: QueryRequest = serde_json::from_str("{\"top_k\":3.0}").unwrap();
        assert_eq!(query.top_k, Some(3));
    }

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
