//! Two threads that keep memory and the tree in shape: one flushes memtables, one compacts tables.
//!
//! A failure, a full disk for instance, stops neither: it is kept for the committer to report when
//! work piles up, the files of the failed attempt are removed, and the work is tried again.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lsm_tree::{AbstractTree, compaction::Leveled};
use quartz_core::store::{Result, StoreError};

use super::{
    Engine,
    directory::io_error,
    journal::remove_before,
    tree::{guarded, place},
};

/// Memtables that may wait for their flush; each is replayed at the next open.
const MOST_SEALED: usize = 2;
/// Unmerged runs of tables at which commits slow down, and at which they wait for merges.
const SLOW_RUNS: usize = 12;
const MOST_RUNS: usize = 24;
/// Runs at which commits stop if merges fail. A merge needs as much room as its tables have, so on
/// a nearly full disk writes can go on where merges cannot. The tree counts runs in one byte.
const LAST_RUNS: usize = 200;
const TABLE_BYTES: u64 = 32 << 20;
const RETRY: Duration = Duration::from_millis(250);

/// What the two threads, the committer and the owner tell each other.
#[derive(Default)]
pub(super) struct Background {
    state: Mutex<State>,
    changed: Condvar,
    /// Segments below this are covered by sealed memtables or tables.
    boundary: AtomicU64,
    /// Read by whoever writes table files, written by who removes those of failed attempts.
    files: RwLock<()>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    flush: bool,
    compact: bool,
    flush_error: Option<StoreError>,
    compact_error: Option<StoreError>,
    /// The tree saw nothing to merge when it was last asked.
    compact_idle: bool,
}

impl Background {
    /// The memtable before `segment` was sealed: flush it.
    pub(super) fn sealed(&self, segment: u64) {
        self.boundary.store(segment, Ordering::Release);
        self.change(|state| state.flush = true);
    }

