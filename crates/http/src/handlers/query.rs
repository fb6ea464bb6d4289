use axum::Extension;
use quartz_api::{ErrorCode, Explanation, Limits, Plan, PlanKind, QueryRequest, QueryResponse};
use quartz_core::{
    filter::Filter,
    namespace::{Effort, PlanKind as CorePlanKind, Query, Target},
    usage::Usage,
};

use quartz_service::Denial;

use super::{Reply, pointed, view};
use crate::{
    auth::{Caller, refused},
    convert::{match_to_wire, parts_of, vector},
    extract::{Json, NamespacePath, ReadOptions, check_id},
    filter,
    openapi::{NamespaceParams, ReadHeaders, refuses},
    problem::{Failure, Place, Result, from_core},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded DimensionMismatch VectorInvalid FilterInvalid
    FieldNotIndexed NamespaceNotFound RecordNotFound VectorMissing VersionNotReached
    BodyTooLarge UnsupportedMediaType);

/// What recall can be aimed at.
const RECALL: std::ops::RangeInclusive<f32> = 0.9..=0.999;
/// Matches of a query that does not say how many.
pub(crate) const DEFAULT_TOP_K: usize = 10;

/// Find the nearest records
///
/// By `vector`, or by the vector of the record `id`, which is left out of its own answer. Best
/// first: for cosine and dot a higher score is nearer, for euclidean a lower one.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/query",
    operation_id = "query",
    tag = "Records",
    params(NamespaceParams, ReadHeaders),
    request_body(content = QueryRequest, example = json!({
        "vector": [0.1, 0.2, 0.3], "top_k": 5, "filter": {"lang": "en", "year": {"$gte": 2020}}, "include": ["metadata"],
    })),
    responses(
        (status = 200, description = "The matches.", body = QueryResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn query(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    caller: Caller,
    options: ReadOptions,
    Json { value: request, .. }: Json<QueryRequest>,
) -> Result<Reply> {
    let raw_filter = request.filter.clone();
    let started = request
        .explain
        .unwrap_or(false)
        .then(|| app.host.monotonic_micros());
    let mut query = parse(request, &app.limits)?;
    if let Some(scope) = &caller.grant.scope
        && !scope.filter.is_empty()
    {
        narrow(&mut query, &scope.filter, &app.limits)?;
    }
    let view = view(&app, &name, options).await?;
    let used = Usage::query(query.top_k as u64);
    view.afford(used)?;
    let answer = view.query(&query).await.map_err(|error| {
        let failure = from_core(error, Place::Request).version(view.version());
        pointed(failure, raw_filter.as_deref(), "filter")
    })?;
    let plan = answer.plan;
    let body = QueryResponse {
        matches: answer.matches.into_iter().map(match_to_wire).collect(),
        version: answer.version,
        plan: Plan {
            kind: match plan.kind {
                CorePlanKind::Scan => PlanKind::Scan,
                CorePlanKind::FilterFirst => PlanKind::FilterFirst,
                CorePlanKind::Clusters => PlanKind::Clusters,
            },
            exact: plan.exact,
            scanned: plan.scanned,
            recall: plan.recall.filter(|_| !plan.exact),
        },
        explain: started.map(|started| Explanation {
            calibration: plan.calibration,
            clusters: plan.clusters,
            probes: plan.probes,
            scanned: plan.scanned,
            refined: plan.refined,
            reranked: plan.reranked,
            micros: app.host.monotonic_micros().saturating_sub(started),
        }),
    };
    view.charge(used);
    Ok(Reply::json(&body)?.version(answer.version).used(used))
}

/// Makes a query find only what a scoped token's filter lets through, whatever it asks for.
fn narrow(query: &mut Query, filter: &str, limits: &Limits) -> Result<()> {
    if matches!(query.target, Target::Record(_)) {
        // Its vector may be that of a record the token does not reach.
        return Err(refused(Denial::Filtered));
    }
    let unusable = |failure: Failure| {
        let detail = format!("the filter of the scoped token: {}", failure.detail);
        Failure::new(ErrorCode::FilterInvalid, detail)
    };
    let own = filter::parse_text(filter, limits).map_err(unusable)?;
    let asked = query.filter.take();
    query.filter = Some(Filter::All(asked.into_iter().chain([own]).collect()));
    Ok(())
}

fn parse(request: QueryRequest, limits: &Limits) -> Result<Query> {
    let target = match (request.vector, request.id) {
        (Some(given), None) => Target::Vector(vector(given, limits)?),
        (None, Some(id)) => {
            check_id("the id", &id, limits.id_bytes).map_err(|failure| failure.at("id"))?;
            Target::Record(id)
        }
        _ => {
            return Err(Failure::invalid(
                "a query has a vector or an id, one of them",
            ));
        }
    };
    let top_k = match request.top_k {
        None => DEFAULT_TOP_K.min(limits.top_k),
        Some(0) => return Err(Failure::invalid("top_k must be at least 1").at("top_k")),
        Some(top_k) if top_k > limits.top_k => {
            return Err(Failure::limit("top_k", "top_k", limits.top_k).at("top_k"));
        }
        Some(top_k) => top_k,
    };
    let filter = request
        .filter
        .map(|raw| filter::parse(&raw, "filter", limits))
        .transpose()?;
    Ok(Query {
        target,
        top_k,
        filter,
        parts: parts_of(&request.include),
        effort: effort(request.exact, request.recall, request.probes, limits)?,
    })
}

fn effort(
    exact: Option<bool>,
    recall: Option<f32>,
    probes: Option<usize>,
    limits: &Limits,
) -> Result<Effort> {
    match (exact.unwrap_or(false), recall, probes) {
        (true, None, None) => Ok(Effort::Exact),
        (false, None, None) => Ok(Effort::default()),
        (false, Some(recall), None) if RECALL.contains(&recall) => Ok(Effort::Recall(recall)),
        (false, Some(_), None) => {
            Err(Failure::invalid("recall must be 0.90 to 0.999; for 1 ask for exact").at("recall"))
        }
        (false, None, Some(0)) => Err(Failure::invalid("probes must be at least 1").at("probes")),
        (false, None, Some(probes)) if probes > limits.probes => {
            Err(Failure::limit("probes", "probes", limits.probes).at("probes"))
        }
        (false, None, Some(probes)) => Ok(Effort::Probes(probes as u32)),
        _ => Err(Failure::invalid(
            "a query has one of exact, recall and probes, or none of them",
        )),
    }
}
