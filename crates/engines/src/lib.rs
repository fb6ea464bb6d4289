//! Storage engines under the [`Store`](quartz_core::store::Store) trait: local disk.

#![forbid(unsafe_code)]

pub mod local;

pub use local::{LocalStore, Options};
