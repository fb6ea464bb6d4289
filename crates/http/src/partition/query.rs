//! Nearest neighbours over all partitions: each finds its own, the best of them are the answer.

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{Uri, request::Parts};
use quartz_api::{
    Explanation, FetchRequest, FetchResponse, Include, Match, Metric, PlanKind, QueryRequest,
    QueryResponse, StoredRecord, Vector,
};

use super::{
    Partitioned, partition_of,
    records::parsed,
    send::{json_part, part},
};
use crate::{
    extract::Json,
    handlers::{Reply, query::DEFAULT_TOP_K},
    problem::{Failure, Result},
    state::App,
};

pub(super) async fn query(app: &App, space: &Partitioned, request: Request) -> Result<Response> {
    let (head, Json { value, bytes }) = parsed::<QueryRequest>(app, request).await?;
    let top_k = value.top_k.unwrap_or(DEFAULT_TOP_K).min(app.limits.top_k);
    let whole = || part(&head, &head.uri, bytes.clone());
    let parts = match &value.id {
        Some(id) if value.vector.is_none() => {
            let own = partition_of(id, space.count);
            let Some(vector) = vector_of(space, &head, id, own).await? else {
                // Its own partition says why.
                return Ok(space.partitions.call(own, whole()).await);
            };
            let others = QueryRequest {
                id: None,
                vector: Some(vector),
                ..value
            };
            let ask = |partition| match partition {
                _ if partition == own => Ok((partition, whole())),
                _ => Ok((partition, json_part(&head, &others)?)),
            };
            space.all().map(ask).collect::<Result<Vec<_>>>()?
        }
        _ => space.all().map(|partition| (partition, whole())).collect(),
    };
    let answers = space
        .send::<QueryResponse>(parts)
        .await
        .map_err(|(_, failure)| failure)?;
    let body = join(
        answers.into_iter().map(|answer| answer.body),
        space.metric,
        top_k,
    )
    .ok_or_else(|| Failure::namespace_not_found(&space.name))?;
    let version = body.version;
    Ok(Reply::json(&body)?.version(version).into_response())
}

/// The vector of a record; `None` if it has none or is not there.
async fn vector_of(
    space: &Partitioned,
    head: &Parts,
    id: &str,
    partition: u16,
) -> Result<Option<Vector>> {
    let ask = FetchRequest {
        ids: vec![id.to_owned()],
        include: Some(vec![Include::Vector]),
    };
    let mut request = json_part(head, &ask)?;
    let path = head.uri.path().replace("/query", "/fetch");
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
    let answers = space
        .send::<FetchResponse>(vec![(partition, request)])
        .await;
    let Ok(answers) = answers else {
        return Ok(None);
    };
    let records = answers.into_iter().flat_map(|answer| answer.body.records);
    Ok(records
        .filter_map(|record: StoredRecord| record.vector)
        .next())
}

/// The best of all matches, as one partition would have ordered them.
fn join(
    answers: impl Iterator<Item = QueryResponse>,
    metric: Metric,
    top_k: usize,
) -> Option<QueryResponse> {
    let mut answers = answers;
    let mut joined = answers.next()?;
    for other in answers {
        joined.matches.extend(other.matches);
        joined.version = joined.version.max(other.version);
        joined.explain = joined.explain.zip(other.explain).map(both);
        joined.plan.exact &= other.plan.exact;
        joined.plan.scanned += other.plan.scanned;
        // Partitions may differ in their plan; the least thorough one is what can be relied on.
        if other.plan.kind == PlanKind::Clusters {
            joined.plan.kind = PlanKind::Clusters;
        }
        joined.plan.recall = joined
            .plan
            .recall
            .into_iter()
            .chain(other.plan.recall)
            .reduce(f32::min);
    }
    let order = |a: &Match, b: &Match| {
        let nearer = match metric {
            Metric::Euclidean => a.score.total_cmp(&b.score),
            Metric::Cosine | Metric::Dot => b.score.total_cmp(&a.score),
        };
        nearer.then_with(|| a.id.cmp(&b.id))
    };
    joined.matches.sort_by(|a, b| order(a, b));
    joined.matches.truncate(top_k);
    Some(joined)
}

/// What two partitions did at the same time.
fn both((one, other): (Explanation, Explanation)) -> Explanation {
    Explanation {
        calibration: one.calibration.min(other.calibration),
        clusters: one.clusters + other.clusters,
        probes: one.probes + other.probes,
        scanned: one.scanned + other.scanned,
        refined: one.refined + other.refined,
        reranked: one.reranked + other.reranked,
        micros: one.micros.max(other.micros),
    }
}
