//! The module with what only tests call: the store's conformance suite, and ways to die.
#![cfg(target_arch = "wasm32")]
#![expect(missing_docs, reason = "called from xtask/edge/entry.test.js only")]

use quartz_core::store::conformance;
use quartz_worker::{
    sql::{DurableObjectStorage, Sql, Statement},
    store::SqlStore,
};
use wasm_bindgen::prelude::*;

/// Runs the suite, each check on an emptied object.
#[wasm_bindgen]
pub async fn check_store(storage: DurableObjectStorage) -> Result<(), JsError> {
    let sql = Sql::new(storage);
    let make = || {
        for table in ["rows", "parts"] {
            let drop = Statement::new(&format!("DROP TABLE IF EXISTS {table}"));
            sql.run(&drop, &js_sys::Array::new())
                .expect("a table is dropped");
        }
        SqlStore::open(sql.clone()).expect("the store opens")
    };
    Ok(conformance::run(make).await?)
}

#[wasm_bindgen]
pub async fn panic() {
    panic!("asked to");
}

/// Asks for more memory than the module may have, in small pieces.
#[wasm_bindgen]
pub async fn exhaust_memory() -> usize {
    let mut hoard = Vec::new();
    for piece in 0..256_u32 {
        hoard.push(vec![piece as u8; 1 << 20]);
    }
    hoard.iter().map(Vec::len).sum()
}

/// Bytes of the module's memory, which never shrinks.
#[wasm_bindgen]
pub fn memory_bytes() -> usize {
    core::arch::wasm32::memory_size(0) * 65_536
}
