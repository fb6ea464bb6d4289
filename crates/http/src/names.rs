//! Names of headers that every request is asked for or answered with, parsed once.

use http::HeaderName;

pub(crate) static DURABILITY: HeaderName = HeaderName::from_static(quartz_api::DURABILITY);
pub(crate) static IDEMPOTENCY_KEY: HeaderName =
    HeaderName::from_static(quartz_api::IDEMPOTENCY_KEY);
pub(crate) static MIN_VERSION: HeaderName = HeaderName::from_static(quartz_api::MIN_VERSION);
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static(quartz_api::REQUEST_ID);
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static USAGE: HeaderName = HeaderName::from_static(quartz_api::USAGE);
pub(crate) static VERSION: HeaderName = HeaderName::from_static(quartz_api::VERSION);
