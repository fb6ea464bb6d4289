//! A disk that fails for a moment: nothing acknowledged is lost, nothing refused comes back, and writes
//! go on when it works again.

use std::{
    cell::RefCell,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::executor::block_on;
use quartz_core::store::{Durability, Store, StoreError};

use super::{SMALL, batch, rows};
use crate::LocalStore;

const EIO: i32 = 5;

/// Which call of the journal fails next, once. A store has those of the thread that opens it.
#[derive(Debug, Default)]
pub(in crate::local) struct Faults {
    write: AtomicBool,
    sync: AtomicBool,
}

thread_local! {
    static FAULTS: RefCell<Arc<Faults>> = RefCell::default();
}

impl Faults {
    pub(in crate::local) fn of_this_thread() -> Arc<Self> {
        FAULTS.with_borrow(Arc::clone)
    }

    /// Half of the record is written, then the disk fails.
    pub(in crate::local) fn strike_write(
        &self,
        file: &File,
        bytes: &[u8],
        at: u64,
    ) -> io::Result<()> {
        if !self.write.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        file.write_all_at(&bytes[..bytes.len() / 2], at)?;
        Err(io::Error::from_raw_os_error(EIO))
    }

    pub(in crate::local) fn strike_sync(&self) -> io::Result<()> {
        if !self.sync.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(EIO))
    }
}

fn row(number: u32) -> (Vec<u8>, Vec<u8>) {
    let key = [&b"row"[..], &number.to_be_bytes()].concat();
    (key, vec![number as u8; 700])
}

/// Three rows a commit.
fn commit(store: &LocalStore, number: u32) -> Result<(), StoreError> {
    let rows: Vec<_> = (0..3).map(|part| row(3 * number + part)).collect();
    block_on(store.commit(batch(&rows), Durability::Disk))
}

fn assert_holds(store: &LocalStore, acknowledged: &[u32]) {
    let found = rows(store).unwrap();
    let expected: Vec<_> = acknowledged
        .iter()
        .flat_map(|number| (0..3).map(move |part| row(3 * number + part)))
        .collect();
    assert_eq!(found.len(), expected.len());
    for ((key, value), (expected_key, expected_value)) in found.iter().zip(&expected) {
        assert!(key == expected_key && value == expected_value, "{key:?}");
    }
}

#[test]
fn commits_go_on_after_an_io_error() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::of_this_thread();
    let mut store = LocalStore::open(folder.path(), SMALL).unwrap();
    let mut acknowledged = Vec::new();
    // Enough for several memtables, with faults at their beginnings, middles and ends.
    for number in 0..400 {
        let fault = match number % 37 {
            7 => Some(&faults.write),
            20 => Some(&faults.sync),
            _ => None,
        };
        if let Some(fault) = fault {
            fault.store(true, Ordering::Relaxed);
            let error = commit(&store, number).unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            assert!(!fault.load(Ordering::Relaxed), "the fault was not met");
            assert_holds(&store, &acknowledged);
        } else {
            commit(&store, number).unwrap();
            acknowledged.push(number);
        }
        if number % 90 == 89 {
            drop(store);
            store = LocalStore::open(folder.path(), SMALL).unwrap();
            assert_holds(&store, &acknowledged);
        }
    }
    store.verify().unwrap();
    assert_holds(&store, &acknowledged);
}

#[test]
fn a_store_that_is_closed_while_broken_opens_with_what_it_acknowledged() {
    for strike in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::of_this_thread();
        let store = LocalStore::open(folder.path(), SMALL).unwrap();
        commit(&store, 1).unwrap();
        let fault = if strike { &faults.write } else { &faults.sync };
        fault.store(true, Ordering::Relaxed);
        commit(&store, 2).unwrap_err();
        drop(store);
        let store = LocalStore::open(folder.path(), SMALL).unwrap();
        let found = rows(&store).unwrap();
        // A record whose sync failed was refused, and may be there as a whole.
        assert!(
            found.len() == 3 || (found.len() == 6 && !strike),
            "{}",
            found.len()
        );
        commit(&store, 3).unwrap();
        store.verify().unwrap();
    }
}
