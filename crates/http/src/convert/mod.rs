//! Between the wire types and core's.

mod config;
mod metadata;
mod record;
mod value;

pub(crate) use self::{
    config::{config_from_wire, namespace_to_wire},
    record::{RecordParts, expiry, match_to_wire, parts_of, precondition, record_to_wire, vector},
    value::{BYTES, Form, WireValue, check_content_type},
};
