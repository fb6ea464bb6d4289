//! What marks the sign-ins that are away at a provider. It outlives the object's time in memory, which may end
//! before they come back.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::sql::{Sql, Statement, blob};

/// Bytes of a key.
const BYTES: usize = 32;

/// The key in the registry's storage, which is made when it is first asked for.
///
/// # Errors
/// When the storage fails.
pub(crate) fn load_or_make(sql: &Sql) -> Result<[u8; BYTES], JsValue> {
    let none = Array::new();
    let table = Statement::new("CREATE TABLE IF NOT EXISTS sso_key (key BLOB NOT NULL)");
    sql.run(&table, &none)?;
    let read = Statement::new("SELECT key FROM sso_key");
    let kept = sql.exec(&read, &none)?.only()?;
    if let Some(key) = kept.and_then(|row| row.bytes(0)) {
        let key = <[u8; BYTES]>::try_from(&key[..]);
        return key.map_err(|_| JsError::new("the key of single sign-ons is damaged").into());
    }
    let mut key = [0; BYTES];
    getrandom::fill(&mut key).map_err(|error| JsError::new(&error.to_string()))?;
    let keep = Statement::new("INSERT INTO sso_key VALUES (?)");
    sql.run(&keep, &Array::of1(&blob(&key)))?;
    Ok(key)
}
