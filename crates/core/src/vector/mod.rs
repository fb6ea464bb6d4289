//! Vectors in memory: blocks of 64 in a shared cache, and the exact scan over them.

mod block;
mod metric;
mod scan;
mod top_k;

pub(crate) use self::{
    block::{BLOCK_ORDINALS, BlockVersions},
    scan::{Candidates, scan},
    top_k::TopK,
};
pub use self::{
    block::{CacheStats, VectorCache},
    metric::Metric,
};
