//! Lists over all partitions: pages of each, merged by the bytes of the id.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use quartz_api::{KeyEntry, KeyList, ListRequest, RecordList, StoredRecord};
use serde::{Serialize, de::DeserializeOwned};

use super::{Partitioned, send::part};
use crate::{cursor::List, extract::page_limit, handlers::Reply, problem::Result, state::App};

/// A page, whatever it lists.
trait Page: DeserializeOwned + Serialize {
    type Entry;
    fn new(entries: Vec<Self::Entry>, next_cursor: Option<String>) -> Self;
    fn into_parts(self) -> (Vec<Self::Entry>, Option<String>);
    fn id(entry: &Self::Entry) -> &str;
}

impl Page for KeyList {
    type Entry = KeyEntry;

    fn new(records: Vec<KeyEntry>, next_cursor: Option<String>) -> Self {
        Self {
            records,
            next_cursor,
        }
    }

    fn into_parts(self) -> (Vec<KeyEntry>, Option<String>) {
        (self.records, self.next_cursor)
    }

    fn id(entry: &KeyEntry) -> &str {
        &entry.id
    }
}

impl Page for RecordList {
    type Entry = StoredRecord;

    fn new(records: Vec<StoredRecord>, next_cursor: Option<String>) -> Self {
        Self {
            records,
            next_cursor,
        }
    }

    fn into_parts(self) -> (Vec<StoredRecord>, Option<String>) {
        (self.records, self.next_cursor)
    }

    fn id(entry: &StoredRecord) -> &str {
        &entry.id
    }
}

pub(super) async fn keys(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    list::<KeyList>(app, space, request, "kv").await
}

pub(super) async fn records(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    list::<RecordList>(app, space, request, "records").await
}

async fn list<P: Page>(
    app: &App,
    space: &Partitioned,
    request: Request,
    endpoint: &'static str,
) -> Result<Response> {
    let query = request.uri().query().unwrap_or_default();
    let Ok(asked) = serde_urlencoded::from_str::<ListRequest>(query) else {
        return Ok(space.partitions.call(0, request).await);
    };
    let limit = page_limit(asked.limit, &app.limits)?;
    let prefix = asked.prefix.unwrap_or_default();
    let list = List {
        endpoint,
        namespace: &space.name,
        prefix: &prefix,
    };
    let (head, _) = request.into_parts();
    // A cursor is a place among all ids, so that it serves every partition.
    let ask = |partition| (partition, part(&head, &head.uri, Body::empty()));
    let answers = space.send::<P>(space.all().map(ask).collect()).await;
    let answers = answers.map_err(|(_, failure)| failure)?;
    let pages = answers.into_iter().map(|answer| answer.body.into_parts());
    let (entries, next) = merge::<P>(pages, limit, |cursor| list.after(cursor))?;
    let page = P::new(entries, next.map(|id| list.cursor(&id)));
    Ok(Reply::json(&page)?.into_response())
}

/// One page of several, and the id behind which the next one begins.
fn merge<P: Page>(
    pages: impl Iterator<Item = (Vec<P::Entry>, Option<String>)>,
    limit: usize,
    after: impl Fn(&str) -> Result<String>,
) -> Result<(Vec<P::Entry>, Option<String>)> {
    let mut merged = Vec::new();
    // Up to here every partition has told all it has.
    let mut told: Option<String> = None;
    for (entries, next_cursor) in pages {
        merged.extend(entries);
        if let Some(cursor) = next_cursor {
            let upto = after(&cursor)?;
            told = Some(told.map_or_else(|| upto.clone(), |told| told.min(upto.clone())));
        }
    }
    merged.sort_by(|a, b| P::id(a).cmp(P::id(b)));
    if let Some(told) = &told {
        merged.retain(|entry| P::id(entry) <= &told[..]);
    }
    let next = if merged.len() > limit {
        merged.truncate(limit);
        merged.last().map(|entry| P::id(entry).to_owned())
    } else {
        told
    };
    Ok((merged, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[&str], after: Option<&str>) -> (Vec<StoredRecord>, Option<String>) {
        let record = |id: &&str| StoredRecord {
            id: (*id).to_owned(),
            ..StoredRecord::default()
        };
        (ids.iter().map(record).collect(), after.map(str::to_owned))
    }

    #[test]
    fn pages_are_merged_as_far_as_all_have_told() {
        let merged = |pages: Vec<_>, limit| {
            let after = |cursor: &str| Ok(cursor.to_owned());
            let (entries, next) = merge::<RecordList>(pages.into_iter(), limit, after).unwrap();
            let ids: Vec<_> = entries.into_iter().map(|record| record.id).collect();
            (ids.join(" "), next)
        };
        let (left, right) = (page(&["a", "d"], None), page(&["b", "c"], None));
        let next = |id: &str| Some(id.to_owned());
        assert_eq!(
            merged(vec![left.clone(), right.clone()], 9),
            ("a b c d".into(), None)
        );
        assert_eq!(
            merged(vec![left.clone(), right.clone()], 3),
            ("a b c".into(), next("c"))
        );
        // The second page ended early: what it has behind "b" is not known.
        let cut = page(&["b"], Some("b"));
        assert_eq!(
            merged(vec![left.clone(), cut], 9),
            ("a b".into(), next("b"))
        );
        // A page of nothing but expired records.
        let empty = page(&[], Some("0"));
        assert_eq!(merged(vec![left, empty], 9), ("".into(), next("0")));
    }
}
