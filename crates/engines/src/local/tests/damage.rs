//! Flipped bits and cut files: every row comes back right, or the damage is reported.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::executor::block_on;
use quartz_core::store::{Durability, Operation, Result, Store, StoreError};

use super::{SMALL, batch, rows};
use crate::{
    LocalStore,
    local::{
        journal::{self, Journal, Tail},
        replay::replay,
        witness::Witness,
    },
};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

const ROWS: u32 = 500;

fn row(number: u32) -> (Vec<u8>, Vec<u8>) {
    let key = number.wrapping_mul(0x9E37_79B9).to_be_bytes().to_vec();
    let value = number.to_le_bytes().repeat(50 + number as usize % 150);
    (key, value)
}

/// A closed store with rows in tables of several levels, in a sealed segment and in the last one.
fn fill(path: &Path) -> Rows {
    let store = LocalStore::open(path, SMALL).unwrap();
    for number in 0..ROWS {
        let mut one = batch(&[row(number)]);
        if number % 3 == 2 {
            one.delete(row(number - 2).0);
        }
        block_on(store.commit(one, Durability::Disk)).unwrap();
    }
    let left = (0..ROWS).filter(|number| number % 3 != 0 || number + 2 >= ROWS);
    let mut model: Rows = left.map(row).collect();
    model.sort();
    model
}

/// All rows by scan and by get, or the first error.
fn read(path: &Path, model: &Rows) -> Result<Rows> {
    let store = LocalStore::open(path, SMALL)?;
    let scanned = rows(&store)?;
    let snapshot = block_on(store.snapshot())?;
    for (key, value) in model {
        let got = block_on(snapshot.get(key))?;
        assert_eq!(
            got.as_deref(),
            Some(&value[..]),
            "a wrong or missing row by get"
        );
    }
    Ok(scanned
        .into_iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect())
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Damages a copy of the store; gives whether it was noticed. Rows must be right if it was not.
fn noticed(sound: &Path, model: &Rows, what: &str, damage: impl FnOnce(&Path)) -> bool {
    let damaged = sound.with_extension("damaged");
    copy(sound, &damaged);
    damage(&damaged);
    match read(&damaged, model) {
        Ok(rows) => {
            assert_eq!(rows.len(), model.len(), "{what}: rows are missing");
            assert!(rows == *model, "{what}: wrong rows");
            false
        }
        Err(StoreError::Corrupt { place, .. }) => {
            assert!(!place.is_empty());
            true
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn no_flipped_bit_and_no_cut_file_gives_wrong_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    let model = fill(&sound);
    let skipped = ["LOCK", "spare"];
    let (mut tried, mut reported) = (0, 0);
    for file in files(&sound) {
        let name = file.strip_prefix(&sound).unwrap().display().to_string();
        if skipped.iter().any(|skipped| name.contains(skipped)) {
            continue;
        }
        let length = fs::metadata(&file).unwrap().len();
        let points = 100.min(length);
        let mut seen = 0;
        for point in 0..points {
            // Spread over the file, with its first and last bytes.
            let at = match point {
                0..8 => point * length.min(48) / 8,
                8..16 => length - 1 - (point - 8) * length.min(64) / 8,
                _ => point * (length - 1) / points,
            };
            seen += u32::from(noticed(
                &sound,
                &model,
                &format!("{name} bit at {at}"),
                |copy| {
                    let path = copy.join(file.strip_prefix(&sound).unwrap());
                    let file = OpenOptions::new()
                        .read(true)
                        .write(true)
                        .open(path)
                        .unwrap();
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, at).unwrap();
                    file.write_all_at(&[byte[0] ^ (1 << (point % 8))], at)
                        .unwrap();
                },
            ));
        }
        for eighth in 0..8 {
            let to = length * eighth / 8;
            seen += u32::from(noticed(
                &sound,
                &model,
                &format!("{name} cut to {to}"),
                |copy| {
                    let path = copy.join(file.strip_prefix(&sound).unwrap());
                    let file = OpenOptions::new().write(true).open(path).unwrap();
                    file.set_len(to).unwrap();
                },
            ));
        }
        println!("{name}: {length} bytes, {seen} of {} reported", points + 8);
        tried += points + 8;
        reported += seen;
    }
    println!("{reported} of {tried} damages reported, the others harmless");
    assert!(u64::from(reported) * 2 > tried);
}

fn last_segment(store: &Path) -> PathBuf {
    let mut journals = files(&store.join("journal")).into_iter();
    journals
        .rfind(|path| {
            path.extension()
                .is_some_and(|extension| extension == "journal")
        })
        .unwrap()
}

#[test]
fn a_torn_end_that_nobody_was_promised_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    let model = fill(&sound);
    let bytes = fs::read(last_segment(&sound)).unwrap();
    let end = 1 + bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // A record of the same segment that was begun: its beginning is a copy of an earlier one.
    let begun = noticed(&sound, &model, "a torn record", |copy| {
        let path = last_segment(copy);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&bytes[40..140], end as u64 + 8).unwrap();
    });
    assert!(!begun, "a torn end is no damage");
}

