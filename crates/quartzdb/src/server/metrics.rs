use std::sync::{Arc, OnceLock};

use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quartz_core::directory::Directory;

/// Bounds of the latency histogram, in seconds.
const LATENCY_BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// What the process counts, as Prometheus text.
#[derive(Clone)]
pub(super) struct Metrics {
    handle: PrometheusHandle,
    directory: Directory,
}

impl Metrics {
    /// Counts from now on. Servers of one process share the counters.
    pub(super) fn install(directory: Directory) -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let builder = PrometheusBuilder::new();
            let suffix = Matcher::Suffix("_seconds".to_owned());
            let builder =
                match PrometheusBuilder::new().set_buckets_for_metric(suffix, &LATENCY_BOUNDS) {
                    Ok(with_buckets) => with_buckets,
                    Err(_) => builder,
                };
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("metrics are recorded elsewhere; /metrics will stay empty");
            }
            handle
        });
        describe();
        Self {
            handle: handle.clone(),
            directory,
        }
    }

    pub(super) fn router(self) -> Router {
        let metrics = Arc::new(self);
        Router::new().route("/metrics", get(move || async move { metrics.render() }))
    }

    fn render(&self) -> impl IntoResponse + use<> {
        let cache = self.directory.cache().stats();
        metrics::gauge!("quartz_vector_cache_bytes").set(cache.bytes as f64);
        metrics::counter!("quartz_vector_cache_hits_total").absolute(cache.hits);
        metrics::counter!("quartz_vector_cache_misses_total").absolute(cache.misses);
        metrics::gauge!("quartz_store_bytes").set(self.directory.store().size_bytes() as f64);
        let open = self.directory.totals();
        metrics::gauge!("quartz_namespaces_open").set(open.namespaces as f64);
        metrics::gauge!("quartz_records").set(open.records as f64);
        metrics::gauge!("quartz_vectors").set(open.vectors as f64);
        metrics::gauge!("quartz_record_bytes").set(open.bytes as f64);
        self.handle.run_upkeep();
        (
            [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            self.handle.render(),
        )
    }
}

fn describe() {
    metrics::describe_gauge!(
        "quartz_vector_cache_bytes",
        "Bytes of vectors held in memory"
    );
    metrics::describe_counter!(
        "quartz_vector_cache_hits_total",
        "Blocks of vectors found in memory"
    );
    metrics::describe_counter!(
        "quartz_vector_cache_misses_total",
        "Blocks of vectors read from the store"
    );
    metrics::describe_gauge!("quartz_store_bytes", "Bytes the store occupies");
    metrics::describe_gauge!("quartz_namespaces_open", "Namespaces that are open");
    metrics::describe_gauge!("quartz_records", "Records in open namespaces");
    metrics::describe_gauge!("quartz_vectors", "Records with a vector in open namespaces");
    metrics::describe_gauge!(
        "quartz_record_bytes",
        "Bytes of the records in open namespaces"
    );
    metrics::describe_counter!(
        "quartz_store_commits_total",
        "Commits, each one or more writes"
    );
    metrics::describe_counter!(
        "quartz_store_commit_bytes_total",
        "Bytes of keys and values committed"
    );
    metrics::describe_counter!("quartz_store_commit_failures_total", "Commits that failed");
    metrics::describe_histogram!(
        "quartz_store_commit_seconds",
        "Time of a commit, sync included"
    );
}
