//! The router over the memory store, in process.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

mod access;
mod accounts;
mod bodies;
mod docs;
mod edge;
mod keys;
mod lines;
mod partitions;
mod people;
mod records;
mod single_sign_on;
mod support;
mod tokens;
mod usage;
mod webhooks;