/// As after a loss of power, when the witness has fallen behind: the records themselves know.
#[test]
fn damage_in_front_of_acknowledged_records_is_seen_without_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    drop(LocalStore::open(&sound, SMALL).unwrap());
    let witness = fs::read(sound.join("WITNESS")).unwrap();
    let store = LocalStore::open(&sound, SMALL).unwrap();
    let model: Rows = (0..20_u8)
        .map(|number| (vec![number + 1], vec![number; 100]))
        .collect();
    for row in &model {
        block_on(store.commit(batch(std::slice::from_ref(row)), Durability::Disk)).unwrap();
    }
    drop(store);
    fs::write(sound.join("WITNESS"), witness).unwrap();
    assert!(!noticed(&sound, &model, "an old witness", |_| ()));
    let middle = noticed(&sound, &model, "the middle of the journal", |copy| {
        let file = OpenOptions::new()
            .write(true)
            .open(last_segment(copy))
            .unwrap();
        file.write_all_at(b"damage", 1000).unwrap();
    });
    assert!(middle);
}

#[test]
fn the_check_reads_what_no_query_does() {
    let folder = tempfile::tempdir().unwrap();
    let model = fill(folder.path());
    let store = LocalStore::open(folder.path(), SMALL).unwrap();
    assert_eq!(store.verify().unwrap().rows, model.len() as u64);
    let tables = folder.path().join("tree/tables");
    // Tables are merged in the background: one that was there is gone, or not read any more, a moment later.
    let noticed = (0..100).any(|_| {
        for table in files(&tables) {
            if let Ok(mut table) = OpenOptions::new().append(true).open(table) {
                table.write_all(b"more").unwrap();
            }
        }
        matches!(store.verify(), Err(StoreError::Corrupt { .. }))
    });
    assert!(noticed);
}

/// Five segments that wait for their flush: each is needed whole, the last up to its acknowledged end.
#[test]
fn damage_to_segments_that_wait_for_their_flush_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, witness) = (folder.path().join("journal"), folder.path().join("WITNESS"));
    fs::create_dir(&journal).unwrap();
    journal::create_first(&journal).unwrap();
    Witness::create(&witness).unwrap();
    let read = || {
        let mut seen = Vec::new();
        let witness = Witness::open(witness.clone())?;
        replay(&journal, &witness, |seqno, operation| {
            seen.push((seqno, operation));
        })?;
        Ok::<_, StoreError>(seen)
    };
    let opened = Arc::new(Witness::open(witness.clone()).unwrap());
    let begin = Tail {
        segment: 1,
        end: 40,
        chain: 0,
    };
    let mut writer = Journal::resume(journal.clone(), opened, begin, 100).unwrap();
    for seqno in 1..=25_u64 {
        let value = seqno.to_le_bytes().repeat(20);
        let operation = Operation::Put(seqno.to_be_bytes().to_vec().into(), value.into());
        writer.append(seqno, [operation].iter()).unwrap();
        if seqno % 5 == 0 && seqno < 25 {
            writer.rotate(seqno + 1).unwrap();
        }
    }
    writer.sync().unwrap();
    let whole = read().unwrap();
    assert_eq!(whole.len(), 25);
    let end = writer.len();
    drop(writer);
    let (mut reported, mut tried) = (0, 0);
    for segment in journal::segments(&journal).unwrap() {
        let path = journal::segment_path(&journal, segment);
        let sound = fs::read(&path).unwrap();
        let written = if segment == 5 {
            end as usize
        } else {
            40 + 5 * 225
        };
        for at in (0..written).step_by(7) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, damaged).unwrap();
            let flipped = read();
            // Cut on a copy: a last segment without a header may be removed.
            fs::write(&path, &sound[..at]).unwrap();
            let cut = read();
            fs::write(&path, &sound).unwrap();
            for outcome in [flipped, cut] {
                tried += 1;
                reported += u32::from(outcome.is_err());
                assert!(outcome.is_err_and(|error| matches!(error, StoreError::Corrupt { .. })));
            }
        }
    }
    println!("{reported} of {tried} damages to waiting segments reported");
}