    /// Merges may be due from before the store was opened.
    pub(super) fn start(&self) {
        self.change(|state| state.compact = true);
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Damage that a thread has come upon, for reports.
    pub(super) fn error(&self) -> Option<StoreError> {
        let state = self.state();
        state.flush_error.clone().or(state.compact_error.clone())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for work of one kind; `false` when the store closes.
    fn wait_for(&self, work: impl Fn(&mut State) -> &mut bool) -> bool {
        let mut state = self.state();
        while !state.stopped && !*work(&mut state) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *work(&mut state) = false;
        !state.stopped
    }

    /// Sleeps before a retry, less when the store closes.
    fn pause(&self) {
        let state = self.state();
        if !state.stopped {
            drop(self.wait(state, RETRY));
        }
    }
}

/// Holds the committer back while flushes or compactions lag.
///
/// # Errors
/// What stopped the thread that lags.
pub(super) fn wait_for_room(engine: &Engine) -> Result<()> {
    let background = &engine.background;
    loop {
        let (sealed, runs) = guarded(&place(&engine.directory.tree()), || {
            Ok((
                engine.tree.sealed_memtable_count(),
                engine.tree.l0_run_count(),
            ))
        })?;
        let mut state = background.state();
        if sealed >= MOST_SEALED {
            if let Some(error) = &state.flush_error {
                return Err(error.clone());
            }
        } else if runs >= MOST_RUNS {
            match state.flush_error.as_ref().or(state.compact_error.as_ref()) {
                Some(error) if runs >= LAST_RUNS => return Err(error.clone()),
                Some(_) => return Ok(()),
                None if state.compact_idle => {
                    state.compact = true;
                    background.changed.notify_all();
                    return Ok(());
                }
                None => {}
            }
        } else if runs >= SLOW_RUNS {
            drop(background.wait(state, Duration::from_millis(2)));
            return Ok(());
        } else {
            return Ok(());
        }
        drop(background.wait(state, Duration::from_millis(20)));
    }
}

/// The flush thread.
pub(super) fn run_flushes(engine: &Arc<Engine>) {
    let background = &engine.background;
    while background.wait_for(|state| &mut state.flush) {
        let outcome = flush(engine);
        let failed = outcome.is_err();
        if let Err(error) = &outcome {
            tracing::error!(%error, "flush failed; it will be tried again");
        }
        background.change(|state| {
            state.flush |= failed;
            state.compact |= !failed;
            state.flush_error = outcome.err();
        });
        if failed {
            background.pause();
        }
    }
}

/// Writes all sealed memtables to the tree and retires their journal segments.
pub(super) fn flush(engine: &Engine) -> Result<()> {
    let next_table = engine.tree.next_table_id();
    let boundary = engine.background.boundary.load(Ordering::Acquire);
    let outcome = {
        let _files = read(&engine.background.files);
        guarded(&place(&engine.directory.tree()), || {
            let lock = engine.tree.get_flush_lock();
            engine.tree.flush(&lock, engine.views.watermark())
        })
    };
    if let Err(error) = outcome {
        remove_failed(engine, next_table);
        return Err(error);
    }
    settle(engine);
    let journal = engine.directory.journal();
    if boundary > engine.witness.testimony().oldest {
        engine
            .witness
            .retire(boundary)
            .map_err(|error| io_error(engine.witness.path(), &error))?;
        remove_before(&journal, boundary).map_err(|error| io_error(&journal, &error))?;
    }
    Ok(())
}

/// The compaction thread.
pub(super) fn run_compactions(engine: &Arc<Engine>) {
    let background = &engine.background;
    let strategy = Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES));
    while background.wait_for(|state| &mut state.compact) {
        if background.state().flush_error.is_some() {
            // A merge would take the room that the flush needs.
            background.change(|state| state.compact = true);
            background.pause();
            continue;
        }
        let next_table = engine.tree.next_table_id();
        let outcome = {
            let _files = read(&background.files);
            guarded(&place(&engine.directory.tree()), || {
                let before = engine.tree.current_version().id();
                engine
                    .tree
                    .compact(strategy.clone(), engine.views.watermark())?;
                Ok(before != engine.tree.current_version().id())
            })
        };
        let failed = outcome.is_err();
        if let Err(error) = &outcome {
            tracing::error!(%error, "compaction failed; it will be tried again");
            remove_failed(engine, next_table);
        } else {
            settle(engine);
        }
        background.change(|state| {
            state.compact |= outcome != Ok(false);
            state.compact_idle = outcome == Ok(false);
            state.compact_error = outcome.err();
        });
        if failed {
            background.pause();
        }
    }
}

/// Lets readers see the tree's latest shape, and lets go of shapes nobody reads.
fn settle(engine: &Engine) {
    {
        let _apply = engine.apply.lock().unwrap_or_else(PoisonError::into_inner);
        engine.views.publish(engine.seqno.get());
    }
    let folder = engine.directory.tree();
    let outcome = guarded(&place(&folder), || {
        let mut versions = engine.tree.get_version_history_lock();
        versions.maintenance(&folder, engine.views.watermark())
    });
    if let Err(error) = outcome {
        tracing::warn!(%error, "old lists of tables could not be removed");
    }
}

/// Removes table files from `next_table` on that no list of tables names.
fn remove_failed(engine: &Engine, next_table: u64) {
    let _files = engine
        .background
        .files
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    let tables = engine.directory.tree().join("tables");
    let Ok(entries) = fs::read_dir(tables) else {
        return;
    };
    let version = engine.tree.current_version();
    let known: HashSet<u64> = version.iter_tables().map(lsm_tree::Table::id).collect();
    for entry in entries.flatten() {
        let path = entry.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse::<u64>().ok());
        if let Some(number) = number
            && number >= next_table
            && !known.contains(&number)
        {
            remove(&path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a leftover file could not be removed");
    }
}

fn read(lock: &RwLock<()>) -> std::sync::RwLockReadGuard<'_, ()> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
