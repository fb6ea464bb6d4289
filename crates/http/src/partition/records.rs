//! Requests that name their records, or a filter.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequest as _, Request},
    response::{IntoResponse as _, Response},
};
use http::request::Parts;
use quartz_api::{
    BatchRequest, DeleteRequest, DeleteResponse, FetchRequest, FetchResponse, Namespace, Record,
    UpdateRequest, UpdateResponse, UpsertRequest, UpsertResponse,
};
use serde::Serialize;

use super::{
    Partitioned, check_one_partition, partition_of,
    send::{Answer, json_part, part},
};
use crate::{
    extract::Json,
    handlers::{Reply, upsert::CONDITIONAL},
    problem::{Failure, Result},
    state::App,
};

/// The head of a request and its body, which must be JSON.
pub(super) async fn parsed<T: serde::de::DeserializeOwned>(
    app: &App,
    request: Request,
) -> Result<(Parts, Json<T>)> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head.clone(), body);
    Ok((head, Json::from_request(request, app).await?))
}

/// By partition: the place in the whole of each item of its part.
type Places = BTreeMap<u16, Vec<usize>>;

/// Items by the partition of their id, each with its place among all.
struct Divided<T>(BTreeMap<u16, Vec<(usize, T)>>);

impl<T: Serialize> Divided<T> {
    fn new(items: Vec<T>, partitions: u16, id: impl Fn(&T) -> &str) -> Self {
        let mut divided = BTreeMap::<_, Vec<_>>::new();
        for (place, item) in items.into_iter().enumerate() {
            let partition = partition_of(id(&item), partitions);
            divided.entry(partition).or_default().push((place, item));
        }
        // A request about no record is one all the same.
        if divided.is_empty() {
            divided.insert(0, Vec::new());
        }
        Self(divided)
    }

    /// A part for each partition. `list` is the name of the items in a body.
    fn parts<B: Serialize>(
        self,
        head: &Parts,
        body: impl Fn(Vec<T>) -> B,
    ) -> Result<(Vec<(u16, Request)>, Places)> {
        let mut parts = Vec::with_capacity(self.0.len());
        let mut places = BTreeMap::new();
        for (partition, items) in self.0 {
            let (at, items): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            parts.push((partition, json_part(head, &body(items))?));
            places.insert(partition, at);
        }
        Ok((parts, places))
    }
}

/// Makes `records[1].vector` of a part into the place in the whole.
fn in_whole(mut failure: Failure, list: &str, places: &[usize]) -> Failure {
    let moved = failure.path.as_deref().and_then(|path| {
        let inner = path.strip_prefix(list)?.strip_prefix('[')?;
        let (place, rest) = inner.split_once(']')?;
        let place = places.get(place.parse::<usize>().ok()?)?;
        Some(format!("{list}[{place}]{rest}"))
    });
    if moved.is_some() {
        failure.path = moved;
    }
    failure
}

pub(super) async fn upsert(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, .. }) = parsed::<UpsertRequest>(app, request).await?;
    check_size("records", value.records.len(), app)?;
    let conditional = |record: &Record| record.if_version.is_some() || record.if_absent.is_some();
    if value.records.iter().any(conditional) {
        let ids = value.records.iter().map(|record| &record.id[..]);
        check_one_partition(CONDITIONAL, space.count, ids)?;
    }
    let divided = Divided::new(value.records, space.count, |record| &record.id);
    let (parts, places) = divided.parts(&head, |records| UpsertRequest {
        records,
        condition: value.condition.clone(),
    })?;
    let answers = space.send::<UpsertResponse>(parts).await;
    let answers = answers.map_err(|(partition, mut failure)| {
        if places.len() > 1 {
            let kept = "; records in other partitions may be stored";
            failure.detail = format!("{}{kept}", failure.detail).into();
        }
        in_whole(failure, "records", &places[&partition])
    })?;
    let version = latest(&answers, |body| body.version);
    let body = UpsertResponse {
        upserted: answers.iter().map(|answer| answer.body.upserted).sum(),
        skipped: answers.iter().map(|answer| answer.body.skipped).sum(),
        version,
    };
    written(&answers, version, &body)
}

pub(super) async fn batch(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, bytes }) = parsed::<BatchRequest>(app, request).await?;
    let ids = || value.operations.iter().map(|operation| &operation.id[..]);
    check_one_partition("a batch", space.count, ids())?;
    let partition = ids().next().map_or(0, |id| partition_of(id, space.count));
    Ok(space
        .partitions
        .call(partition, part(&head, &head.uri, bytes))
        .await)
}

