//! The table of an object's SQLite that holds the rows of its store.
//!
//! A statement costs more than a row, so rows are read and written many at once.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use bytes::{Bytes, BytesMut};
use js_sys::Array;
use quartz_core::store::{Operation, Result, StoreError};
use wasm_bindgen::JsValue;

use crate::{
    rows::KnownRows,
    sql::{Cursor, Sql, Statement, blob, store_error},
};

/// A longer value is cut into parts: SQLite takes 2 MB a row here.
const PART_BYTES: usize = 1 << 20;
/// Values that one statement takes.
const MOST_VALUES: usize = 100;
/// Bytes of keys and values after which a statement takes no more of them.
const STATEMENT_BYTES: usize = 1 << 20;

/// `rows.value` is NULL where the value is in `parts`. The triggers take the parts away with the value,
/// so that a write need not ask what was there.
const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB)",
    "CREATE TABLE IF NOT EXISTS parts \
     (key BLOB, number INTEGER, value BLOB, PRIMARY KEY (key, number)) WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS row_replaced AFTER UPDATE ON rows WHEN OLD.value IS NULL \
     BEGIN DELETE FROM parts WHERE key = OLD.key; END",
    "CREATE TRIGGER IF NOT EXISTS row_deleted AFTER DELETE ON rows WHEN OLD.value IS NULL \
     BEGIN DELETE FROM parts WHERE key = OLD.key; END",
];

pub(crate) struct Table {
    pub(crate) sql: Sql,
    known: KnownRows,
    /// Whether the tables are there. An object that is only looked at keeps nothing.
    exists: Cell<bool>,
    scan: Statement,
    scan_to_end: Statement,
    get: Statements,
    get_parts: Statement,
    put: Statements,
    put_part: Statement,
    delete: Statements,
}

/// A statement for each number of rows.
struct Statements {
    made: RefCell<Vec<Option<Statement>>>,
    text: fn(&[&str]) -> String,
    row: &'static str,
}

impl Statements {
    fn new(row: &'static str, text: fn(&[&str]) -> String) -> Self {
        let made = RefCell::default();
        Self { made, text, row }
    }

    fn of(&self, rows: usize) -> Statement {
        let mut made = self.made.borrow_mut();
        if made.len() <= rows {
            made.resize(rows + 1, None);
        }
        let make = || Statement::new(&(self.text)(&vec![self.row; rows]));
        made[rows].get_or_insert_with(make).clone()
    }
}

/// Operations of a batch that one statement does.
enum Step<'a> {
    Put(Vec<(&'a Bytes, &'a Bytes)>),
    PutInParts(&'a Bytes, &'a Bytes),
    Delete(Vec<&'a Bytes>),
}

/// The steps of a batch, in its order.
fn steps(operations: &[Operation]) -> Vec<Step<'_>> {
    let mut steps = Vec::<Step<'_>>::new();
    let mut bytes = 0;
    for operation in operations {
        match operation {
            Operation::Put(key, value) if value.len() > PART_BYTES => {
                steps.push(Step::PutInParts(key, value));
            }
            Operation::Put(key, value) => {
                let size = key.len() + value.len();
                match steps.last_mut() {
                    Some(Step::Put(rows))
                        if 2 * rows.len() + 2 <= MOST_VALUES && bytes + size <= STATEMENT_BYTES =>
                    {
                        rows.push((key, value));
                        bytes += size;
                    }
                    _ => {
                        steps.push(Step::Put(vec![(key, value)]));
                        bytes = size;
                    }
                }
            }
            Operation::Delete(key) => match steps.last_mut() {
                Some(Step::Delete(keys)) if keys.len() < MOST_VALUES => keys.push(key),
                _ => steps.push(Step::Delete(vec![key])),
            },
        }
    }
    steps
}

