use std::ops::Bound;

use proptest::prelude::*;
use quartz_api::MAX;
use quartz_core::filter::Scalar;

use super::*;

fn good(text: &str) -> Filter {
    parse_text(text, &MAX).unwrap_or_else(|failure| panic!("{text}: {failure:?}"))
}

fn fault(text: &str) -> (ErrorCode, String) {
    let failure = parse_text(text, &MAX).expect_err(text).under("filter");
    (failure.code, failure.path.unwrap_or_default())
}

fn equal(name: &str, value: &str) -> Filter {
    Filter::Equal(name.into(), Scalar::String(value.into()))
}

#[test]
fn every_operator() {
    let not = |filter| Filter::Not(Box::new(filter));
    let range = |lower, upper| Filter::Range("a".into(), lower, upper);
    let one_of = || Filter::OneOf("a".into(), vec![Scalar::Number(1.0), Scalar::Bool(true)]);
    assert_eq!(good("{}"), Filter::All(vec![]));
    assert_eq!(good(r#"{"a":"x"}"#), equal("a", "x"));
    assert_eq!(good(r#"{"a":{"$eq":"x"}}"#), equal("a", "x"));
    assert_eq!(good(r#"{"a":{"$ne":"x"}}"#), not(equal("a", "x")));
    assert_eq!(good(r#"{"a":{"$in":[1,true]}}"#), one_of());
    assert_eq!(good(r#"{"a":{"$nin":[1,true]}}"#), not(one_of()));
    assert_eq!(
        good(r#"{"a":{"$gt":1}}"#),
        range(Bound::Excluded(1.0), Bound::Unbounded)
    );
    assert_eq!(
        good(r#"{"a":{"$gte":1,"$lt":2}}"#),
        range(Bound::Included(1.0), Bound::Excluded(2.0))
    );
    assert_eq!(
        good(r#"{"a":{"$lte":3,"$lt":3,"$gt":1,"$gte":2}}"#),
        range(Bound::Included(2.0), Bound::Excluded(3.0))
    );
    assert_eq!(
        good(r#"{"a":{"$exists":true}}"#),
        Filter::Exists("a".into())
    );
    assert_eq!(
        good(r#"{"a":{"$exists":false}}"#),
        not(Filter::Exists("a".into()))
    );
    assert_eq!(good(r#"{"$not":{"a":"x"}}"#), not(equal("a", "x")));
    assert_eq!(good(r#"{"a":{"$not":{"$eq":"x"}}}"#), not(equal("a", "x")));
    assert_eq!(
        good(r#"{"$or":[{"a":"x"},{"a":"y","b":"z"}]}"#),
        Filter::Any(vec![
            equal("a", "x"),
            Filter::All(vec![equal("a", "y"), equal("b", "z")])
        ])
    );
    assert_eq!(
        good(r#"{"a":-0.0}"#),
        Filter::Equal("a".into(), Scalar::Number(0.0))
    );
}

#[test]
fn faults_name_their_place() {
    use ErrorCode::{FilterInvalid, LimitExceeded};
    for (text, code, path) in [
        ("[]", FilterInvalid, "filter"),
        ("3", FilterInvalid, "filter"),
        (
            r#"{"$and":[{"a":1},{"price":{"$gt":"x"}}]}"#,
            FilterInvalid,
            "filter.$and[1].price.$gt",
        ),
        (r#"{"$and":[]}"#, FilterInvalid, "filter.$and"),
        (r#"{"$or":{"a":1}}"#, FilterInvalid, "filter.$or"),
        (r#"{"$nor":[{}]}"#, FilterInvalid, "filter.$nor"),
        (r#"{"a":{"$regex":"x"}}"#, FilterInvalid, "filter.a.$regex"),
        (r#"{"a":{"b":1}}"#, FilterInvalid, "filter.a.b"),
        (r#"{"a":{}}"#, FilterInvalid, "filter.a"),
        (r#"{"a":null}"#, FilterInvalid, "filter.a"),
        (r#"{"a":[1]}"#, FilterInvalid, "filter.a"),
        (
            r#"{"a":{"$in":[1,null]}}"#,
            FilterInvalid,
            "filter.a.$in[1]",
        ),
        (r#"{"a":{"$in":1}}"#, FilterInvalid, "filter.a.$in"),
        (r#"{"a":{"$exists":1}}"#, FilterInvalid, "filter.a.$exists"),
        (r#"{"a":1,"a":2}"#, FilterInvalid, "filter.a"),
        (r#"{"a":{"$gt":1,"$gt":2}}"#, FilterInvalid, "filter.a.$gt"),
        (r#"{"a":9007199254740993}"#, FilterInvalid, "filter.a"),
        (r#"{"a":1e999}"#, FilterInvalid, "filter"),
    ] {
        assert_eq!(fault(text), (code, path.to_owned()), "{text}");
    }
    let long = format!("{{\"a\":{{\"$in\":[{}0]}}}}", "0,".repeat(1_000));
    assert_eq!(fault(&long), (LimitExceeded, "filter.a.$in".into()));
    let name = format!("{{\"{}\":1}}", "n".repeat(129));
    assert_eq!(fault(&name).0, LimitExceeded);
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(16 << 10));
    assert_eq!(fault(&big), (LimitExceeded, "filter".into()));
}

#[test]
fn depth_has_an_end() {
    let nested = |levels: usize| {
        format!(
            "{}{{\"a\":1}}{}",
            "{\"$not\":".repeat(levels),
            "}".repeat(levels)
        )
    };
    good(&nested(15));
    assert_eq!(fault(&nested(16)).0, ErrorCode::LimitExceeded);
    assert_eq!(fault(&nested(1_000)).0, ErrorCode::LimitExceeded);
    let inner = |levels: usize| {
        format!(
            "{{\"a\":{}{{\"$eq\":1}}{}}}",
            "{\"$not\":".repeat(levels),
            "}".repeat(levels)
        )
    };
    good(&inner(15));
    assert_eq!(fault(&inner(16)).0, ErrorCode::LimitExceeded);
}

#[test]
fn fields_that_are_not_indexed_are_pointed_at() {
    let place = |text: &str| {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let failure = Failure::new(ErrorCode::FieldNotIndexed, "x").at("b");
        point_at(failure, &raw, "filter").path.unwrap()
    };
    assert_eq!(place(r#"{"b":1}"#), "filter.b");
    assert_eq!(place(r#"{"$or":[{"a":1},{"b":1}]}"#), "filter.$or[1].b");
    assert_eq!(
        place(r#"{"$not":{"$and":[{"b":{"$gt":1}}]}}"#),
        "filter.$not.$and[0].b"
    );
}

/// Prints a filter the one way that parses to itself.
fn print(filter: &Filter) -> String {
    let quote = |name: &str| serde_json::to_string(name).unwrap();
    let scalar = |value: &Scalar| match value {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(value) => serde_json::to_string(value).unwrap(),
        Scalar::String(value) => quote(value),
    };
    let list = |filters: &[Filter]| filters.iter().map(print).collect::<Vec<_>>().join(",");
    match filter {
        Filter::All(filters) if filters.is_empty() => "{}".into(),
        Filter::All(filters) => format!("{{\"$and\":[{}]}}", list(filters)),
        Filter::Any(filters) => format!("{{\"$or\":[{}]}}", list(filters)),
        Filter::Not(filter) => format!("{{\"$not\":{}}}", print(filter)),
        Filter::Exists(name) => format!("{{{}:{{\"$exists\":true}}}}", quote(name)),
        Filter::Equal(name, value) => format!("{{{}:{}}}", quote(name), scalar(value)),
        Filter::OneOf(name, values) => {
            let values: Vec<_> = values.iter().map(scalar).collect();
            format!("{{{}:{{\"$in\":[{}]}}}}", quote(name), values.join(","))
        }
        Filter::Range(name, lower, upper) => {
            let mut bounds = Vec::new();
            match lower {
                Bound::Included(bound) => bounds.push(format!("\"$gte\":{bound:?}")),
                Bound::Excluded(bound) => bounds.push(format!("\"$gt\":{bound:?}")),
                Bound::Unbounded => {}
            }
            match upper {
                Bound::Included(bound) => bounds.push(format!("\"$lte\":{bound:?}")),
                Bound::Excluded(bound) => bounds.push(format!("\"$lt\":{bound:?}")),
                Bound::Unbounded => {}
            }
            format!("{{{}:{{{}}}}}", quote(name), bounds.join(","))
        }
    }
}

fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        (-1e6..1e6f64).prop_map(Scalar::Number),
        ".{0,6}".prop_map(Scalar::String),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let name = "[a-z\"é][a-z.]{0,4}";
    let lower = prop_oneof![
        (-9.0..9.0f64).prop_map(Bound::Included),
        (-9.0..9.0f64).prop_map(Bound::Excluded)
    ];
    let leaf = prop_oneof![
        name.prop_map(Filter::Exists),
        (name, any_scalar()).prop_map(|(name, value)| Filter::Equal(name, value)),
        (name, prop::collection::vec(any_scalar(), 0..4))
            .prop_map(|(name, values)| Filter::OneOf(name, values)),
        (name, lower, Just(Bound::Unbounded))
            .prop_map(|(name, lower, upper)| Filter::Range(name, lower, upper)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// Text that is nearly a filter.
fn almost_filter() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\"a\""),
        Just("\"$and\""),
        Just("\"$not\""),
        Just("\"$in\""),
        Just("\"$gt\""),
        Just("1"),
        Just("null"),
        Just("true"),
        Just("\"$exists\""),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(filter in any_filter()) {
        prop_assert_eq!(good(&print(&filter)), filter);
    }

    #[test]
    fn no_text_panics(text in prop_oneof![".{0,60}", almost_filter()]) {
        let _ = parse_text(&text, &MAX);
    }
}
