//! The committer: one thread that writes what waits together as one group with one sync.
//!
//! It takes what is there and never waits for more: while one group syncs the next one gathers.
//! A short wait for the clients just answered was measured and brought nothing.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use lsm_tree::{AbstractTree, InternalValue, ValueType};
use quartz_core::store::{Durability, Operation, Result, StoreError};

use super::{
    Engine,
    background::{flush, wait_for_room},
    directory::io_error,
    journal::Journal,
    queue::{Job, Queue},
    tree::{guarded, place},
};

/// One record holds at most this much, unless a single commit is larger.
const GROUP_BYTES: usize = 4 << 20;
/// Commits acknowledged from memory are synced after at most this long.
const MEMORY_SYNC: Duration = Duration::from_millis(50);
const FOREVER: Duration = Duration::from_secs(3600);

pub(super) struct Committer {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    journal: Journal,
    /// Set when a write or sync of the journal failed; nothing is accepted before it is mended.
    broken: bool,
}

impl Committer {
    pub(super) fn new(engine: Arc<Engine>, queue: Arc<Queue>, journal: Journal) -> Self {
        Self {
            engine,
            queue,
            journal,
            broken: false,
        }
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _close = CloseOnExit(Arc::clone(&self.queue));
        // What was replayed may be several buffers; but for a little, it need not stay in memory, nor be
        // replayed again.
        self.rotate_quietly(self.engine.options.write_buffer_bytes / 8);
        let mut group = Vec::new();
        loop {
            let patience = if self.journal.is_synced() {
                FOREVER
            } else {
                MEMORY_SYNC
            };
            if !self.queue.drain(&mut group, GROUP_BYTES, patience) {
                break;
            }
            if group.is_empty() {
                self.sync_quietly();
                continue;
            }
            self.commit(&mut group);
        }
        self.sync_quietly();
        if let Err(error) = self.engine.witness.sync() {
            tracing::warn!(%error, "the witness could not be synced at close");
        }
    }

    /// Commits that ask for memory only go first, are visible and answered before the sync starts.
    fn commit(&mut self, group: &mut Vec<Job>) {
        let ready = self.prepare();
        let (memory, disk): (Vec<_>, Vec<_>) = group
            .drain(..)
            .partition(|job| job.durability == Durability::Memory);
        for (jobs, durability) in [(memory, Durability::Memory), (disk, Durability::Disk)] {
            if jobs.is_empty() {
                continue;
            }
            let (good, bad): (Vec<_>, Vec<_>) = jobs
                .into_iter()
                .map(|job| (check(&job), job))
                .partition(|(checked, _)| checked.is_ok());
            for (checked, job) in bad {
                let _ = job.answer.send(checked);
            }
            let good: Vec<_> = good.into_iter().map(|(_, job)| job).collect();
            let outcome = ready.clone().and_then(|()| self.write(&good, durability));
            for job in good {
                let _ = job.answer.send(outcome.clone());
            }
        }
        self.rotate_quietly(self.engine.options.write_buffer_bytes);
    }

    fn rotate_quietly(&mut self, limit: u64) {
        if !self.broken
            && let Err(error) = self.rotate_above(limit)
        {
            tracing::error!(%error, "a new journal segment could not be made");
        }
    }

    /// Sees to it that the disk has room, flushes keep up, and the journal is sound.
    fn prepare(&mut self) -> Result<()> {
        let directory = &self.engine.directory;
        let least = self.engine.options.min_free_bytes;
        let free = directory
            .free_bytes()
            .map_err(|error| io_error(directory.path(), &error))?;
        if free < least {
            return Err(StoreError::Full(format!(
                "the disk of {} has {free} bytes free and {least} are kept in reserve; free some space or grow the disk",
                directory.path().display()
            )));
        }
        wait_for_room(&self.engine)?;
        if self.broken {
            self.mend()?;
        }
        Ok(())
    }

