//! Frozen views: a sequence number, kept from being reclaimed while somebody looks.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use lsm_tree::{AbstractTree, Guard};
use quartz_core::store::{BoxFuture, Page, Result, ScanLimit, Snapshot};

use super::{Engine, tree::guarded};

/// What is visible, and which older views are still held.
pub(super) struct Views {
    /// A view sees sequence numbers below its own.
    visible: AtomicU64,
    held: Mutex<BTreeMap<u64, usize>>,
}

impl Views {
    pub(super) fn new(visible: u64) -> Self {
        Self {
            visible: AtomicU64::new(visible),
            held: Mutex::default(),
        }
    }

    /// Shows every sequence number below `seqno`.
    pub(super) fn publish(&self, seqno: u64) {
        self.visible.fetch_max(seqno, Ordering::AcqRel);
    }

    /// The oldest view. A newer version of a row below it makes older ones needless, and only the
    /// latest shape of the tree from before it can still be read.
    pub(super) fn watermark(&self) -> u64 {
        let held = self.held();
        held.first_key_value()
            .map_or_else(|| self.visible.load(Ordering::Acquire), |(seqno, _)| *seqno)
    }

    fn hold(&self) -> u64 {
        let mut held = self.held();
        let seqno = self.visible.load(Ordering::Acquire);
        *held.entry(seqno).or_default() += 1;
        seqno
    }

    fn release(&self, seqno: u64) {
        let mut held = self.held();
        if let Some(count) = held.get_mut(&seqno) {
            *count -= 1;
            if *count == 0 {
                held.remove(&seqno);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct LocalSnapshot {
    engine: Arc<Engine>,
    seqno: u64,
}

impl LocalSnapshot {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let seqno = engine.views.hold();
        Self { engine, seqno }
    }

    fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let load = || self.read_tree(key);
        self.engine.rows.get(key, self.seqno, load)
    }

    fn read_tree(&self, key: &[u8]) -> Result<Option<Bytes>> {
        // The tree has no word for it.
        if key.is_empty() {
            return Ok(None);
        }
        let found = guarded_at(key, || self.engine.tree.get(key, self.seqno))?;
        Ok(found.map(Into::into))
    }

    fn page(&self, start: &[u8], end: &[u8], limit: ScanLimit) -> Result<Page> {
        let mut page = Page::default();
        if !end.is_empty() && start >= end {
            return Ok(page);
        }
        let lower = if start.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Included(start)
        };
        let upper = if end.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(end)
        };
        guarded_at(start, || {
            let range = (lower, upper);
            let mut bytes = 0;
            for row in self.engine.tree.range::<&[u8], _>(range, self.seqno, None) {
                let (key, value) = row.into_inner()?;
                let full = page.rows.len() >= limit.rows.max(1) || bytes >= limit.bytes;
                if full && !page.rows.is_empty() {
                    page.more = true;
                    break;
                }
                bytes += key.len() + value.len();
                page.rows.push((key.into(), value.into()));
            }
            Ok(())
        })?;
        Ok(page)
    }
}

fn guarded_at<T>(key: &[u8], call: impl FnOnce() -> lsm_tree::Result<T>) -> Result<T> {
    let mut result = guarded("", call);
    if let Err(quartz_core::store::StoreError::Corrupt { place, .. }) = &mut result {
        *place = format!("key {} or behind", key.escape_ascii());
    }
    result
}

impl Drop for LocalSnapshot {
    fn drop(&mut self) {
        self.engine.views.release(self.seqno);
    }
}

impl Snapshot for LocalSnapshot {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(std::future::ready(self.read(key)))
    }

    /// Leaves out the rows in memory: whoever reads many at once makes something of them and keeps that.
    fn get_many<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        let values = keys.iter().map(|key| self.read_tree(key));
        Box::pin(std::future::ready(values.collect()))
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(std::future::ready(self.page(start, end, limit)))
    }
}
