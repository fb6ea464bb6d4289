//! QuartzDB's engine over an ordered map: records, filters, vector search and the namespace actor.
//!
//! Portable: no sockets, no threads, no ambient clock or randomness. A host brings a [`store::Store`],
//! a [`Clock`] and a way to run futures; everything else is here.
//!
//! - [`store`]: the ordered map and its engines' conformance suite.
//! - [`keys`]: every kind of row, byte by byte.
//! - [`record`]: what is stored. [`filter`]: which of it is meant.
//! - [`namespace`]: the actor: one writer, numbered commits, reads on frozen views.
//! - [`directory`]: many namespaces in one store.
//! - [`usage`]: what requests use, counted with their commits.
//! - [`check`]: proves that a namespace's indexes and counters agree with its records.

mod cache;
pub mod check;
mod clock;
pub mod directory;
mod error;
pub mod filter;
mod index;
pub mod keys;
pub mod namespace;
pub mod open_map;
mod processors;
pub mod record;
pub mod store;
pub mod usage;
mod vector;

pub use self::{
    cache::{CacheStats, VectorCache},
    clock::{Clock, ManualClock},
    error::{Error, Result},
    vector::{Metric, Precision},
};
