//! The `quartz` binary from outside: damaged files, full disks, start and stop, webhooks,
//! and a real data set with known answers.
//!
//! Nothing here depends on how fast the machine is. Times are printed (`--nocapture`), and the only
//! bounds are so loose that crossing one means a hang.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

mod damage;
mod full_disk;
mod http;
mod keys;
mod lifecycle;
#[path = "../support/process.rs"]
mod process;
mod real_data;
mod webhooks;
