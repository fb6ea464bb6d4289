//! The memory engine and the scoped view of it keep the promises of `Store`.

use std::sync::Arc;

use quartz_core::store::{MemoryStore, ScopedStore, conformance};

#[test]
fn memory_engine_conforms() {
    futures::executor::block_on(conformance::run(MemoryStore::default)).unwrap();
}

#[test]
fn scoped_store_conforms() {
    let shared = MemoryStore::default();
    let mut number = 0_u32;
    let make = || {
        number += 1;
        ScopedStore::new(Arc::new(shared.clone()), number.to_be_bytes().to_vec())
    };
    futures::executor::block_on(conformance::run(make)).unwrap();
}