    /// One record, one sync if asked for, then everything becomes visible at once.
    fn write(&mut self, jobs: &[Job], durability: Durability) -> Result<()> {
        if self.broken {
            return Err(StoreError::Unavailable(
                "the journal could not be written; it is mended with the next commit".to_owned(),
            ));
        }
        let engine = Arc::clone(&self.engine);
        let _apply = engine.apply.lock().unwrap_or_else(PoisonError::into_inner);
        let operations = || jobs.iter().flat_map(|job| job.batch.operations());
        let seqno = engine.seqno.next();
        if operations().next().is_some() {
            let appended = self.journal.append(seqno, operations());
            self.note(appended)?;
        }
        if durability == Durability::Disk && !self.journal.is_synced() {
            let synced = self.journal.sync();
            self.note(synced)?;
        }
        guarded(&place(&engine.directory.tree()), || {
            let memtable = engine.tree.active_memtable();
            for operation in operations() {
                let (Operation::Put(key, _) | Operation::Delete(key)) = operation;
                engine.rows.touch(key, seqno);
                memtable.insert(entry(operation.clone(), seqno));
            }
            // In order, because of two writes to one key the later one counts.
            for operation in operations() {
                match operation {
                    Operation::Put(key, value) => engine.rows.renew(key, value, seqno),
                    Operation::Delete(key) => engine.rows.forget(key),
                }
            }
            Ok(())
        })?;
        engine.views.publish(seqno + 1);
        Ok(())
    }

    /// One memtable, one segment: when either has reached the limit both begin anew.
    fn rotate_above(&mut self, limit: u64) -> Result<()> {
        let memtable = self.engine.tree.active_memtable();
        if memtable.size() < limit && self.journal.len() < limit {
            return Ok(());
        }
        let rotated = self.journal.rotate(self.engine.seqno.get());
        self.note(rotated)?;
        self.seal()
    }

    fn seal(&self) -> Result<()> {
        guarded(&place(&self.engine.directory.tree()), || {
            self.engine.tree.rotate_memtable();
            Ok(())
        })?;
        self.engine.background.sealed(self.journal.segment());
        Ok(())
    }

    /// After a failed write or sync nothing is known about the unsynced end of the journal. It is
    /// cut off, all that was applied is flushed to the tree, and a new segment begins.
    fn mend(&mut self) -> Result<()> {
        let path = self.journal.path();
        self.journal
            .cut()
            .map_err(|error| io_error(&path, &error))?;
        self.seal()?;
        flush(&self.engine)?;
        self.journal
            .rotate(self.engine.seqno.get())
            .map_err(|error| io_error(&path, &error))?;
        self.engine.background.sealed(self.journal.segment());
        self.broken = false;
        Ok(())
    }

    fn sync_quietly(&mut self) {
        if !self.broken {
            let synced = self.journal.sync();
            if let Err(error) = self.note(synced) {
                tracing::error!(%error, "the journal could not be synced");
            }
        }
    }

    fn note(&mut self, outcome: std::io::Result<()>) -> Result<()> {
        outcome.map_err(|error| {
            self.broken = true;
            io_error(&self.journal.path(), &error)
        })
    }
}

/// An operation as the tree keeps it.
pub(super) fn entry(operation: Operation, seqno: u64) -> InternalValue {
    match operation {
        Operation::Put(key, value) => {
            InternalValue::from_components(key, value, seqno, ValueType::Value)
        }
        Operation::Delete(key) => InternalValue::new_tombstone(key, seqno),
    }
}

fn check(job: &Job) -> Result<()> {
    for operation in job.batch.operations() {
        let (Operation::Put(key, _) | Operation::Delete(key)) = operation;
        if key.is_empty() || key.len() > usize::from(u16::MAX) {
            return Err(StoreError::Refused(format!(
                "a key has {} bytes; keys have 1 to 65,535",
                key.len()
            )));
        }
    }
    if job.batch.size_bytes() > MOST_BATCH_BYTES {
        return Err(StoreError::Refused(format!(
            "a batch has {} bytes; the most is {MOST_BATCH_BYTES}",
            job.batch.size_bytes()
        )));
    }
    Ok(())
}

/// A batch, with the lengths in front of its operations, fits a record's length field.
const MOST_BATCH_BYTES: usize = 1 << 30;

/// Whoever still waits is told when the committer ends, however it ends.
struct CloseOnExit(Arc<Queue>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.close();
        let mut left = Vec::new();
        self.0.drain(&mut left, usize::MAX, Duration::ZERO);
        for job in left {
            let closed = StoreError::Unavailable("the store is closed".to_owned());
            let _ = job.answer.send(Err(closed));
        }
    }
}
