//! One file an endpoint, and what several of them share.

pub(crate) mod batch;
pub(crate) mod configure;
pub(crate) mod delete;
pub(crate) mod delete_namespace;
pub(crate) mod delete_value;
pub(crate) mod describe;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod get_value;
pub(crate) mod head_value;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod list_keys;
pub(crate) mod list_namespaces;
pub(crate) mod list_records;
pub(crate) mod put_value;
pub(crate) mod query;
pub(crate) mod service;
pub(crate) mod update;
pub(crate) mod upsert;

mod reply;
mod slices;
mod target;

pub(crate) use self::reply::Reply;
use self::{
    reply::usage_header,
    slices::in_slices,
    target::{Reading, existing, one_partition, pointed, view, write},
};
