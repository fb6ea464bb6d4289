use quartz_core::{
    namespace::{Change, Outcome},
    usage::Usage,
};

use super::write;
use crate::{
    extract::{Name, WriteOptions},
    problem::{Place, Result},
    state::App,
};

/// Records that one commit of an update or delete by filter changes at most.
pub(super) const SLICE_RECORDS: usize = 10_000;

/// What all slices did together.
pub(super) struct Sum {
    /// Records with the outcome that was counted.
    pub(super) count: u64,
    /// Version of the last slice.
    pub(super) version: u64,
    /// What all slices have used.
    pub(super) used: Usage,
    /// Whether every slice was done by an earlier request.
    pub(super) replayed: bool,
}

/// Does a change slice by slice until nothing is left to do. `change` makes a slice from where it
/// begins.
pub(super) async fn in_slices(
    app: &App,
    name: &Name,
    options: &WriteOptions,
    counted: Outcome,
    change: impl Fn(Option<u32>) -> Change,
) -> Result<Sum> {
    let mut sum = Sum {
        count: 0,
        version: 0,
        used: Usage::default(),
        replayed: true,
    };
    let mut next = None;
    for slice in 0.. {
        let request = options.slice(change(next), slice);
        let written = write(app, name, request, Place::Request)
            .await
            .map_err(|mut failure| {
                if sum.count > 0 {
                    let done =
                        format!("{}; {} records were done before", failure.detail, sum.count);
                    failure.detail = done.into();
                }
                failure
            })?;
        sum.count += written.count(counted);
        sum.version = written.version;
        sum.used.add(Usage::write(written.units));
        sum.replayed &= written.replayed;
        next = written.next;
        if next.is_none() {
            break;
        }
    }
    Ok(sum)
}
