//! Filters: which records are meant, by their metadata.
//!
//! A [`Filter`] is evaluated two ways that agree: on one record's metadata ([`Filter::matches`]) and,
//! through the postings, on a whole namespace at once (`index`).

mod index;

use std::ops::Bound;

use crate::record::{Field, Metadata};

pub(crate) use self::index::{postings, select};

/// A condition on metadata.
///
/// ```
/// use std::ops::Bound;
/// use quartz_core::{filter::{Filter, Scalar}, record::Field};
/// let cheap = Filter::Range("price".into(), Bound::Unbounded, Bound::Excluded(10.0));
/// let red = Filter::Equal("colour".into(), Scalar::String("red".into()));
/// let metadata = [("price".into(), Field::Number(3.0))].into();
/// assert!(Filter::All(vec![cheap, Filter::Not(Box::new(red))]).matches(&metadata));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every one of them; without any, every record.
    All(Vec<Filter>),
    /// At least one of them; without any, no record.
    Any(Vec<Filter>),
    /// The records it does not match, those without the field included.
    Not(Box<Filter>),
    /// The field is there.
    Exists(String),
    /// The field equals the value, or is a list that contains it.
    Equal(String, Scalar),
    /// The field equals one of the values, or is a list that contains one.
    OneOf(String, Vec<Scalar>),
    /// The field is a number between the bounds.
    Range(String, Bound<f64>, Bound<f64>),
}

/// A value to compare a field with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// Finite, and never -0.0.
    Number(f64),
    /// A string.
    String(String),
}

impl Filter {
    /// Whether a record with this metadata is meant.
    #[must_use]
    pub fn matches(&self, metadata: &Metadata) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(metadata)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(metadata)),
            Self::Not(filter) => !filter.matches(metadata),
            Self::Exists(name) => metadata.contains_key(name),
            Self::Equal(name, scalar) => metadata
                .get(name)
                .is_some_and(|field| scalar.matches(field)),
            Self::OneOf(name, scalars) => metadata
                .get(name)
                .is_some_and(|field| scalars.iter().any(|scalar| scalar.matches(field))),
            Self::Range(name, lower, upper) => match metadata.get(name) {
                Some(Field::Number(number)) => {
                    let above = match lower {
                        Bound::Included(bound) => number >= bound,
                        Bound::Excluded(bound) => number > bound,
                        Bound::Unbounded => true,
                    };
                    let below = match upper {
                        Bound::Included(bound) => number <= bound,
                        Bound::Excluded(bound) => number < bound,
                        Bound::Unbounded => true,
                    };
                    above && below
                }
                _ => false,
            },
        }
    }

    /// The names of all fields the filter looks at.
    pub fn fields(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                Box::new(filters.iter().flat_map(Self::fields))
            }
            Self::Not(filter) => filter.fields(),
            Self::Exists(name)
            | Self::Equal(name, _)
            | Self::OneOf(name, _)
            | Self::Range(name, ..) => Box::new(std::iter::once(name.as_str())),
        }
    }
}

impl Scalar {
    fn matches(&self, field: &Field) -> bool {
        match (self, field) {
            (Self::Bool(a), Field::Bool(b)) => a == b,
            (Self::Number(a), Field::Number(b)) => a == b,
            (Self::String(a), Field::String(b)) => a == b,
            (Self::String(a), Field::Strings(list)) => list.contains(a),
            _ => false,
        }
    }
}
