use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type},
    },
};

use crate::{MAX, bounded};

/// How vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Cosine of the angle: score from -1 to 1, higher is nearer. Zero vectors are refused.
    #[default]
    Cosine,
    /// Inner product: any score, higher is nearer.
    Dot,
    /// Straight-line distance: score from 0, lower is nearer.
    Euclidean,
}

/// Which metadata fields filters can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IndexedFields {
    /// Every field; `"all"` on the wire.
    #[default]
    All,
    /// These fields only.
    Only(Vec<String>),
}

impl Serialize for IndexedFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Only(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for IndexedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = IndexedFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\" or a list of field names")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<IndexedFields, E> {
        match word {
            "all" => Ok(IndexedFields::All),
            _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<IndexedFields, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = sequence.next_element()? {
            if names.len() == MAX.metadata_fields {
                return Err(A::Error::custom(format_args!(
                    "indexed_fields names at most {} fields",
                    MAX.metadata_fields
                )));
            }
            names.push(name);
        }
        Ok(IndexedFields::Only(names))
    }
}

impl PartialSchema for IndexedFields {
    fn schema() -> RefOr<Schema> {
        let string = || ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        OneOfBuilder::new()
            .item(string().enum_values(Some(["all"])))
            .item(
                ArrayBuilder::new()
                    .items(
                        string()
                            .min_length(Some(1))
                            .max_length(Some(MAX.field_name_bytes))
                            .pattern(Some("^[^$]")),
                    )
                    .max_items(Some(MAX.metadata_fields)),
            )
            .description(Some("Which metadata fields filters can use."))
            .into()
    }
}

impl ToSchema for IndexedFields {
    fn name() -> Cow<'static, str> {
        "IndexedFields".into()
    }
}

/// How exactly vectors are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreVectors {
    /// Four bytes a component, as they were sent.
    #[default]
    F32,
    /// Two bytes a component, up to ±65,504.
    F16,
    /// One byte a component: 255 steps between plus and minus the largest one.
    Int8,
}

impl StoreVectors {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a namespace is told at creation. All of it is fixed from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceConfig {
    /// Components of every vector, 1 to 16,384; without it the first vector decides.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::whole"
    )]
    #[schema(minimum = 1, maximum = 16384)]
    pub dimension: Option<u32>,
    /// How vectors are compared.
    pub metric: Metric,
    /// How exactly vectors are stored. Scores are those of the rounded vectors.
    #[serde(skip_serializing_if = "StoreVectors::is_default")]
    pub store_vectors: StoreVectors,
    /// Which metadata fields filters can use: `"all"` or a list of names.
    pub indexed_fields: IndexedFields,
    /// Into how many parts the records are divided by their ids, 1 to 32; 1 if absent. Needs
    /// `dimension`. A batch concerns one part.
    #[serde(
        default,
        deserialize_with = "bounded::whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 1, maximum = 32)]
    pub partitions: Option<u16>,
}

/// A namespace with its exact counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Namespace {
    /// Name.
    pub name: String,
    /// Configuration; `dimension` is there once it is known.
    #[serde(flatten)]
    pub config: NamespaceConfig,
    /// Records that have not expired.
    pub records: u64,
    /// Of these, records with a vector.
    pub vectors: u64,
    /// Of these, records with a value.
    pub values: u64,
    /// Bytes of ids, values, texts, metadata and vectors of the records.
    pub bytes: u64,
    /// Number of the last write.
    pub version: u64,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}

/// A namespace in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamespaceSummary {
    /// Name.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}

/// A page of namespaces, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamespaceList {
    /// Namespaces, ascending by name.
    pub namespaces: Vec<NamespaceSummary>,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
