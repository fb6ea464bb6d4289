//! The condition on one field: a bare value, or an object of operators.

use std::ops::Bound;

use quartz_core::filter::{Filter, Scalar};

use super::{Json, Parser, all, invalid, too_deep, unknown_operator};
use crate::problem::{Failure, Result};

impl Parser<'_> {
    /// What must hold for the field `name`.
    pub(super) fn field(&self, name: &str, value: &Json, depth: usize) -> Result<Filter> {
        let most = self.limits.field_name_bytes;
        if name.len() > most {
            return Err(Failure::limit(
                "the name of a field",
                "field_name_bytes",
                most,
            ));
        }
        match value {
            Json::Object(operators) => self.operators(name, operators, depth),
            bare => Ok(Filter::Equal(name.to_owned(), scalar(bare)?)),
        }
    }

    fn operators(&self, name: &str, operators: &[(String, Json)], depth: usize) -> Result<Filter> {
        if operators.is_empty() {
            return Err(invalid("takes a value or operators, not an empty object"));
        }
        let mut filters = Vec::with_capacity(operators.len());
        let mut range = (Bound::Unbounded, Bound::Unbounded);
        for (position, (operator, operand)) in operators.iter().enumerate() {
            if operators[..position]
                .iter()
                .any(|(earlier, _)| earlier == operator)
            {
                return Err(invalid("the operator comes twice").at(operator));
            }
            self.operator(name, operator, operand, depth, &mut range, &mut filters)
                .map_err(|failure| failure.under(operator))?;
        }
        if range != (Bound::Unbounded, Bound::Unbounded) {
            filters.push(Filter::Range(name.to_owned(), range.0, range.1));
        }
        Ok(all(filters))
    }

    fn operator(
        &self,
        name: &str,
        operator: &str,
        operand: &Json,
        depth: usize,
        range: &mut (Bound<f64>, Bound<f64>),
        filters: &mut Vec<Filter>,
    ) -> Result<()> {
        let own = || name.to_owned();
        let not = |filter| Filter::Not(Box::new(filter));
        match operator {
            "$eq" => filters.push(Filter::Equal(own(), scalar(operand)?)),
            "$ne" => filters.push(not(Filter::Equal(own(), scalar(operand)?))),
            "$in" => filters.push(Filter::OneOf(own(), self.scalars(operand)?)),
            "$nin" => filters.push(not(Filter::OneOf(own(), self.scalars(operand)?))),
            "$gt" => narrow(&mut range.0, Bound::Excluded(number(operand)?), f64::max),
            "$gte" => narrow(&mut range.0, Bound::Included(number(operand)?), f64::max),
            "$lt" => narrow(&mut range.1, Bound::Excluded(number(operand)?), f64::min),
            "$lte" => narrow(&mut range.1, Bound::Included(number(operand)?), f64::min),
            "$exists" => match operand {
                Json::Bool(true) => filters.push(Filter::Exists(own())),
                Json::Bool(false) => filters.push(not(Filter::Exists(own()))),
                other => {
                    return Err(invalid(format!(
                        "takes true or false, not {}",
                        other.kind()
                    )));
                }
            },
            "$not" => {
                if depth >= self.limits.filter_depth {
                    return Err(too_deep(self.limits));
                }
                match operand {
                    Json::Object(operators) => {
                        filters.push(not(self.operators(name, operators, depth + 1)?));
                    }
                    other => {
                        return Err(invalid(format!(
                            "takes an object of operators, not {}",
                            other.kind()
                        )));
                    }
                }
            }
            _ if operator.starts_with('$') => return Err(unknown_operator()),
            _ => {
                return Err(invalid(
                    "metadata are flat: a field's condition is a value or operators such as $gt",
                ));
            }
        }
        Ok(())
    }

    fn scalars(&self, value: &Json) -> Result<Vec<Scalar>> {
        let Json::Array(items) = value else {
            return Err(invalid(format!(
                "takes a list of values, not {}",
                value.kind()
            )));
        };
        let most = self.limits.filter_list_items;
        if items.len() > most {
            return Err(Failure::limit(
                "the list of values",
                "filter_list_items",
                most,
            ));
        }
        let items = items.iter().enumerate();
        items
            .map(|(position, item)| {
                scalar(item).map_err(|failure| failure.under(&format!("[{position}]")))
            })
            .collect()
    }
}

/// Makes one end of a range narrower: `{"$gt": 3, "$gte": 5}` is `{"$gte": 5}`.
fn narrow(end: &mut Bound<f64>, new: Bound<f64>, inner: fn(f64, f64) -> f64) {
    *end = match (*end, new) {
        (Bound::Unbounded, new) => new,
        (old, Bound::Unbounded) => old,
        (
            old @ (Bound::Included(a) | Bound::Excluded(a)),
            new @ (Bound::Included(b) | Bound::Excluded(b)),
        ) => {
            if a == b {
                Bound::Excluded(a)
            } else if inner(a, b) == a {
                old
            } else {
                new
            }
        }
    };
}

fn scalar(json: &Json) -> Result<Scalar> {
    match json {
        Json::Bool(value) => Ok(Scalar::Bool(*value)),
        Json::Number(_) | Json::TooLarge => number(json).map(Scalar::Number),
        Json::String(value) => Ok(Scalar::String(value.clone())),
        Json::Null => Err(invalid(
            "null is no value of a field; ask with {\"$exists\": false}",
        )),
        Json::Array(_) => Err(invalid("a list is no value to compare with; ask with $in")),
        Json::Object(_) => Err(invalid("an object is no value to compare with")),
    }
}

fn number(json: &Json) -> Result<f64> {
    match json {
        Json::Number(number) => Ok(*number),
        Json::TooLarge => Err(invalid(
            "whole numbers lie between -2^53 and 2^53; larger ones are kept as strings",
        )),
        other => Err(invalid(format!(
            "compares with a number, not {}",
            other.kind()
        ))),
    }
}
