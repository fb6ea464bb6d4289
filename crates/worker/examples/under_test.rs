//! The module with what only tests and benchmarks call: the store's conformance suite, ways to die, kernels alone.
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

/// Multiplies a vector with others that the processor's caches hold, and says with how many: what
/// bench/src/edge.rs does natively.
#[wasm_bindgen]
pub fn multiply(kind: &str, rounds: u32) -> f64 {
    const ROWS: usize = 64;
    const DIMENSION: usize = 384;
    let numbers = (0..ROWS * DIMENSION).map(|at| (at * 31 % 127) as i8);
    if kind == "i8" {
        let rows: Vec<_> = numbers.collect();
        let mut products = [0; ROWS];
        for _ in 0..rounds {
            for (row, product) in rows.chunks_exact(DIMENSION).zip(&mut products) {
                *product = quartz_kernels::dot_i8(&rows[..DIMENSION], row);
            }
            std::hint::black_box(&products);
        }
    } else {
        let rows: Vec<_> = numbers.map(f32::from).collect();
        let mut products = [0.0; ROWS];
        for _ in 0..rounds {
            quartz_kernels::dot_rows(&rows[..DIMENSION], &rows, &mut products);
            std::hint::black_box(&products);
        }
    }
    f64::from(rounds) * ROWS as f64
}
