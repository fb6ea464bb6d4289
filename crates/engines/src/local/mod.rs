//! The local disk engine: an LSM tree, a journal in front of it, one committer.
//!
//! ```text
//! commit → queue → committer → journal (one record and one sync a group) → memtable → acknowledge
//!                                 flush thread: memtables → tables;  compaction thread: tables → tables
//! snapshot → a sequence number; gets and scans read memtables and tables below it
//! ```
//!
//! The tree is the `lsm-tree` crate (the storage layer of fjall); the journal is ours, because it
//! must tell a torn tail from damage, start over in small segments so that reopening is quick, and
//! go on after a full disk. `docs/decisions/0002-local-engine.md` has the figures and the reasons.
//!
//! What is promised beyond the [`Store`] trait:
//! - A batch becomes visible after its sync, so no snapshot shows a [`Durability::Disk`] batch whose
//!   sync failed. A [`Durability::Memory`] batch is visible before, and is synced within 50 ms.
//! - Opening replays at most three write buffers (96 MiB by default).
//! - Damage is reported as [`StoreError::Corrupt`]. A torn end of the journal that was never
//!   acknowledged is dropped silently. After a loss of power the last group of commits is the one
//!   place where damage looks like a torn end, until the next group is written.
//! - After [`StoreError::Full`] or an I/O error reads go on, and writes resume by themselves when
//!   the cause is gone.

mod background;
mod committer;
mod directory;
mod journal;
mod queue;
mod record;
mod replay;
mod rows;
mod snapshot;
#[cfg(test)]
mod tests;
mod tree;
mod witness;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread::{Builder, JoinHandle},
};

use lsm_tree::{AbstractTree, AnyTree, SequenceNumberCounter};
use quartz_core::store::{
    Batch, BoxFuture, Durability, Result, RowCursor, ScanLimit, Snapshot, Store, StoreError,
};

use self::{
    background::Background,
    committer::Committer,
    directory::{Directory, io_error},
    journal::Journal,
    queue::Queue,
    rows::Rows,
    snapshot::{LocalSnapshot, Views},
    witness::Witness,
};

/// How a [`LocalStore`] uses the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for what was read: a quarter of it for blocks of tables, which scans read and which say where a row is,
    /// the rest for single rows. A block of 4 KiB that was read for one row is seldom read for another.
    pub cache_bytes: u64,
    /// Commits get [`StoreError::Full`] while the disk has less free than this. It must leave room
    /// for the journal, the memtables and a merge of tables.
    pub min_free_bytes: u64,
    /// Size of a memtable and of its journal segment. Three of them may be in memory, and are
    /// replayed at open: larger is quicker under load, and slower to open.
    pub write_buffer_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            min_free_bytes: 256 << 20,
            write_buffer_bytes: 32 << 20,
        }
    }
}

/// A [`Store`] in a directory of the local disk.
///
/// Dropping it finishes the commits that wait, syncs, and frees the directory.
pub struct LocalStore {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// What [`LocalStore::verify`] has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows in the map.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub row_bytes: u64,
    /// Table files.
    pub tables: usize,
    /// Bytes of the table files.
    pub table_bytes: u64,
}

/// What the committer, the background threads and the snapshots share.
struct Engine {
    tree: AnyTree,
    seqno: SequenceNumberCounter,
    views: Views,
    rows: Rows,
    /// Held from drawing a sequence number until the group is visible.
    apply: Mutex<()>,
    witness: Arc<Witness>,
    background: Background,
    options: Options,
    directory: Directory,
}

impl LocalStore {
    /// Opens the store in the directory `path`, or creates it there if the directory is empty or
    /// missing. Replays the journal: some 10 ms for each MiB written since the last flush.
    ///
    /// # Errors
    /// - `Refused` when the directory is in use, is not a store, or has a newer format.
    /// - `Corrupt` when the journal or the lists of tables are damaged.
    /// - `Full`, `Unavailable` when the disk does not do its part.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let directory = Directory::open(path.as_ref())?;
        let seqno = SequenceNumberCounter::new(1);
        let tree = tree::open(&directory.tree(), &options, &seqno)?;
        let witness = Arc::new(Witness::open(directory.witness())?);
        let persisted = tree.get_highest_persisted_seqno().unwrap_or(0);
        let memtable = tree.active_memtable();
        let replayed = replay::replay(&directory.journal(), &witness, |seqno, operation| {
            if seqno > persisted {
                memtable.insert(committer::entry(operation, seqno));
            }
        })?;
        seqno.fetch_max(replayed.next_seqno.max(persisted + 1));
        let journal = Journal::resume(
            directory.journal(),
            Arc::clone(&witness),
            replayed.tail,
            options.write_buffer_bytes,
        )
        .map_err(|error| io_error(&directory.journal(), &error))?;

        let engine = Arc::new(Engine {
            tree,
            views: Views::new(seqno.get()),
            rows: Rows::new(options.cache_bytes / 4 * 3),
            seqno,
            apply: Mutex::default(),
            witness,
            background: Background::default(),
            options,
            directory,
        });
        let queue = Arc::new(Queue::default());
        let committer = Committer::new(Arc::clone(&engine), Arc::clone(&queue), journal);
        let mut store = Self {
            engine,
            queue,
            threads: Vec::new(),
        };
        store.engine.background.start();
        store.start("quartz-commit", move |_| committer.run())?;
        store.start("quartz-flush", |engine| background::run_flushes(&engine))?;
        store.start("quartz-compact", |engine| {
            background::run_compactions(&engine);
        })?;
        Ok(store)
    }

    fn start(&mut self, name: &str, run: impl FnOnce(Arc<Engine>) + Send + 'static) -> Result<()> {
        let engine = Arc::clone(&self.engine);
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || run(engine))
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Reads everything: every table file against its checksum, then every row. The journal was
    /// checked when the store was opened. Costs a read of the whole disk space; commits go on.
    ///
    /// # Errors
    /// `Corrupt` naming the first damaged file or key.
    pub fn verify(&self) -> Result<Verified> {
        let tree = tree::place(&self.engine.directory.tree());
        let (tables, table_bytes) = tree::check_tables(&self.engine.tree, &tree)?;
        let mut verified = Verified {
            tables,
            table_bytes,
            ..Verified::default()
        };
        let snapshot = LocalSnapshot::new(Arc::clone(&self.engine));
        let mut cursor = RowCursor::new(&snapshot, Vec::new(), Vec::new(), ScanLimit::rows(1000));
        while let Some(rows) =
            futures::FutureExt::now_or_never(cursor.next_page()).unwrap_or(Ok(None))?
        {
            verified.rows += rows.len() as u64;
            verified.row_bytes += rows
                .iter()
                .map(|(key, value)| (key.len() + value.len()) as u64)
                .sum::<u64>();
        }
        match self.engine.background.error() {
            Some(error @ StoreError::Corrupt { .. }) => Err(error),
            _ => Ok(verified),
        }
    }
}

impl Store for LocalStore {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.queue.submit(batch, durability))
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        let snapshot: Arc<dyn Snapshot> = Arc::new(LocalSnapshot::new(Arc::clone(&self.engine)));
        Box::pin(std::future::ready(Ok(snapshot)))
    }

    fn size_bytes(&self) -> u64 {
        self.engine.tree.disk_space() + self.engine.tree.version_memtable_size_sum()
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.queue.close();
        self.engine.background.stop();
        for thread in self.threads.drain(..) {
            // A panic has been printed, and whoever waited has been told.
            let _ = thread.join();
        }
    }
}
