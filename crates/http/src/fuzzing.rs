//! What the targets in `fuzz/` call: parsers of untrusted input, with what must hold of them.

use quartz_api::{BatchRequest, Limits};
use quartz_core::record::{Field, Metadata};

use crate::{cursor::List, extract, filter, handlers::batch, problem::Failure};

/// The text of a filter.
///
/// # Panics
/// If a filter does not mean the same inside another one, or its refusal is no client error.
pub fn filter(text: &str) {
    let limits = Limits::default();
    let parsed = match filter::parse_text(text, &limits) {
        Ok(parsed) => parsed,
        Err(failure) => return client_error(&failure),
    };
    let inside = |operator: &str| filter::parse_text(&operator.replace('_', text), &limits).ok();
    let both = inside(r#"{"$and":[_,{}]}"#);
    let negated = inside(r#"{"$not":_}"#);
    for metadata in samples() {
        let matches = parsed.matches(&metadata);
        // A filter at a limit is over it inside another one.
        assert!(
            both.as_ref()
                .is_none_or(|both| both.matches(&metadata) == matches)
        );
        assert!(
            negated
                .as_ref()
                .is_none_or(|negated| negated.matches(&metadata) != matches)
        );
    }
}

/// The body of a batch.
///
/// # Panics
/// If its refusal is no client error.
pub fn batch_body(body: &[u8]) {
    let operations = extract::parse::<BatchRequest>(body)
        .and_then(|request| batch::operations(request, &Limits::default()));
    if let Err(failure) = operations {
        client_error(&failure);
    }
}

/// A cursor.
///
/// # Panics
/// If it is taken though no list makes it, or its refusal is no client error.
pub fn cursor(text: &str) {
    let list = List {
        endpoint: "records",
        namespace: "docs",
        prefix: "",
    };
    match list.after(text) {
        Ok(id) => assert_eq!(list.cursor(&id), text),
        Err(failure) => client_error(&failure),
    }
}

fn client_error(failure: &Failure) {
    let status = failure.code.status();
    assert!((400..500).contains(&status), "{failure:?}");
}

fn samples() -> [Metadata; 3] {
    let strings = Field::Strings(vec!["a".into(), "b".into()]);
    [
        Metadata::new(),
        [("a".into(), Field::Number(1.0)), ("b".into(), strings)].into(),
        [
            ("a".into(), Field::Bool(true)),
            ("b".into(), Field::String("a".into())),
        ]
        .into(),
    ]
}
