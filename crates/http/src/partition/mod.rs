//! Namespaces whose records are divided into partitions by their ids.
//!
//! The rule is the same on every host: what is atomic concerns one partition. Where the partitions are in
//! one store, that rule is all there is to it. Where each is somewhere else, [`gather`] stands before them:
//! it divides a request, sends the parts to the partitions at once, and joins the answers.

mod export;
mod import;
mod list;
mod query;
mod records;
mod send;

use std::sync::Arc;

use axum::{Extension, Router, extract::Request, response::Response};
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use quartz_api::{ErrorCode, MIN_VERSION, Metric};
use quartz_core::store::BoxFuture;

use crate::{
    middleware::EdgeLayer,
    problem::{Failure, Result},
    router::cors,
    state::App,
};

/// The partition of a record, numbered from 0. Never changes: stored records are where it says.
///
/// ```
/// use quartz_http::partition_of;
/// assert_eq!(partition_of("doc-1", 1), 0);
/// assert!(partition_of("doc-1", 8) < 8);
/// ```
#[must_use]
pub fn partition_of(id: &str, partitions: u16) -> u16 {
    let hash = blake3::hash(id.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    // Below `partitions`, so it fits.
    (u32::from_be_bytes([a, b, c, d]) % u32::from(partitions.max(1))) as u16
}

/// Brings requests to the partitions of a namespace.
pub trait Partitions: Send + Sync + 'static {
    /// The answer of a partition, numbered from 0. Its router knows the namespace by the same name.
    fn call(&self, partition: u16, request: Request) -> BoxFuture<'static, Response>;
}

/// A namespace with several partitions that are elsewhere. A request to [`gather`] has it as an
/// extension.
#[derive(Clone)]
pub struct Partitioned {
    /// Name of the namespace.
    pub name: String,
    /// How many partitions there are.
    pub count: u16,
    /// How scores are ordered.
    pub metric: Metric,
    /// The way to them.
    pub partitions: Arc<dyn Partitions>,
}

/// The partition that alone is concerned by a request to this path, if there is one: what forwards
/// requests can then do so without reading them.
#[must_use]
pub fn only_partition(path: &str, partitions: u16) -> Option<u16> {
    let key = rest(path).strip_prefix("/kv/")?;
    let key = percent_decode_str(key).decode_utf8().ok()?;
    Some(partition_of(&key, partitions))
}

/// The API of namespaces whose partitions are elsewhere, but for their creation and deletion.
///
/// A request has an [`App`] and a [`Partitioned`] as extensions; the directory of the app is not asked.
pub fn gather(cors_origins: &[HeaderValue]) -> Router {
    let cors = cors(cors_origins);
    let router = Router::new().fallback(divide).layer(EdgeLayer::new([]));
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// What comes behind `/v1/namespaces/{ns}`.
fn rest(path: &str) -> &str {
    let behind = path.strip_prefix("/v1/namespaces/").unwrap_or_default();
    behind.find('/').map_or("", |at| &behind[at..])
}

async fn divide(
    Extension(app): Extension<App>,
    Extension(space): Extension<Partitioned>,
    request: Request,
) -> Result<Response> {
    let path = request.uri().path().to_owned();
    if let Some(partition) = only_partition(&path, space.count) {
        return Ok(space.partitions.call(partition, request).await);
    }
    let endpoint = (request.method(), rest(&path));
    let reads = matches!(
        endpoint,
        (&Method::GET, "" | "/kv" | "/records" | "/export") | (_, "/query" | "/fetch")
    );
    if reads && request.headers().contains_key(MIN_VERSION) {
        return Err(Failure::new(
            ErrorCode::SpansPartitions,
            "each partition numbers its own writes: Quartz-Min-Version goes with requests for one \
             record only",
        )
        .at(MIN_VERSION));
    }
    match endpoint {
        (&Method::GET, "") => records::describe(&space, request).await,
        (&Method::GET, "/kv") => list::keys(&app, &space, request).await,
        (&Method::GET, "/records") => list::records(&app, &space, request).await,
        (&Method::GET, "/export") => export::export(&space, request).await,
        (&Method::POST, "/import") => import::import(&app, &space, request).await,
        (&Method::POST, "/query") => query::query(&app, &space, request).await,
        (&Method::POST, "/fetch") => records::fetch(&app, &space, request).await,
        (&Method::POST, "/upsert") => records::upsert(&app, &space, request).await,
        (&Method::POST, "/update") => records::update(&app, &space, request).await,
        (&Method::POST, "/delete") => records::delete(&app, &space, request).await,
        (&Method::POST, "/batch") => records::batch(&app, &space, request).await,
        // Any of them says what is wrong.
        _ => Ok(space.partitions.call(0, request).await),
    }
}

/// Refuses what must be done at once and concerns several partitions. `what` is said of it.
pub(crate) fn check_one_partition<'a>(
    what: &str,
    partitions: u16,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let mut ids = ids.into_iter();
    let Some(first) = ids.next() else {
        return Ok(());
    };
    let partition = partition_of(first, partitions);
    match ids.find(|id| partition_of(id, partitions) != partition) {
        None => Ok(()),
        Some(other) => Err(Failure::new(
            ErrorCode::SpansPartitions,
            format!(
                "{what} is atomic and so concerns one of the namespace's {partitions} partitions; \
                 {first:?} and {other:?} are in different ones: send them apart"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stay_where_they_are() {
        // What is stored at the edge was placed by these numbers.
        let placed = ["a", "doc-1", "日本語", ""].map(|id| partition_of(id, 32));
        assert_eq!(placed, [29, 30, 1, 25]);
    }

    #[test]
    fn records_are_spread_evenly() {
        let mut counts = [0_u32; 7];
        for number in 0..7000 {
            counts[usize::from(partition_of(&format!("record {number}"), 7))] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn paths_of_one_key() {
        let path = |rest: &str| format!("/v1/namespaces/n{rest}");
        assert_eq!(
            only_partition(&path("/kv/a%2Fb"), 9),
            Some(partition_of("a/b", 9))
        );
        assert_eq!(
            only_partition(&path("/kv/a/b"), 9),
            Some(partition_of("a/b", 9))
        );
        for rest in ["", "/kv", "/query", "/kv/%FF"] {
            assert_eq!(only_partition(&path(rest), 9), None, "{rest}");
        }
    }
}
