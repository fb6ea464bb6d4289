//! The storage of a Durable Object, as far as we use it.
//!
//! Every call that can throw is declared with `catch`: an exception that crosses Rust frames leaves
//! the module unusable.

use bytes::Bytes;
use js_sys::{Array, ArrayBuffer, JsString, Promise, Uint8Array};
use quartz_core::store::StoreError;
use wasm_bindgen::{JsCast as _, prelude::*};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// `ctx.storage`.
    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone, Debug)]
    pub type DurableObjectStorage;

    #[wasm_bindgen(method, getter)]
    fn sql(this: &DurableObjectStorage) -> SqlStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &DurableObjectStorage,
        work: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &DurableObjectStorage, at_millis: f64) -> Result<Promise, JsValue>;

    /// `storage.sync()`, and a round of the event loop after it, in one promise of `module.js`.
    #[wasm_bindgen(catch, js_name = quartzDurable)]
    fn durable(storage: &DurableObjectStorage, comes_round: bool) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone, Debug)]
    type SqlStorage;

    #[wasm_bindgen(method, catch, getter, js_name = databaseSize)]
    fn database_size(this: &SqlStorage) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch, variadic)]
    fn exec(
        this: &SqlStorage,
        statement: &JsString,
        values: &Array,
    ) -> Result<ObjectCursor, JsValue>;

    #[wasm_bindgen(extends = js_sys::Object)]
    type ObjectCursor;

    #[wasm_bindgen(method, catch)]
    fn raw(this: &ObjectCursor) -> Result<RawCursor, JsValue>;

    #[wasm_bindgen(extends = js_sys::Object)]
    type RawCursor;

    #[wasm_bindgen(method, catch)]
    fn next(this: &RawCursor) -> Result<js_sys::IteratorNext, JsValue>;
}

/// Statements on the storage of one object.
#[derive(Clone, Debug)]
pub struct Sql {
    storage: DurableObjectStorage,
    sql: SqlStorage,
}

/// A statement, as JavaScript takes it: made once, not for each call.
#[derive(Clone, Debug)]
pub struct Statement(JsString);

/// The rows that a statement gives. Read to the end, or with [`only`](Cursor::only): a statement that is not
/// finished holds a lock.
pub struct Cursor(RawCursor);

/// One row.
pub struct Row(Array);

impl Statement {
    /// A statement of one line.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl Sql {
    /// The storage of an object.
    #[must_use]
    pub fn new(storage: DurableObjectStorage) -> Self {
        let sql = storage.sql();
        Self { storage, sql }
    }

    /// Runs a statement that gives rows.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn exec(&self, statement: &Statement, values: &Array) -> Result<Cursor, JsValue> {
        Ok(Cursor(self.sql.exec(&statement.0, values)?.raw()?))
    }

    /// Runs a statement that gives none.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run(&self, statement: &Statement, values: &Array) -> Result<(), JsValue> {
        self.sql.exec(&statement.0, values).map(drop)
    }

    /// Runs `work` wholly or, if it fails, not at all.
    ///
    /// # Errors
    /// That of `work`.
    pub fn atomically(&self, mut work: impl FnMut() -> Result<(), JsValue>) -> Result<(), JsValue> {
        self.storage.transaction_sync(&mut work)
    }

    /// Waits until everything that was written before is durable and, if it is to, until the event loop has come
    /// round: what has arrived by then is taken first.
    ///
    /// # Errors
    /// When it will never be durable.
    pub async fn durable(&self, comes_round: bool) -> Result<(), JsValue> {
        let durable = durable(&self.storage, comes_round)?;
        JsFuture::from(durable).await.map(drop)
    }

    /// Bytes of the database.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.sql.database_size().unwrap_or_default() as u64
    }

    /// Asks for the object's alarm at a time, milliseconds since 1970, instead of any other.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn set_alarm(&self, at_millis: u64) -> Result<(), JsValue> {
        // The promise resolves when the alarm is stored, which no answer overtakes: the runtime holds
        // answers back until everything written before is durable.
        self.storage.set_alarm(at_millis as f64).map(drop)
    }
}

impl Cursor {
    /// The next row.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn next(&self) -> Result<Option<Row>, JsValue> {
        let step = self.0.next()?;
        Ok((!step.done()).then(|| Row(step.value().unchecked_into())))
    }

    /// The first row of at most one, and the end.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn only(&self) -> Result<Option<Row>, JsValue> {
        let row = self.next()?;
        self.finish()?;
        Ok(row)
    }

    /// Passes over the rest.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn finish(&self) -> Result<(), JsValue> {
        while !self.0.next()?.done() {}
        Ok(())
    }
}

impl Row {
    /// A column of bytes; `None` for NULL.
    #[must_use]
    pub fn bytes(&self, column: u32) -> Option<Bytes> {
        let value = self.0.get(column);
        if value.is_null() {
            return None;
        }
        let buffer: ArrayBuffer = value.unchecked_into();
        Some(Uint8Array::new(&buffer).to_vec().into())
    }

    /// A column that holds a number.
    #[must_use]
    pub fn number(&self, column: u32) -> f64 {
        self.0.get(column).as_f64().unwrap_or_default()
    }
}

/// Bytes as a value of a statement.
#[must_use]
pub fn blob(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// What an exception means to those above the store.
#[must_use]
pub fn store_error(thrown: &JsValue) -> StoreError {
    let error = thrown.dyn_ref::<js_sys::Error>();
    let text = error.map_or_else(|| format!("{thrown:?}"), |error| error.message().into());
    if text.contains("SQLITE_FULL") {
        StoreError::Full(text)
    } else if text.contains("SQLITE_CORRUPT") || text.contains("SQLITE_NOTADB") {
        StoreError::Corrupt {
            place: "the object's SQLite".to_owned(),
            detail: text,
        }
    } else {
        StoreError::Unavailable(text)
    }
}
