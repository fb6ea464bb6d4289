//! [`SqlStore`]: the `Store` on the SQLite of a Durable Object.
//!
//! `exec` answers at once, so every future is ready when it is made. What is written in one turn of the
//! event loop becomes durable as a whole, and the runtime holds every answer back until it is: a
//! commit is as durable as its answer, whatever was asked for.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::HashSet,
    future::ready,
    iter::Peekable,
    rc::Rc,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use quartz_core::store::{
    Batch, BoxFuture, Durability, Operation, Page, Result, ScanLimit, Snapshot, Store, StoreError,
    successor,
};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsValue;

use crate::{
    sql::{Rows, Sql, Statement, blob, store_error},
    undo::{Outdated, Undo},
};

/// A longer value is cut into parts: SQLite takes 2 MB a row here.
const PART_BYTES: usize = 1 << 20;
/// Rows that a page reads at once if its bytes are limited.
const ROWS_AT_ONCE: usize = 128;

/// `rows.value` is NULL where the value is in `parts`. The triggers take the parts away with the value,
/// so that a write need not ask what was there.
const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS parts \
     (key BLOB, number INTEGER, value BLOB, PRIMARY KEY (key, number)) WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS row_replaced AFTER UPDATE ON rows WHEN OLD.value IS NULL \
     BEGIN DELETE FROM parts WHERE key = OLD.key; END",
    "CREATE TRIGGER IF NOT EXISTS row_deleted AFTER DELETE ON rows WHEN OLD.value IS NULL \
     BEGIN DELETE FROM parts WHERE key = OLD.key; END",
];

/// The store of one object. Clones share it.
#[derive(Clone)]
pub struct SqlStore(SendWrapper<Rc<Table>>);

struct Table {
    sql: Sql,
    undo: RefCell<Undo>,
    /// Whether the tables are there. An object that is only looked at keeps nothing.
    exists: Cell<bool>,
    get: Statement,
    get_parts: Statement,
    scan: Statement,
    scan_to_end: Statement,
    put: Statement,
    put_part: Statement,
    delete: Statement,
}

impl SqlStore {
    /// The store that an object holds, or an empty one.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn open(sql: Sql) -> Result<Self> {
        let find = Statement::new("SELECT 1 FROM sqlite_master WHERE name = 'row_deleted'");
        let found = sql.exec(&find, &[]).and_then(|rows| rows.only());
        let exists = found.map_err(|thrown| store_error(&thrown))?.is_some();
        Ok(Self(SendWrapper::new(Rc::new(Table {
            sql,
            undo: RefCell::default(),
            exists: Cell::new(exists),
            get: Statement::new("SELECT value FROM rows WHERE key = ?"),
            get_parts: Statement::new("SELECT value FROM parts WHERE key = ? ORDER BY number"),
            scan: Statement::new(
                "SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
            ),
            scan_to_end: Statement::new(
                "SELECT key, value FROM rows WHERE key >= ? ORDER BY key LIMIT ?",
            ),
            put: Statement::new(
                "INSERT INTO rows VALUES (?, ?) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            ),
            put_part: Statement::new("INSERT INTO parts VALUES (?, ?, ?)"),
            delete: Statement::new("DELETE FROM rows WHERE key = ?"),
        }))))
    }
}

impl Store for SqlStore {
    fn commit(&self, batch: Batch, _: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(self.0.commit(batch)))
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        let number = self.0.undo.borrow_mut().hold();
        let snapshot: Arc<dyn Snapshot> = Arc::new(SqlSnapshot {
            table: self.0.clone(),
            number,
        });
        Box::pin(ready(Ok(snapshot)))
    }

    fn size_bytes(&self) -> u64 {
        self.0.sql.size_bytes()
    }
}

impl Table {
    fn commit(&self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let replaced = self.replaced_by(&batch)?;
        let mut is_new = false;
        let done = self.sql.atomically(|| {
            if !self.exists.get() {
                is_new = true;
                for table in TABLES {
                    self.sql.run(&Statement::new(table), &[])?;
                }
            }
            batch
                .operations()
                .iter()
                .try_for_each(|operation| self.apply(operation))
        });
        done.map_err(|thrown| store_error(&thrown))?;
        if is_new {
            self.exists.set(true);
        }
        self.undo.borrow_mut().commit(replaced);
        Ok(())
    }

