//! What happens around every request: one layer, so that a request pays for one box.

mod edge;
mod lingering;
mod request_id;
mod route_metrics;

pub(crate) use self::edge::EdgeLayer;
