//! The HTTP API over a [`Directory`](quartz_core::directory::Directory): routes, authentication,
//! handlers, OpenAPI document.
//!
//! [`router`] gives an [`axum::Router`] that the native server and the edge both serve. It has no
//! sockets, no timers, no threads and no randomness: a [`Host`] brings what it needs of them.
//!
//! A request passes one layer (`middleware`), which gives it an id, lets it in by its key (`auth`, `access`) if there is a place,
//! and writes the body of a problem; then the handler of its route (`handlers`, one file an
//! endpoint), which takes the request apart (`extract`, `filter`), turns wire types into core's
//! (`convert`), asks the namespace, and turns the answer back.

#![forbid(unsafe_code)]

mod access;
pub mod auth;
mod convert;
mod cookie;
mod cursor;
mod deliver;
mod docs;
mod extract;
mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod middleware;
mod names;
mod openapi;
mod partition;
mod placement;
mod problem;
mod refusal_page;
mod router;
mod state;

pub use self::{
    access::role_matrix,
    deliver::deliver,
    partition::{Partitioned, Partitions, gather, only_partition, partition_of},
    placement::{Subject, subject},
    router::{openapi_document, router, routes},
    state::{ApiState, App, Host, account_bounds},
};