pub(super) async fn fetch(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, .. }) = parsed::<FetchRequest>(app, request).await?;
    check_size("ids", value.ids.len(), app)?;
    let divided = Divided::new(value.ids.clone(), space.count, |id| id);
    let (parts, places) = divided.parts(&head, |ids| FetchRequest {
        ids,
        include: value.include.clone(),
    })?;
    let asked: Vec<_> = parts.iter().map(|(partition, _)| *partition).collect();
    let answers = space.send::<FetchResponse>(parts).await;
    let answers =
        answers.map_err(|(partition, failure)| in_whole(failure, "ids", &places[&partition]))?;

    let mut body = FetchResponse::default();
    let mut records = BTreeMap::new();
    for (partition, answer) in asked.into_iter().zip(answers) {
        body.version = body.version.max(answer.body.version);
        records.insert(partition, answer.body.records.into_iter().peekable());
    }
    // Each partition answers in the order it was asked in.
    for id in value.ids {
        let found = records
            .get_mut(&partition_of(&id, space.count))
            .and_then(|records| records.next_if(|record| record.id == id));
        match found {
            Some(record) => body.records.push(record),
            None => body.missing.push(id),
        }
    }
    Ok(Reply::json(&body)?.version(body.version).into_response())
}

pub(super) async fn update(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, bytes }) = parsed::<UpdateRequest>(app, request).await?;
    let whole = || part(&head, &head.uri, bytes.clone());
    if value.filter.is_none() {
        let id = value.id.unwrap_or_default();
        let partition = partition_of(&id, space.count);
        return Ok(space.partitions.call(partition, whole()).await);
    }
    let parts = space.all().map(|partition| (partition, whole())).collect();
    let answers = space
        .send::<UpdateResponse>(parts)
        .await
        .map_err(|(_, failure)| failure)?;
    let version = latest(&answers, |body| body.version);
    let updated = answers.iter().map(|answer| answer.body.updated).sum();
    let body = UpdateResponse { updated, version };
    written(&answers, version, &body)
}

pub(super) async fn delete(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, bytes }) = parsed::<DeleteRequest>(app, request).await?;
    let (parts, places) = match value.ids {
        Some(ids) if value.filter.is_none() && value.all.is_none() => {
            check_size("ids", ids.len(), app)?;
            let divided = Divided::new(ids, space.count, |id| id);
            divided.parts(&head, |ids| DeleteRequest {
                ids: Some(ids),
                dry_run: value.dry_run,
                ..DeleteRequest::default()
            })?
        }
        _ => {
            let whole = || part(&head, &head.uri, bytes.clone());
            let parts = space.all().map(|partition| (partition, whole()));
            (parts.collect(), BTreeMap::new())
        }
    };
    let answers = space
        .send::<DeleteResponse>(parts)
        .await
        .map_err(|(partition, failure)| {
            in_whole(
                failure,
                "ids",
                places.get(&partition).map_or(&[], Vec::as_slice),
            )
        })?;
    let version = latest(&answers, |body| body.version);
    let body = DeleteResponse {
        deleted: answers.iter().map(|answer| answer.body.deleted).sum(),
        dry_run: value.dry_run.unwrap_or(false),
        version,
    };
    written(&answers, version, &body)
}

pub(super) async fn describe(space: &Partitioned, request: Request) -> Result<Response> {
    let (head, _) = request.into_parts();
    let ask = |partition| (partition, part(&head, &head.uri, axum::body::Body::empty()));
    let answers = space
        .send::<Namespace>(space.all().map(ask).collect())
        .await;
    let answers = answers.map_err(|(_, failure)| failure)?;
    let mut all = answers.into_iter().map(|answer| answer.body);
    let Some(mut body) = all.next() else {
        return Err(Failure::namespace_not_found(&space.name));
    };
    for other in all {
        body.records += other.records;
        body.vectors += other.vectors;
        body.values += other.values;
        body.bytes += other.bytes;
        body.version = body.version.max(other.version);
    }
    let version = body.version;
    Ok(Reply::json(&body)?.version(version).into_response())
}

/// The highest version among the answers of partitions.
fn latest<T>(answers: &[Answer<T>], version: impl Fn(&T) -> u64) -> u64 {
    let versions = answers.iter().map(|answer| version(&answer.body));
    versions.max().unwrap_or_default()
}

/// The answer to a write that went to several partitions.
fn written<T>(answers: &[Answer<T>], version: u64, body: &impl Serialize) -> Result<Response> {
    let replayed = answers.iter().all(|answer| answer.replayed);
    Ok(Reply::json(body)?
        .version(version)
        .replayed(replayed)
        .into_response())
}

/// A request that is over a limit is as a whole, even if its parts are not.
fn check_size(list: &'static str, len: usize, app: &App) -> Result<()> {
    let most = app.limits.records_per_request;
    if len > most {
        return Err(Failure::limit(list, "records_per_request", most).at(list));
    }
    Ok(())
}
