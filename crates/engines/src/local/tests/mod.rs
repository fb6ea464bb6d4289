//! Helpers, and the promises that need no violence.

mod crash;
mod damage;
mod full;
mod mend;

use std::{
    fs,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures::executor::block_on;
use lsm_tree::AbstractTree;
use quartz_core::store::{
    Batch, Durability, Result, RowCursor, ScanLimit, Snapshot, Store, StoreError, conformance,
};

pub(super) use self::mend::Faults;
use super::{LocalStore, Options, directory::format_line};

/// Small buffers, so that a few hundred kilobytes pass through every layer.
const SMALL: Options = Options {
    cache_bytes: 1 << 20,
    min_free_bytes: 0,
    write_buffer_bytes: 64 << 10,
};

fn batch(rows: &[(Vec<u8>, Vec<u8>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put(key.clone(), value.clone());
    }
    batch
}

fn rows(store: &LocalStore) -> Result<Vec<(Bytes, Bytes)>> {
    block_on(async {
        let snapshot = store.snapshot().await?;
        let mut cursor = RowCursor::new(&*snapshot, Vec::new(), Vec::new(), ScanLimit::rows(64));
        let mut rows = Vec::new();
        while let Some(page) = cursor.next_page().await? {
            rows.extend(page);
        }
        Ok(rows)
    })
}

fn refused(path: &Path) -> String {
    match LocalStore::open(path, SMALL) {
        Err(StoreError::Refused(words)) => words,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn passes_the_conformance_suite() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    block_on(conformance::run(|| {
        number += 1;
        let path = folder.path().join(number.to_string());
        LocalStore::open(path, SMALL).unwrap()
    }))
    .unwrap();
}

#[test]
fn rows_are_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Vec::new();
    for round in 0..4_u8 {
        let store = LocalStore::open(folder.path(), SMALL).unwrap();
        assert_eq!(rows(&store).unwrap(), model);
        for number in 0..100_u8 {
            let row = (vec![round + 1, number], vec![number; 1500]);
            block_on(store.commit(batch(std::slice::from_ref(&row)), Durability::Memory)).unwrap();
            model.push((row.0.into(), row.1.into()));
        }
        let verified = store.verify().unwrap();
        assert_eq!(verified.rows, model.len() as u64);
    }
}

#[test]
fn a_second_store_in_the_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = LocalStore::open(folder.path(), SMALL).unwrap();
    let words = refused(folder.path());
    assert!(words.contains("in use"), "{words}");
    assert!(
        words.contains(&folder.path().display().to_string()),
        "{words}"
    );
    drop(first);
    LocalStore::open(folder.path(), SMALL).unwrap();
}

#[test]
fn a_newer_format_is_refused_by_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalStore::open(folder.path(), SMALL).unwrap());
    fs::write(folder.path().join("FORMAT"), format_line(7)).unwrap();
    let words = refused(folder.path());
    assert!(
        words.contains("format 7") && words.contains("up to 1"),
        "{words}"
    );
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let words = refused(folder.path());
    assert!(words.contains("letter.txt"), "{words}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_interrupted_creation_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalStore::open(folder.path(), SMALL).unwrap());
    let (format, draft) = (
        folder.path().join("FORMAT"),
        folder.path().join("FORMAT.new"),
    );
    fs::rename(format, draft).unwrap();
    fs::remove_file(folder.path().join("tree/current")).unwrap();
    let store = LocalStore::open(folder.path(), SMALL).unwrap();
    assert_eq!(rows(&store).unwrap(), []);
}

#[test]
fn an_unusable_key_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path(), SMALL).unwrap();
    for key in [Vec::new(), vec![1; 65_536]] {
        let refused = block_on(store.commit(batch(&[(key, vec![])]), Durability::Disk));
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "{refused:?}"
        );
    }
    let longest = vec![1; 65_535];
    let good = batch(&[(longest.clone(), vec![2])]);
    block_on(store.commit(good, Durability::Disk)).unwrap();
    drop(store);
    let store = LocalStore::open(folder.path(), SMALL).unwrap();
    assert_eq!(rows(&store).unwrap(), [(longest.into(), vec![2].into())]);
}

#[test]
fn a_dropped_future_does_not_take_its_commit_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path(), SMALL).unwrap();
    for number in 0..9_000_u16 {
        let row = (number.to_be_bytes().to_vec(), vec![1]);
        drop(store.commit(batch(&[row]), Durability::Memory));
    }
    block_on(store.commit(Batch::default(), Durability::Disk)).unwrap();
    assert_eq!(rows(&store).unwrap().len(), 9_000);
}

#[test]
fn concurrent_commits_share_syncs_and_all_land() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path(), SMALL).unwrap());
    let barrier = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16_u8)
        .map(|client| {
            let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                for number in 0..50_u8 {
                    let row = (vec![client, number], vec![number; 300]);
                    let durability = if number % 5 == 0 {
                        Durability::Memory
                    } else {
                        Durability::Disk
                    };
                    block_on(store.commit(batch(std::slice::from_ref(&row)), durability)).unwrap();
                    let seen = block_on(async { store.snapshot().await?.get(&row.0).await });
                    assert_eq!(seen.unwrap().as_deref(), Some(&row.1[..]));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(rows(&store).unwrap().len(), 16 * 50);
}

/// While memtables are flushed and tables merged, no snapshot shows half a batch or changes.
#[test]
fn batches_are_whole_while_the_tree_changes_shape() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path(), SMALL).unwrap());
    let writer = {
        let store = Arc::clone(&store);
        thread::spawn(move || {
            for number in 1..1200_u32 {
                let value = [&number.to_be_bytes()[..], &[7; 300]].concat();
                let rows: Vec<_> = (1..=20_u8).map(|row| (vec![row], value.clone())).collect();
                block_on(store.commit(batch(&rows), Durability::Memory)).unwrap();
            }
        })
    };
    let number = |snapshot: &dyn Snapshot, row: u8| {
        let value = block_on(snapshot.get(&[row])).unwrap();
        value.map(|value| value.slice(..4))
    };
    let mut snapshots = 0;
    while !writer.is_finished() {
        let snapshot = block_on(store.snapshot()).unwrap();
        let first = number(&*snapshot, 1);
        assert_eq!(first, number(&*snapshot, 20));
        if snapshots % 64 == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(first, number(&*snapshot, 1));
        snapshots += 1;
    }
    writer.join().unwrap();
    assert!(snapshots > 100, "{snapshots}");
    assert!(store.engine.tree.table_count() > 0);
}
