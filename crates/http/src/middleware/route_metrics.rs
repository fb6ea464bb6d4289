//! Counters and latencies by route. Handles are looked up in the recorder once, then kept.

use std::{collections::HashMap, sync::OnceLock};

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "other"];
const STATUSES: [u16; 19] = [
    200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 500, 503, 507,
    // Any other.
    0,
];

/// Metrics of all routes.
pub(super) struct RouteTable {
    routes: HashMap<String, RouteMetrics>,
    unmatched: RouteMetrics,
    in_flight: OnceLock<Gauge>,
}

/// Metrics of one route.
pub(super) struct RouteMetrics {
    /// Template of the route, e.g. `/v1/namespaces/{ns}/query`.
    pub(super) route: String,
    seconds: OnceLock<Histogram>,
    requests: [[OnceLock<Counter>; STATUSES.len()]; METHODS.len()],
}

/// Counted while it lives.
pub(super) struct InFlight(Gauge);

impl RouteTable {
    pub(super) fn new(routes: impl IntoIterator<Item = String>) -> Self {
        Self {
            routes: routes
                .into_iter()
                .map(|route| (route.clone(), RouteMetrics::new(route)))
                .collect(),
            unmatched: RouteMetrics::new("unmatched".to_owned()),
            in_flight: OnceLock::new(),
        }
    }

    pub(super) fn of(&self, route: Option<&str>) -> &RouteMetrics {
        route
            .and_then(|route| self.routes.get(route))
            .unwrap_or(&self.unmatched)
    }

    pub(super) fn enter(&self) -> InFlight {
        let gauge = self
            .in_flight
            .get_or_init(|| gauge!("quartz_http_requests_in_flight"));
        gauge.increment(1);
        InFlight(gauge.clone())
    }
}

impl RouteMetrics {
    fn new(route: String) -> Self {
        Self {
            route,
            seconds: OnceLock::new(),
            requests: Default::default(),
        }
    }

    /// Counts an answered request.
    pub(super) fn record(&self, method: &Method, status: StatusCode, micros: u64) {
        let seconds = self.seconds.get_or_init(
            || histogram!("quartz_http_request_seconds", "route" => self.route.clone()),
        );
        seconds.record(micros as f64 / 1e6);
        let last = METHODS.len() - 1;
        let method = METHODS
            .iter()
            .position(|name| *name == method.as_str())
            .unwrap_or(last);
        let other = STATUSES.len() - 1;
        let place = STATUSES
            .iter()
            .position(|known| *known == status.as_u16())
            .unwrap_or(other);
        let requests = self.requests[method][place].get_or_init(|| {
            let status = match STATUSES[place] {
                0 => "other".to_owned(),
                status => status.to_string(),
            };
            counter!(
                "quartz_http_requests_total",
                "route" => self.route.clone(), "method" => METHODS[method], "status" => status
            )
        });
        requests.increment(1);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
