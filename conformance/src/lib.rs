//! Black-box HTTP conformance suite: the tests in `tests/` and the few tools they share.
//!
//! It knows a base URL (`QUARTZ_URL`) and an API key (`QUARTZ_API_KEY`) and nothing else: no crate
//! of the server, no shared wire types, no file, no process. Bodies are raw JSON and limits are
//! written out as numbers, so a change of the wire format cannot pass by changing both sides.
//!
//! Every test makes namespaces of its own, with names nobody else has, and leaves them behind: run
//! it against a server that can be thrown away. `cargo xtask conformance` starts one.

mod answer;
mod browser;
mod call;
mod receiver;
mod route;
mod space;
mod tenant;

pub use self::{
    answer::{Answer, Problem},
    browser::{Browser, PASSWORD, accept},
    call::{Api, Call},
    receiver::{Received, Receiver},
    route::{METRICS, OPEN_ROUTES, ROUTES, Route},
    space::{Space, encode, unique},
    tenant::Tenant,
};
