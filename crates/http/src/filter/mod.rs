//! Filters: from the JSON of a request to core's expression.
//!
//! ```json
//! {"colour": "red", "price": {"$gte": 5, "$lt": 10}, "$or": [{"new": true}, {"tag": {"$in": ["a", "b"]}}]}
//! ```

mod json;
mod operators;
#[cfg(test)]
mod tests;

use quartz_api::{ErrorCode, Limits};
use quartz_core::filter::Filter;
use serde_json::value::RawValue;

use self::json::Json;
use crate::problem::{Failure, Result};

/// Parses the filter that stands under `parent` in the request (`filter`, `condition`).
pub(crate) fn parse(raw: &RawValue, parent: &str, limits: &Limits) -> Result<Filter> {
    parse_text(raw.get(), limits).map_err(|failure| failure.under(parent))
}

/// Parses the text of a filter. Faults name their place as seen from the filter: `$and[1].price`.
pub(crate) fn parse_text(text: &str, limits: &Limits) -> Result<Filter> {
    if text.len() > limits.filter_bytes {
        return Err(Failure::limit(
            "the filter",
            "filter_bytes",
            limits.filter_bytes,
        ));
    }
    let json: Json = serde_json::from_str(text).map_err(|error| {
        // serde_json goes deeper than any filter may.
        if error.to_string().starts_with("recursion limit") {
            too_deep(limits)
        } else {
            invalid(error.to_string())
        }
    })?;
    Parser { limits }.object(&json, 1)
}

/// Makes a failure about a field that is not indexed point at the field's first place in the filter.
pub(crate) fn point_at(failure: Failure, raw: &RawValue, parent: &str) -> Failure {
    if failure.code != ErrorCode::FieldNotIndexed {
        return failure;
    }
    let json: Option<Json> = serde_json::from_str(raw.get()).ok();
    match (&json, &failure.path) {
        (Some(json), Some(field)) => match place_of(json, field) {
            Some(place) => failure.at(place).under(parent),
            None => failure,
        },
        _ => failure,
    }
}

fn place_of(json: &Json, field: &str) -> Option<String> {
    let under = |name: &str, inner: String| match inner.starts_with('[') {
        true => format!("{name}{inner}"),
        false => format!("{name}.{inner}"),
    };
    match json {
        Json::Object(members) => members.iter().find_map(|(name, value)| {
            if name == field {
                return Some(name.clone());
            }
            let is_operator = name.starts_with('$');
            is_operator
                .then(|| place_of(value, field))
                .flatten()
                .map(|inner| under(name, inner))
        }),
        Json::Array(items) => items.iter().enumerate().find_map(|(position, item)| {
            place_of(item, field).map(|inner| format!("[{position}].{inner}"))
        }),
        _ => None,
    }
}

struct Parser<'a> {
    limits: &'a Limits,
}

impl Parser<'_> {
    /// An object whose members must all hold.
    fn object(&self, json: &Json, depth: usize) -> Result<Filter> {
        if depth > self.limits.filter_depth {
            return Err(too_deep(self.limits));
        }
        let Json::Object(members) = json else {
            return Err(invalid(format!(
                "a filter is an object, this is {}",
                json.kind()
            )));
        };
        let mut filters = Vec::with_capacity(members.len());
        for (position, (name, value)) in members.iter().enumerate() {
            if members[..position]
                .iter()
                .any(|(earlier, _)| earlier == name)
            {
                return Err(
                    invalid("the name comes twice; join the conditions with $and").at(name),
                );
            }
            let filter = self
                .member(name, value, depth)
                .map_err(|failure| failure.under(name))?;
            filters.push(filter);
        }
        Ok(all(filters))
    }

    fn member(&self, name: &str, value: &Json, depth: usize) -> Result<Filter> {
        match name {
            "$and" => Ok(all(self.list(value, depth)?)),
            "$or" => Ok(Filter::Any(self.list(value, depth)?)),
            "$not" => Ok(Filter::Not(Box::new(self.object(value, depth + 1)?))),
            _ if name.starts_with('$') => Err(unknown_operator()),
            _ => self.field(name, value, depth),
        }
    }

    /// The filters under `$and` or `$or`.
    fn list(&self, value: &Json, depth: usize) -> Result<Vec<Filter>> {
        let Json::Array(items) = value else {
            return Err(invalid(format!(
                "takes a list of filters, not {}",
                value.kind()
            )));
        };
        if items.is_empty() {
            return Err(invalid("takes at least one filter"));
        }
        let items = items.iter().enumerate();
        items
            .map(|(position, item)| {
                self.object(item, depth + 1)
                    .map_err(|failure| failure.under(&format!("[{position}]")))
            })
            .collect()
    }
}

/// All of several filters, without a needless level.
fn all(mut filters: Vec<Filter>) -> Filter {
    match (filters.len(), filters.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            filters.extend(last);
            Filter::All(filters)
        }
    }
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(ErrorCode::FilterInvalid, detail)
}

fn too_deep(limits: &Limits) -> Failure {
    Failure::limit(
        "the nesting of the filter",
        "filter_depth",
        limits.filter_depth,
    )
}

fn unknown_operator() -> Failure {
    invalid(
        "is not an operator; there are $eq $ne $gt $gte $lt $lte $in $nin $exists $and $or $not",
    )
}
