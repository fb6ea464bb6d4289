//! Vectors in full precision: metrics, blocks of 64 and the exact scan over them.

mod block;
mod metric;
mod precision;
mod scan;
mod top_k;

pub(crate) use self::{
    block::{BLOCK_ORDINALS, VectorBlock, ordinal_rows, row_of},
    scan::{Candidates, scan, single, yield_now},
    top_k::{Margin, TopK},
};
pub use self::{metric::Metric, precision::Precision};
