//! A full disk: nothing acknowledged is lost, reads go on, writes resume when space returns.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use quartz_core::store::{Durability, Store, StoreError};

use super::{batch, rows};
use crate::{LocalStore, Options};

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(path)
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(path.to_owned())),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                println!("skipped, a tmpfs cannot be mounted: {reason}");
                None
            }
            Err(error) => {
                println!("skipped, a tmpfs cannot be mounted: {error}");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn row(number: u32) -> (Vec<u8>, Vec<u8>) {
    let key = number.wrapping_mul(0x9E37_79B9).to_be_bytes().to_vec();
    (key, number.to_le_bytes().repeat(700))
}

fn put(store: &LocalStore, number: u32) -> Result<(), StoreError> {
    block_on(store.commit(batch(&[row(number)]), Durability::Disk))
}

fn assert_rows(store: &LocalStore, count: u32, failed: &[u32], when: &str) {
    let found = rows(store).unwrap();
    for number in 0..count {
        let (key, value) = row(number);
        let at = found.binary_search_by(|(found, _)| found[..].cmp(&key));
        if !failed.contains(&number) {
            let at = at.unwrap_or_else(|_| panic!("{when}: row {number} is missing"));
            assert!(found[at].1 == value, "{when}: row {number} is wrong");
        }
    }
    let least = count as usize - failed.len();
    assert!((least..=count as usize).contains(&found.len()), "{when}");
}

fn fill_and_free(min_free_bytes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&folder.path().join("disk")) else {
        return;
    };
    let options = Options {
        cache_bytes: 1 << 20,
        min_free_bytes,
        write_buffer_bytes: 256 << 10,
    };
    let ballast = disk.0.join("ballast");
    let path = disk.0.join("store");
    let store = LocalStore::open(&path, options).unwrap();
    let (mut count, mut failed) = (0, Vec::new());
    // The second round starts in a process that has been through a full disk.
    for round in 0..2 {
        // A merge at work may leave less room than that.
        let _ = fs::write(&ballast, vec![1; 5 << 20]);
        let error = loop {
            let outcome = put(&store, count);
            count += 1;
            if let Err(error) = outcome {
                failed.push(count - 1);
                break error;
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        assert!(count > 1000 || round > 0, "{count}");
        assert_rows(&store, count, &failed, "full");
        let again = put(&store, count);
        count += 1;
        if again.is_err() {
            failed.push(count - 1);
        }
        fs::remove_file(&ballast).unwrap();
        // A merge at work takes room for a moment, so a write may be refused again; not for long.
        let start = Instant::now();
        let mut accepted = 0;
        while accepted <= 100 {
            match put(&store, count) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    assert!(start.elapsed() < Duration::from_secs(20), "{error}");
                    failed.push(count);
                    thread::sleep(Duration::from_millis(20));
                }
            }
            count += 1;
        }
        assert_rows(&store, count, &failed, "resumed");
    }
    drop(store);
    let store = LocalStore::open(&path, options).unwrap();
    assert_rows(&store, count, &failed, "reopened");
    put(&store, count).unwrap();
}

#[test]
fn the_reserve_stops_writes_until_space_returns() {
    fill_and_free(3 << 20);
}

/// Without a reserve the journal, flushes and merges hit the end of the disk themselves.
#[test]
fn a_disk_full_to_the_last_byte_is_survived() {
    fill_and_free(0);
}
