//! What handlers take out of requests. Every fault is a problem document that says where it is.

pub(crate) mod body;
mod conditions;
mod json;
mod options;
mod path;
mod query;

pub(crate) use self::{
    conditions::{ReadCondition, WriteCondition, etag},
    json::{Json, parse},
    options::{ReadOptions, WriteOptions},
    path::{
        AccountPath, DeliveryPath, KeyPath, Name, NamespacePath, NumberPath, RolePath, check_id,
        check_namespace,
    },
    query::{PageParams, PutParams, QueryString, WalkParams, check_prefix, page_limit},
};
