//! Rows that were read lately, in front of the tree: a point read is one look-up instead of a walk
//! through memtables and tables.
//!
//! Every key belongs to a bucket that remembers the last write to any of its
//! keys; an entry says after which of them it was read, and serves only as long as there is no later
//! one. So a write costs one store a key, and a reader that is slower than a writer can put nothing
//! into the cache that anyone will take for newer than it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use quartz_core::store::Result;
use quick_cache::{Weighter, sync::Cache};
use xxhash_rust::xxh3::xxh3_64;

/// A power of two. More buckets forget fewer neighbours of what is written; these fill 512 KiB.
const BUCKETS: usize = 1 << 16;
/// While the budget is used up, one row comes in for so many bytes of those that were read: the larger a row, the
/// more others it takes the place of, and the less is it worth a byte (compare AdaptSize, Berger et al. 2017).
const BYTES_PER_READ: usize = 512;
/// Reads after which the budget is looked at.
const READS_PER_LOOK: u64 = 64;
/// A larger value gains little: reading it costs more than finding it.
const MOST_VALUE_BYTES: usize = 16 << 10;
/// What an entry takes beside its key and value, about.
const ENTRY_BYTES: usize = 96;

pub(super) struct Rows {
    rows: Cache<Bytes, Row, RowBytes>,
    budget_bytes: u64,
    /// As of the last look.
    has_room: AtomicBool,
    /// Rows that were not here.
    reads: AtomicU64,
    /// By bucket: the sequence number of the last write.
    touched: Box<[AtomicU64]>,
}

#[derive(Clone)]
struct Row {
    /// What `touched` said before the row was read.
    touched: u64,
    value: Bytes,
}

#[derive(Clone)]
struct RowBytes;

impl Weighter<Bytes, Row> for RowBytes {
    fn weight(&self, key: &Bytes, row: &Row) -> u64 {
        (ENTRY_BYTES + key.len() + row.value.len()) as u64
    }
}

impl Rows {
    pub(super) fn new(budget_bytes: u64) -> Self {
        let items = (budget_bytes / 512).clamp(16, 1 << 20) as usize;
        Self {
            rows: Cache::with_weighter(items, budget_bytes, RowBytes),
            budget_bytes,
            has_room: AtomicBool::new(true),
            reads: AtomicU64::new(0),
            touched: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Notes a write. Comes before the write becomes visible.
    pub(super) fn touch(&self, key: &[u8], seqno: u64) {
        self.bucket(key).fetch_max(seqno, Ordering::Release);
    }

    /// Replaces a row that is here by what is written at `seqno`, for whoever reads what it wrote.
    /// Comes after [`touch`](Self::touch).
    pub(super) fn renew(&self, key: &[u8], value: &Bytes, seqno: u64) {
        if value.len() <= MOST_VALUE_BYTES && self.rows.contains_key(key) {
            self.insert(key, value, seqno);
        }
    }

    /// Drops a row that is deleted.
    pub(super) fn forget(&self, key: &[u8]) {
        self.rows.remove(key);
    }

    /// The value of `key` for a view of the numbers below `seqno`; `load` reads it there.
    pub(super) fn get(
        &self,
        key: &[u8],
        seqno: u64,
        load: impl FnOnce() -> Result<Option<Bytes>>,
    ) -> Result<Option<Bytes>> {
        // Whoever sees a write as part of its view sees its touch as well.
        let touched = self.bucket(key).load(Ordering::Acquire);
        if touched >= seqno {
            return load();
        }
        if let Some(row) = self.rows.get(key)
            && row.touched == touched
        {
            return Ok(Some(row.value));
        }
        let value = load()?;
        if let Some(value) = &value
            && value.len() <= MOST_VALUE_BYTES
            && self.admits(value.len())
        {
            self.insert(key, value, touched);
        }
        Ok(value)
    }

    fn admits(&self, bytes: usize) -> bool {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        // Adding up what the parts of the cache hold costs as much as a read.
        if reads.is_multiple_of(READS_PER_LOOK) {
            let is_spare = self.rows.weight() < self.budget_bytes / 16 * 15;
            self.has_room.store(is_spare, Ordering::Relaxed);
        }
        self.has_room.load(Ordering::Relaxed)
            || reads.is_multiple_of((bytes / BYTES_PER_READ).max(1) as u64)
    }

    fn insert(&self, key: &[u8], value: &Bytes, touched: u64) {
        // Copies: key and value may be parts of something large.
        let value = Bytes::copy_from_slice(value);
        let row = Row { touched, value };
        self.rows.insert(Bytes::copy_from_slice(key), row);
    }

    fn bucket(&self, key: &[u8]) -> &AtomicU64 {
        &self.touched[xxh3_64(key) as usize % BUCKETS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &Rows, seqno: u64, stored: &'static str) -> (Bytes, bool) {
        let mut loaded = false;
        let value = rows.get(b"key", seqno, || {
            loaded = true;
            Ok(Some(Bytes::from_static(stored.as_bytes())))
        });
        (value.unwrap().unwrap(), loaded)
    }

    #[test]
    fn a_row_serves_until_its_key_is_written() {
        let rows = Rows::new(1 << 20);
        rows.touch(b"key", 4);
        assert_eq!(read(&rows, 5, "old"), ("old".into(), true));
        assert_eq!(read(&rows, 5, "old"), ("old".into(), false));
        assert_eq!(read(&rows, 9, "old"), ("old".into(), false));
        rows.touch(b"key", 9);
        assert_eq!(read(&rows, 10, "new"), ("new".into(), true));
        assert_eq!(read(&rows, 10, "new"), ("new".into(), false));
    }

    #[test]
    fn a_row_that_is_here_is_renewed() {
        let rows = Rows::new(1 << 20);
        rows.touch(b"key", 1);
        rows.renew(b"key", &"unasked".into(), 1);
        assert_eq!(read(&rows, 2, "old"), ("old".into(), true));
        rows.touch(b"key", 2);
        rows.renew(b"key", &"new".into(), 2);
        assert_eq!(read(&rows, 3, "-"), ("new".into(), false));
        assert_eq!(read(&rows, 2, "old"), ("old".into(), true));
        assert_eq!(read(&rows, 3, "-"), ("new".into(), false));
    }

    #[test]
    fn an_older_view_neither_takes_nor_leaves_anything() {
        let rows = Rows::new(1 << 20);
        rows.touch(b"key", 9);
        assert_eq!(read(&rows, 10, "new"), ("new".into(), true));
        assert_eq!(read(&rows, 9, "old"), ("old".into(), true));
        assert_eq!(read(&rows, 10, "new"), ("new".into(), false));
    }

    #[test]
    fn what_was_read_before_a_write_is_not_taken_after_it() {
        let rows = Rows::new(1 << 20);
        let old = rows.get(b"key", 5, || {
            rows.touch(b"key", 5);
            Ok(Some(Bytes::from_static(b"old")))
        });
        assert_eq!(old.unwrap().unwrap(), "old");
        assert_eq!(read(&rows, 6, "new"), ("new".into(), true));
    }

    #[test]
    fn large_values_and_absent_ones_are_read_each_time() {
        let rows = Rows::new(1 << 20);
        for _ in 0..2 {
            let mut loaded = false;
            let large = rows.get(b"large", 1, || {
                loaded = true;
                Ok(Some(vec![0; MOST_VALUE_BYTES + 1].into()))
            });
            assert!(large.unwrap().is_some() && loaded);
            assert_eq!(rows.get(b"none", 1, || Ok(None)).unwrap(), None);
        }
    }
}
