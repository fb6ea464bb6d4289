//! Import into all partitions: lines are collected for each and sent on in slices.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts as _, Request},
    response::{IntoResponse as _, Response},
};
use http::{header, request::Parts};
use quartz_api::ImportResponse;

use super::{Partitioned, export::Named, partition_of, send::part};
use crate::{
    extract::{WriteOptions, body::BodyReader},
    handlers::{
        Reply,
        import::{Lines, check_content_type},
    },
    problem::{Failure, Result},
    state::App,
};

/// Lines are sent on when they have this many bytes together.
const SLICE_BYTES: usize = 4 << 20;

pub(super) async fn import(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (mut head, body) = request.into_parts();
    check_content_type(&head.headers)?;
    WriteOptions::from_request_parts(&mut head, app).await?;
    let mut lines = Lines::new(BodyReader::new(&head.headers, body)?, &app.limits);
    // What is sent on is unpacked.
    head.headers.remove(header::CONTENT_ENCODING);
    let mut import = Import {
        space,
        head,
        slices: BTreeMap::new(),
        bytes: 0,
        done: ImportResponse {
            imported: 0,
            version: 0,
        },
    };
    while let Some((number, line)) = lines.next().await? {
        // Whichever partition gets a line without an id says what is wrong with it.
        let named = serde_json::from_slice::<Named<'_>>(&line);
        let partition = named.map_or(0, |named| partition_of(&named.id, space.count));
        let slice = import.slices.entry(partition).or_default();
        slice.numbers.push(number);
        slice.body.extend_from_slice(&line);
        slice.body.push(b'\n');
        let is_full = slice.numbers.len() >= app.limits.records_per_request;
        import.bytes += line.len();
        if is_full || import.bytes >= SLICE_BYTES {
            import.send().await?;
        }
    }
    import.send().await?;
    let body = import.done;
    Ok(Reply::json(&body)?.version(body.version).into_response())
}

/// Lines for one partition, each with its number in the whole.
#[derive(Default)]
struct Slice {
    numbers: Vec<u64>,
    body: Vec<u8>,
}

struct Import<'a> {
    space: &'a Partitioned,
    head: Parts,
    slices: BTreeMap<u16, Slice>,
    bytes: usize,
    done: ImportResponse,
}

impl Import<'_> {
    async fn send(&mut self) -> Result<()> {
        let mut parts = Vec::new();
        let mut numbers = BTreeMap::new();
        for (partition, slice) in std::mem::take(&mut self.slices) {
            parts.push((partition, part(&self.head, &self.head.uri, slice.body)));
            numbers.insert(partition, slice.numbers);
        }
        self.bytes = 0;
        let answers = self.space.send::<ImportResponse>(parts).await;
        let answers =
            answers.map_err(|(partition, failure)| in_whole(failure, &numbers[&partition]))?;
        for answer in answers {
            self.done.imported += answer.body.imported;
            self.done.version = self.done.version.max(answer.body.version);
        }
        Ok(())
    }
}

/// Makes `line 2: …` of a slice into the line of the whole.
fn in_whole(mut failure: Failure, numbers: &[u64]) -> Failure {
    let moved = failure.detail.strip_prefix("line ").and_then(|rest| {
        let (number, what) = rest.split_once(": ")?;
        let place = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some(format!("line {}: {what}", numbers.get(place)?))
    });
    if let Some(moved) = moved {
        failure.detail = moved.into();
    }
    failure
}