impl Table {
    pub(crate) fn open(sql: Sql) -> Result<Self> {
        let find = Statement::new("SELECT 1 FROM sqlite_master WHERE name = 'row_deleted'");
        let found = sql.exec(&find, &Array::new()).and_then(|rows| rows.only());
        let exists = found.map_err(|thrown| store_error(&thrown))?.is_some();
        Ok(Self {
            sql,
            known: KnownRows::default(),
            exists: Cell::new(exists),
            scan: Statement::new(
                "SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
            ),
            scan_to_end: Statement::new(
                "SELECT key, value FROM rows WHERE key >= ? ORDER BY key LIMIT ?",
            ),
            get: Statements::new("?", |keys| {
                let keys = keys.join(", ");
                format!("SELECT key, value FROM rows WHERE key IN ({keys})")
            }),
            get_parts: Statement::new("SELECT value FROM parts WHERE key = ? ORDER BY number"),
            put: Statements::new("(?, ?)", |rows| {
                let rows = rows.join(", ");
                format!(
                    "INSERT INTO rows VALUES {rows} \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                )
            }),
            put_part: Statement::new("INSERT INTO parts VALUES (?, ?, ?)"),
            delete: Statements::new("?", |keys| {
                format!("DELETE FROM rows WHERE key IN ({})", keys.join(", "))
            }),
        })
    }

    /// Whether there is something in it.
    pub(crate) fn exists(&self) -> bool {
        self.exists.get()
    }

    /// Does all or nothing.
    pub(crate) fn write(&self, operations: &[Operation]) -> Result<()> {
        let steps = steps(operations);
        let done = match &steps[..] {
            // A statement is done wholly or not at all.
            [step @ (Step::Put(_) | Step::Delete(_))] if self.exists() => self.take(step),
            _ => self.sql.atomically(|| {
                if !self.exists() {
                    for table in TABLES {
                        self.sql.run(&Statement::new(table), &Array::new())?;
                    }
                }
                steps.iter().try_for_each(|step| self.take(step))
            }),
        };
        for operation in operations {
            match operation {
                Operation::Put(key, _) | Operation::Delete(key) if done.is_err() => {
                    self.known.forget(key);
                }
                Operation::Put(key, value) => self.known.renew(key, Some(value)),
                Operation::Delete(key) => self.known.renew(key, None),
            }
        }
        done.map_err(|thrown| store_error(&thrown))?;
        self.exists.set(true);
        Ok(())
    }

    fn take(&self, step: &Step<'_>) -> Result<(), JsValue> {
        match step {
            Step::Put(rows) => {
                let values = Array::new();
                for (key, value) in rows {
                    values.push(&blob(key));
                    values.push(&blob(value));
                }
                self.sql.run(&self.put.of(rows.len()), &values)
            }
            Step::PutInParts(key, value) => {
                let row = Array::of2(&blob(key), &JsValue::NULL);
                self.sql.run(&self.put.of(1), &row)?;
                for (number, part) in value.chunks(PART_BYTES).enumerate() {
                    let number = JsValue::from_f64(number as f64);
                    let values = Array::of3(&blob(key), &number, &blob(part));
                    self.sql.run(&self.put_part, &values)?;
                }
                Ok(())
            }
            Step::Delete(keys) => {
                let values: Array = keys.iter().map(|key| blob(key)).collect();
                self.sql.run(&self.delete.of(keys.len()), &values)
            }
        }
    }

    /// The value under a key.
    pub(crate) fn read(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if !self.exists() {
            return Ok(None);
        }
        if let Some(known) = self.known.get(key) {
            return Ok(known);
        }
        let mut value = None;
        self.select(&[key], |_, found| value = Some(found))?;
        self.known.remember(key, value.clone());
        Ok(value)
    }

    /// The values under keys, without those under which there is none.
    pub(crate) fn read_all(&self, keys: &[&Bytes]) -> Result<HashMap<Bytes, Bytes>> {
        let mut values = HashMap::with_capacity(keys.len());
        if !self.exists() {
            return Ok(values);
        }
        let mut unknown = Vec::new();
        for &key in keys {
            match self.known.get(key) {
                Some(Some(value)) => drop(values.insert(key.clone(), value)),
                Some(None) => {}
                None => unknown.push(&key[..]),
            }
        }
        for keys in unknown.chunks(MOST_VALUES) {
            self.select(keys, |key, value| {
                // What is overwritten once is overwritten again; what is new, seldom.
                self.known.remember(&key, Some(value.clone()));
                values.insert(key, value);
            })?;
        }
        Ok(values)
    }

    fn select(&self, keys: &[&[u8]], mut found: impl FnMut(Bytes, Bytes)) -> Result<()> {
        let values: Array = keys.iter().map(|key| blob(key)).collect();
        let rows = self.sql.exec(&self.get.of(keys.len()), &values);
        let rows = rows.map_err(|thrown| store_error(&thrown))?;
        while let Some((key, value)) = self.next(&rows)? {
            found(key, value);
        }
        Ok(())
    }

    /// Rows of a range, ascending; an empty `end` stands for no upper end.
    pub(crate) fn scan(&self, start: &[u8], end: &[u8], rows: usize) -> Result<Cursor> {
        let most = JsValue::from_f64(rows.min(i32::MAX as usize) as f64);
        let rows = match end {
            [] => self
                .sql
                .exec(&self.scan_to_end, &Array::of2(&blob(start), &most)),
            end => {
                let values = Array::of3(&blob(start), &blob(end), &most);
                self.sql.exec(&self.scan, &values)
            }
        };
        rows.map_err(|thrown| store_error(&thrown))
    }

    /// The next row of a statement that gives keys and values.
    pub(crate) fn next(&self, rows: &Cursor) -> Result<Option<(Bytes, Bytes)>> {
        let Some(row) = rows.next().map_err(|thrown| store_error(&thrown))? else {
            return Ok(None);
        };
        let key = row.bytes(0).unwrap_or_default();
        let value = match row.bytes(1) {
            Some(value) => value,
            None => self.read_parts(&key)?,
        };
        Ok(Some((key, value)))
    }

    fn read_parts(&self, key: &[u8]) -> Result<Bytes> {
        let thrown = |thrown| store_error(&thrown);
        let parts = self.sql.exec(&self.get_parts, &Array::of1(&blob(key)));
        let parts = parts.map_err(thrown)?;
        let mut value = BytesMut::new();
        while let Some(part) = parts.next().map_err(thrown)? {
            value.extend_from_slice(&part.bytes(0).unwrap_or_default());
        }
        if value.is_empty() {
            return Err(StoreError::corrupt_row(key, "its parts are missing"));
        }
        Ok(value.freeze())
    }
}
