//! The namespace's usage rows: written with commits, read by whoever sends the bill.

use std::sync::atomic::Ordering;

use super::{Change, Namespace, Shared, Write, group::Draft, group::Kept, state::load_meta};
use crate::{
    error::Result,
    keys::{Kind, meta::Meta, record, usage},
    store::{self, Batch, Durability, RowCursor, ScanLimit, Snapshot, StoreError},
    usage::{ByPayer, Usage, WRITE_UNIT_BYTES, charge},
};

const HOUR_MILLIS: u64 = 60 * 60 * 1000;
/// Hours that usage rows are kept: 35 days.
const KEPT_HOURS: u32 = 35 * 24;
/// Old usage rows that one commit removes.
const FORGOTTEN_ROWS: usize = 64;

/// What a namespace has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// When the namespace was created; another one of its name has another time.
    pub created_at: u64,
    /// Bytes of its records.
    pub bytes: u64,
    /// Records with a vector.
    pub vectors: u64,
    /// Hour since 1970, number of the paying key, and what it used in that hour so far.
    pub rows: Vec<(u32, u32, Usage)>,
}

/// The hour of a time in milliseconds since 1970.
#[must_use]
pub fn hour_of(millis: u64) -> u32 {
    u32::try_from(millis / HOUR_MILLIS).unwrap_or(u32::MAX)
}

impl Namespace {
    /// Notes a read. It is stored with the next commit, or by [`flush_usage`](Self::flush_usage).
    pub fn charge(&self, payer: u32, usage: Usage) {
        self.0.shared.reads.charge(payer, usage);
    }

    /// Stores reads that no commit has taken along.
    ///
    /// # Errors
    /// When the store fails; what was to be stored is lost.
    pub async fn flush_usage(&self) -> Result<()> {
        if self.0.shared.reads.is_empty() {
            return Ok(());
        }
        let write = Write {
            durability: Durability::Memory,
            ..Write::from(Change::Apply(Vec::new()))
        };
        self.write(write).await.map(drop)
    }

    /// The first hour whose usage may have changed since this was last asked, if any; after opening, all
    /// may have.
    #[must_use]
    pub fn take_metered(&self) -> Option<u32> {
        let from = self.0.shared.metered_from.swap(u32::MAX, Ordering::AcqRel);
        (from != u32::MAX).then_some(from)
    }

    /// Takes back [`take_metered`](Self::take_metered): it could not be collected.
    pub fn set_metered(&self, from_hour: u32) {
        self.0
            .shared
            .metered_from
            .fetch_min(from_hour, Ordering::AcqRel);
    }

    /// What was counted from an hour on, as of the last commit.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn metered(&self, from_hour: u32) -> Result<Metered> {
        let state = self.0.shared.state.load_full();
        let meta = state.meta.clone().unwrap_or_default();
        Ok(counted(&*state.snapshot, &meta, from_hour).await?)
    }
}

/// What a namespace has counted that need not be open; `None` if there is none.
pub(crate) async fn metered_at_rest(snapshot: &dyn Snapshot) -> store::Result<Option<Metered>> {
    match load_meta(snapshot).await? {
        Some(meta) => counted(snapshot, &meta, 0).await.map(Some),
        None => Ok(None),
    }
}

async fn counted(snapshot: &dyn Snapshot, meta: &Meta, from_hour: u32) -> store::Result<Metered> {
    let mut metered = Metered {
        created_at: meta.created_at,
        bytes: meta.counts.bytes,
        vectors: meta.counts.vectors,
        rows: Vec::new(),
    };
    let (start, end) = (usage::key(from_hour, 0), Kind::Usage.end());
    let mut cursor = RowCursor::new(snapshot, start, end, ScanLimit::rows(1024));
    while let Some(rows) = cursor.next_page().await? {
        for (key, value) in rows {
            let corrupt = |why| StoreError::corrupt_row(&key, why);
            let (hour, payer) = usage::hour_and_payer(&key).map_err(corrupt)?;
            let used = usage::decode(value).map_err(corrupt)?;
            metered.rows.push((hour, payer, used));
        }
    }
    Ok(metered)
}

/// Adds what a group of writes, and the reads since the last commit, have used to the commit.
/// `snapshot` holds every commit before.
pub(super) async fn add_rows(
    shared: &Shared,
    snapshot: &dyn Snapshot,
    mut used: ByPayer,
    now: u64,
    batch: &mut Batch,
) -> store::Result<()> {
    for (payer, reads) in shared.reads.take() {
        charge(&mut used, payer, reads);
    }
    if used.is_empty() {
        return Ok(());
    }
    let hour = hour_of(now);
    let mut is_new = false;
    for (payer, used) in used {
        let key = usage::key(hour, payer);
        let mut sum = match snapshot.get(&key).await? {
            None => {
                is_new = true;
                Usage::default()
            }
            Some(value) => {
                usage::decode(value).map_err(|why| StoreError::corrupt_row(&key, why))?
            }
        };
        sum.add(used);
        batch.put(key, usage::encode(sum));
    }
    // Rows grow old no faster than new ones come, and a scan costs more than the rest of this.
    if !is_new {
        return Ok(());
    }
    let (start, end) = (
        usage::key(0, 0),
        usage::key(hour.saturating_sub(KEPT_HOURS), 0),
    );
    let limit = ScanLimit::rows(FORGOTTEN_ROWS);
    for (key, _) in snapshot.scan(&start, &end, limit).await?.rows {
        batch.delete(key);
    }
    Ok(())
}

/// Write units of a record as it is after a write; `None`: it is deleted.
pub(super) fn write_units(id: &str, after: Option<&Draft>, dimension: Option<u32>) -> u64 {
    let Some(draft) = after else { return 1 };
    let value = match &draft.value {
        None => 0,
        Some(Kept::New(value)) => value.bytes.len() as u64,
        Some(Kept::Old(stored)) => stored.size.into(),
    };
    let vector = match &draft.vector {
        None => 0,
        Some(Kept::New(vector)) => 4 * vector.len() as u64,
        Some(Kept::Old(())) => 4 * u64::from(dimension.unwrap_or(0)),
    };
    let text = draft.text.as_ref().map_or(0, |text| text.len() as u64);
    let fields = draft.metadata.iter();
    let metadata: u64 = fields
        .map(|(name, field)| record::field_bytes(name, field))
        .sum();
    let bytes = id.len() as u64 + value + vector + text + metadata;
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1)
}
