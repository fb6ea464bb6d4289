//! [`SqlStore`]: the `Store` on the SQLite of a Durable Object.
//!
//! `exec` answers at once. What is written in one turn of the event loop becomes durable as a whole, and the
//! runtime holds every answer back until it is: a commit is as durable as its answer, whatever was
//! asked for. A commit ends only then, so that the writer of the namespace gathers what comes meanwhile
//! and makes it one commit.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::HashSet,
    future::ready,
    iter::Peekable,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use quartz_core::store::{
    Batch, BoxFuture, Durability, Operation, Page, Result, ScanLimit, Snapshot, Store, StoreError,
    successor,
};
use send_wrapper::SendWrapper;

use crate::{
    sql::{Cursor, Sql, store_error},
    table::Table,
    turn,
    undo::{Outdated, Undo},
};

/// Rows that a page reads at once if its bytes are limited.
const ROWS_AT_ONCE: usize = 128;

/// The store of one object. Clones share it.
#[derive(Clone)]
pub struct SqlStore {
    inner: SendWrapper<Rc<Inner>>,
    waits: bool,
}

struct Inner {
    table: Table,
    undo: RefCell<Undo>,
    /// The turn in which the last commit was seen to be durable.
    ended: Cell<u64>,
}

impl SqlStore {
    /// The store that an object holds, or an empty one.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn open(sql: Sql) -> Result<Self> {
        let inner = Inner {
            table: Table::open(sql)?,
            undo: RefCell::default(),
            ended: Cell::default(),
        };
        Ok(Self {
            inner: SendWrapper::new(Rc::new(inner)),
            waits: true,
        })
    }

    /// The same store, whose commits answer at once. They are durable before anyone outside the object hears
    /// of them; what waits meanwhile is not committed with them.
    #[must_use]
    pub fn at_once(&self) -> Self {
        let (inner, waits) = (self.inner.clone(), false);
        Self { inner, waits }
    }
}

impl Store for SqlStore {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        let done = self.inner.commit(&batch);
        if done.is_err() || batch.is_empty() || !self.waits || durability == Durability::Memory {
            return Box::pin(ready(done));
        }
        let follows = self.inner.ended.get() == turn::number();
        Box::pin(SendWrapper::new(self.inner.durable(follows)))
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        let number = self.inner.undo.borrow_mut().hold();
        let snapshot: Arc<dyn Snapshot> = Arc::new(SqlSnapshot {
            store: self.inner.clone(),
            number,
        });
        Box::pin(ready(Ok(snapshot)))
    }

    fn size_bytes(&self) -> u64 {
        self.inner.table.sql.size_bytes()
    }
}

impl Inner {
    /// Waits until what was written is durable. That takes little longer than one request does, so a commit
    /// that `follows` the one before it, because others waited, lasts until the event loop has come round: what
    /// has arrived by then goes into one commit, not into one each. Who writes alone never waits for it.
    async fn durable(&self, follows: bool) -> Result<()> {
        let durable = self.table.sql.durable(follows).await;
        durable.map_err(|thrown| store_error(&thrown))?;
        self.ended.set(turn::number());
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let replaced = self.replaced_by(batch)?;
        self.table.write(batch.operations())?;
        self.undo.borrow_mut().commit(replaced);
        Ok(())
    }

    /// What the batch changes and an older snapshot still shows.
    fn replaced_by(&self, batch: &Batch) -> Result<Vec<(Bytes, Option<Bytes>)>> {
        let undo = self.undo.borrow();
        let mut keys = HashSet::new();
        for operation in batch.operations() {
            let (Operation::Put(key, _) | Operation::Delete(key)) = operation;
            if undo.wants(key) {
                keys.insert(key);
            }
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let mut values = self.table.read_all(&keys)?;
        let before = |key: &Bytes| (key.clone(), values.remove(key));
        Ok(keys.into_iter().map(before).collect())
    }

    fn scan(&self, snapshot: u64, start: &[u8], end: &[u8], limit: ScanLimit) -> Result<Page> {
        let mut page = Page::default();
        if !end.is_empty() && start >= end {
            return Ok(page);
        }
        let undo = self.undo.borrow();
        let changed = || undo.range(snapshot, start, end);
        // Each entry of the log may hide a row; one more row than asked for tells whether there is more.
        let hidden = if undo.is_current(snapshot) {
            0
        } else {
            changed().count()
        };
        let rows = limit.rows.max(1);
        let most = rows.saturating_add(hidden).saturating_add(1);
        let mut shown = Shown {
            walk: Walk {
                table: &self.table,
                start: start.to_vec(),
                end,
                // A page that ends by its bytes shall not read much more than it holds.
                rows_at_once: match limit.bytes {
                    usize::MAX => most,
                    _ => most.min(ROWS_AT_ONCE),
                },
                rows: None,
                taken: 0,
                ended: !self.table.exists(),
            },
            ahead: None,
            changed: changed().peekable(),
        };
        let mut bytes = 0;
        while let Some((key, value)) = shown.next()? {
            if page.rows.len() == rows || (bytes >= limit.bytes && !page.rows.is_empty()) {
                page.more = true;
                break;
            }
            bytes += key.len() + value.len();
            page.rows.push((key, value));
        }
        Ok(page)
    }
}

/// Rows of the table and, where it differs, what the undo log shows instead, ascending.
struct Shown<'a, Changed: Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>> {
    walk: Walk<'a>,
    /// The next row of the table.
    ahead: Option<(Bytes, Bytes)>,
    changed: Peekable<Changed>,
}