    /// What the batch changes and an older snapshot still shows.
    fn replaced_by(&self, batch: &Batch) -> Result<Vec<(Bytes, Option<Bytes>)>> {
        let undo = self.undo.borrow();
        let mut keys = HashSet::new();
        let mut replaced = Vec::new();
        for operation in batch.operations() {
            let (Operation::Put(key, _) | Operation::Delete(key)) = operation;
            if undo.wants(key) && keys.insert(key) {
                replaced.push((key.clone(), self.read(key)?));
            }
        }
        Ok(replaced)
    }

    fn apply(&self, operation: &Operation) -> Result<(), JsValue> {
        match operation {
            Operation::Put(key, value) if value.len() <= PART_BYTES => {
                self.sql.run(&self.put, &[blob(key), blob(value)])?;
            }
            Operation::Put(key, value) => {
                self.sql.run(&self.put, &[blob(key), JsValue::NULL])?;
                for (number, part) in value.chunks(PART_BYTES).enumerate() {
                    let number = JsValue::from_f64(number as f64);
                    self.sql
                        .run(&self.put_part, &[blob(key), number, blob(part)])?;
                }
            }
            Operation::Delete(key) => {
                self.sql.run(&self.delete, &[blob(key)])?;
            }
        }
        Ok(())
    }

    /// The value in the table.
    fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if !self.exists.get() {
            return Ok(None);
        }
        let found = self
            .sql
            .exec(&self.get, &[blob(key)])
            .and_then(|rows| rows.only());
        match found.map_err(|thrown| store_error(&thrown))? {
            None => Ok(None),
            Some(row) => match row.bytes(0) {
                Some(value) => Ok(Some(value)),
                None => self.read_parts(key).map(Some),
            },
        }
    }

    fn read_parts(&self, key: &[u8]) -> Result<Bytes> {
        let thrown = |thrown| store_error(&thrown);
        let rows = self
            .sql
            .exec(&self.get_parts, &[blob(key)])
            .map_err(thrown)?;
        let mut value = BytesMut::new();
        while let Some(row) = rows.next().map_err(thrown)? {
            value.extend_from_slice(&row.bytes(0).unwrap_or_default());
        }
        if value.is_empty() {
            return Err(StoreError::corrupt_row(key, "its parts are missing"));
        }
        Ok(value.freeze())
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
                table: self,
                start: start.to_vec(),
                end,
                // A page that ends by its bytes shall not read much more than it holds.
                rows_at_once: match limit.bytes {
                    usize::MAX => most,
                    _ => most.min(ROWS_AT_ONCE),
                },
                rows: None,
                taken: 0,
                ended: !self.exists.get(),
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
    rows: Option<Rows>,
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
            match rows.next().map_err(|thrown| store_error(&thrown))? {
                None => self.ended = self.taken < self.rows_at_once,
                Some(row) => {
                    self.rows = Some(rows);
                    self.taken += 1;
                    let key = row.bytes(0).unwrap_or_default();
                    if self.taken == self.rows_at_once {
                        self.start = successor(&key);
                    }
                    let value = match row.bytes(1) {
                        Some(value) => value,
                        None => self.table.read_parts(&key)?,
                    };
                    return Ok(Some((key, value)));
                }
            }
        }
        Ok(None)
    }

    fn select(&mut self) -> Result<Rows> {
        self.taken = 0;
        let most = JsValue::from_f64(self.rows_at_once.min(i32::MAX as usize) as f64);
        let (table, start) = (self.table, blob(&self.start));
        let rows = match self.end {
            [] => table.sql.exec(&table.scan_to_end, &[start, most]),
            end => table.sql.exec(&table.scan, &[start, blob(end), most]),
        };
        rows.map_err(|thrown| store_error(&thrown))
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
    table: SendWrapper<Rc<Table>>,
    number: u64,
}

impl SqlSnapshot {
    fn check(&self) -> Result<()> {
        let held = self.table.undo.borrow().check(self.number);
        held.map_err(|Outdated| {
            StoreError::Unavailable(
                "too much was written while this was read; start again".to_owned(),
            )
        })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.check()?;
        if let Some(before) = self.table.undo.borrow().at(self.number, key) {
            return Ok(before.clone());
        }
        self.table.read(key)
    }
}

impl Snapshot for SqlSnapshot {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(ready(self.read(key)))
    }

    fn scan<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
        limit: ScanLimit,
    ) -> BoxFuture<'a, Result<Page>> {
        let page = self
            .check()
            .and_then(|()| self.table.scan(self.number, start, end, limit));
        Box::pin(ready(page))
    }
}

impl Drop for SqlSnapshot {
    fn drop(&mut self) {
        self.table.undo.borrow_mut().release(self.number);
    }
}
