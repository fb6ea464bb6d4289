use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, SchemaFormat,
        schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type},
    },
};

use crate::MAX;

/// A dense vector: on the wire an array of numbers or, half the size and much faster to read, a
/// base64 string of little-endian f32 (the encoding embedding services call `base64`).
///
/// ```
/// use quartz_api::Vector;
/// let numbers: Vector = serde_json::from_str("[1.0, -2.5]").unwrap();
/// let packed: Vector = serde_json::from_str("\"AACAPwAAIMA=\"").unwrap();
/// assert_eq!(numbers, packed);
/// assert_eq!(serde_json::to_string(&numbers).unwrap(), "[1.0,-2.5]");
/// assert_eq!(serde_json::to_string(&packed.into_base64()).unwrap(), "\"AACAPwAAIMA=\"");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Vector {
    components: Vec<f32>,
    base64: bool,
}

impl Vector {
    /// The components.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.components
    }

    /// The components, by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<f32> {
        self.components
    }

    /// The same vector, written as base64.
    #[must_use]
    pub fn into_base64(self) -> Self {
        Self {
            base64: true,
            ..self
        }
    }
}

impl From<Vec<f32>> for Vector {
    fn from(components: Vec<f32>) -> Self {
        Self {
            components,
            base64: false,
        }
    }
}

impl PartialEq for Vector {
    fn eq(&self, other: &Self) -> bool {
        self.components == other.components
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.base64 {
            return self.components.serialize(serializer);
        }
        let bytes: Vec<u8> = self
            .components
            .iter()
            .flat_map(|c| c.to_le_bytes())
            .collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers, or a base64 string of little-endian f32")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vector, A::Error> {
        let mut components = Vec::with_capacity(sequence.size_hint().unwrap_or(384).min(4096));
        while let Some(component) = sequence.next_element()? {
            if components.len() == MAX.dimension {
                return Err(A::Error::custom(format_args!(
                    "a vector has at most {} components",
                    MAX.dimension
                )));
            }
            components.push(component);
        }
        Ok(components.into())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vector, E> {
        if text.len() > MAX.dimension * 4 * 4 / 3 + 4 {
            return Err(E::custom(format_args!(
                "a vector has at most {} components",
                MAX.dimension
            )));
        }
        let bytes = STANDARD.decode(text).map_err(|error| {
            E::custom(format_args!(
                "a vector given as a string must be base64: {error}"
            ))
        })?;
        let (components, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("a base64 vector must hold whole 4-byte floats"));
        }
        let components = components
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        Ok(Vector {
            components,
            base64: true,
        })
    }
}

impl PartialSchema for Vector {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Number))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Float)));
        let array = ArrayBuilder::new()
            .items(number)
            .min_items(Some(1))
            .max_items(Some(MAX.dimension))
            .description(Some("Components."));
        // Groups of 16 characters are three components; the rest is one or two.
        let base64 = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .min_length(Some(8))
            .max_length(Some(MAX.dimension.div_ceil(3) * 16))
            .pattern(Some(
                "^([A-Za-z0-9+/]{16})*([A-Za-z0-9+/]{5}[AQgw]==|[A-Za-z0-9+/]{10}[AEIMQUYcgkosw048]=)?$",
            ))
            .description(Some("Base64 of little-endian f32 components."));
        OneOfBuilder::new()
            .item(array)
            .item(base64)
            .description(Some(
                "A dense vector: an array of numbers or base64 of little-endian f32.",
            ))
            .into()
    }
}

impl ToSchema for Vector {
    fn name() -> Cow<'static, str> {
        "Vector".into()
    }
}