impl<'a, Changed: Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>> Shown<'a, Changed> {
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        loop {
            if self.ahead.is_none() {
                self.ahead = self.walk.next()?;
            }
            let order = match (&self.ahead, self.changed.peek()) {
                (_, None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, _)), Some((changed, _))) => key.cmp(changed),
            };
            if order == Ordering::Less {
                return Ok(self.ahead.take());
            }
            if order == Ordering::Equal {
                self.ahead = None;
            }
            if let Some((key, Some(before))) = self.changed.next() {
                return Ok(Some((key.clone(), before.clone())));
            }
        }
    }
}

/// Rows of the table, ascending, some at once.
struct Walk<'a> {
    table: &'a Table,
    start: Vec<u8>,
    end: &'a [u8],
    rows_at_once: usize,
    rows: Option<Cursor>,
    /// Rows taken of those at once.
    taken: usize,
    ended: bool,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        while !self.ended {
            let rows = match self.rows.take() {
                Some(rows) => rows,
                None => self.select()?,
            };
            match self.table.next(&rows)? {
                None => self.ended = self.taken < self.rows_at_once,
                Some((key, value)) => {
                    self.rows = Some(rows);
                    self.taken += 1;
                    if self.taken == self.rows_at_once {
                        self.start = successor(&key);
                    }
                    return Ok(Some((key, value)));
                }
            }
        }
        Ok(None)
    }

    fn select(&mut self) -> Result<Cursor> {
        self.taken = 0;
        self.table.scan(&self.start, self.end, self.rows_at_once)
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        if let Some(rows) = &self.rows {
            // What fails here fails again where it is asked for.
            let _ = rows.finish();
        }
    }
}

struct SqlSnapshot {
    store: SendWrapper<Rc<Inner>>,
    number: u64,
}

impl SqlSnapshot {
    fn check(&self) -> Result<()> {
        let held = self.store.undo.borrow().check(self.number);
        held.map_err(|Outdated| {
            StoreError::Unavailable(
                "too much was written while this was read; start again".to_owned(),
            )
        })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.check()?;
        if let Some(before) = self.store.undo.borrow().at(self.number, key) {
            return Ok(before.clone());
        }
        self.store.table.read(key)
    }

    fn read_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        self.check()?;
        let undo = self.store.undo.borrow();
        let before: Vec<_> = keys.iter().map(|key| undo.at(self.number, key)).collect();
        let unchanged = keys.iter().zip(&before);
        let unchanged: Vec<_> = unchanged
            .filter_map(|(key, before)| before.is_none().then_some(key))
            .collect();
        let values = self.store.table.read_all(&unchanged)?;
        let value = |(key, before): (&Bytes, Option<&Option<Bytes>>)| match before {
            Some(before) => before.clone(),
            None => values.get(key).cloned(),
        };
        Ok(keys.iter().zip(before).map(value).collect())
    }
}

impl Snapshot for SqlSnapshot {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(ready(self.read(key)))
    }

    fn get_many<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(ready(self.read_many(keys)))
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        let page = self
            .check()
            .and_then(|()| self.store.scan(self.number, start, end, limit));
        Box::pin(ready(page))
    }
}

impl Drop for SqlSnapshot {
    fn drop(&mut self) {
        self.store.undo.borrow_mut().release(self.number);
    }
}
