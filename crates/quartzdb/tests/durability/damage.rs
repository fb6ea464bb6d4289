//! Flipped bits and cut files: everything reads right, or the damage is named. Never wrong data.

use std::{
    env,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use futures::StreamExt;
use quartz_client::{Error, ErrorCode, Include, Metadata, Record};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    http::heavy,
    process::{Server, Setup, check, text},
};

const RECORDS: usize = 360;
const DIMENSION: usize = 24;
/// About as many damages are tried; `QUARTZ_DAMAGE_CASES` sets another number.
const CASES: u64 = 40;

fn id(number: usize) -> String {
    format!("record-{number:04}")
}

fn vector(number: usize) -> Vec<f32> {
    (0..DIMENSION)
        .map(|component| ((number * 31 + component * 17) % 64) as f32 - 31.5)
        .collect()
}

fn metadata(number: usize) -> Metadata {
    serde_json::from_value(json!({"number": number, "third": number.is_multiple_of(3)})).unwrap()
}

/// Large enough that there are tables, sealed segments and a running one.
fn value(number: usize) -> String {
    format!("{number:08}").repeat(5_000)
}

/// A data directory of a server that was killed.
async fn load(data: &Path) {
    let server = Setup::new(data).start();
    let namespace = server.namespace("n");
    let numbers: Vec<_> = (0..RECORDS).collect();
    for numbers in numbers.chunks(10) {
        let records = numbers.iter().map(|&number| Record {
            id: id(number),
            vector: Some(vector(number).into()),
            metadata: Some(metadata(number)),
            value: Some(serde_json::value::to_raw_value(&value(number)).unwrap()),
            ..Record::default()
        });
        namespace.upsert(records).await.unwrap();
    }
    server.stop();
    // A running journal that has not been flushed.
    let server = Setup::new(data).start();
    wait_for_tables(&data.join("store"));
    let namespace = server.namespace("n");
    for number in 0..20 {
        let key = format!("late-{number}");
        namespace.put(&key, value(number)).await.unwrap();
    }
    server.kill();
}

/// What a journal held is in tables soon after a start, and the journal's segment goes.
fn wait_for_tables(store: &Path) {
    for _ in 0..3_000 {
        let of = |part: &str| {
            let part = store.join(part);
            if part.is_dir() { files(&part) } else { vec![] }
        };
        let is_segment = |file: &&PathBuf| file.extension().is_some_and(|kind| kind == "journal");
        if !of("tree/tables").is_empty() && of("journal").iter().filter(is_segment).count() == 1 {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the journal is not written out");
}

/// `Ok` if the answer is right, `Err` if it is the report of damage. Anything else is a fault.
fn honest<T>(answer: Result<T, Error>, what: &str) -> Result<T, ()> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) if error.code() == Some(ErrorCode::StorageCorrupt) => Err(()),
        Err(error) => panic!("{what}: neither right nor a report of damage: {error}"),
    }
}

/// Reads all there is in every way; whether everything came back. Nothing may be wrong.
async fn read_all(server: &Server) -> bool {
    let namespace = server.namespace("n");
    let mut whole = true;
    for number in 0..20 {
        let key = format!("late-{number}");
        match honest(namespace.get(&key).await, &key) {
            Ok(found) => assert_eq!(found.unwrap().text().unwrap(), value(number), "{key}"),
            Err(()) => whole = false,
        }
    }
    let parts = [Include::Metadata, Include::Value, Include::Vector];
    let numbers: Vec<_> = (0..RECORDS).collect();
    for numbers in numbers.chunks(20) {
        let fetched = namespace
            .fetch(numbers.iter().map(|&number| id(number)))
            .include(parts)
            .await;
        let Ok(fetched) = honest(fetched, "fetch") else {
            whole = false;
            continue;
        };
        assert_eq!(fetched.missing, Vec::<String>::new());
        for (record, &number) in fetched.records.iter().zip(numbers) {
            assert_eq!(record.id, id(number));
            assert_eq!(record.metadata, Some(metadata(number)), "{}", record.id);
            let found = record.vector.as_ref().unwrap().as_slice();
            assert_eq!(found, vector(number), "{}", record.id);
            let found: String = serde_json::from_str(record.value.as_ref().unwrap().get()).unwrap();
            assert!(found == value(number), "{}", record.id);
        }
    }
    let listed: Vec<_> = namespace.records().stream().collect().await;
    let expected = (0..RECORDS).map(id);
    let mut expected: Vec<_> = expected
        .chain((0..20).map(|number| format!("late-{number}")))
        .collect();
    expected.sort();
    match honest(listed.into_iter().collect::<Result<Vec<_>, _>>(), "list") {
        Ok(listed) => {
            let ids: Vec<_> = listed.into_iter().map(|record| record.id).collect();
            assert_eq!(ids, expected);
        }
        Err(()) => whole = false,
    }
    let third = json!({"third": true, "number": {"$lt": 90}});
    match honest(namespace.delete_where(&third).dry_run().await, "count") {
        Ok(counted) => assert_eq!(counted.deleted, 30),
        Err(()) => whole = false,
    }
    let query = namespace.query().vector(vector(7)).filter(&third).top_k(30);
    match honest(query.await, "query") {
        Ok(found) => {
            let mut ids: Vec<_> = found.matches.into_iter().map(|found| found.id).collect();
            ids.sort();
            assert_eq!(ids, (0..90).step_by(3).map(id).collect::<Vec<_>>());
        }
        Err(()) => whole = false,
    }
    let query = namespace.query().vector(vector(7)).top_k(RECORDS + 1);
    match honest(query.await, "query") {
        Ok(found) => assert_eq!(found.matches.len(), RECORDS),
        Err(()) => whole = false,
    }
    match honest(namespace.describe().await, "describe") {
        Ok(described) => assert_eq!(described.records, RECORDS as u64 + 20),
        Err(()) => whole = false,
    }
    whole
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

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip { at: u64, bit: u8 },
    Cut { to: u64 },
    Gone,
}

impl Damage {
    fn inflict(&self, path: &Path) {
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).open(path).unwrap()
        };
        match *self {
            Self::Flip { at, bit } => {
                let (file, mut byte) = (open(), [0]);
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
            }
            Self::Cut { to } => open().set_len(to).unwrap(),
            Self::Gone => fs::remove_file(path).unwrap(),
        }
    }
}

/// The same damages every time, spread over all files of the store; large files get more.
fn cases(store: &Path, wanted: u64) -> Vec<(PathBuf, Damage)> {
    let mut files = files(store);
    // A lock has no content, and a spare segment none that counts.
    files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        name != "LOCK" && !name.contains("spare")
    });
    let lengths: Vec<_> = files
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .collect();
    let total: u64 = lengths.iter().sum();
    let mut cases = Vec::new();
    for (index, (file, &length)) in files.iter().zip(&lengths).enumerate() {
        let share = (wanted * length / total).clamp(1, (wanted / 5).max(1));
        for turn in 0..share {
            let at = (length - 1) * (2 * turn + 1) / (2 * share);
            let bit = ((index as u64 + turn) % 8) as u8;
            cases.push((file.clone(), Damage::Flip { at, bit }));
        }
        // What a file says about itself is often at its end.
        for back in [1, 200] {
            let at = length.saturating_sub(back);
            cases.push((file.clone(), Damage::Flip { at, bit: 5 }));
        }
        cases.push((
            file.clone(),
            match index % 3 {
                0 => Damage::Cut { to: length / 2 },
                1 => Damage::Cut { to: 0 },
                _ => Damage::Gone,
            },
        ));
    }
    cases
}

#[test]
fn damage_is_named_and_never_served() {
    heavy(async {
        let folder = tempfile::tempdir().unwrap();
        try_damages(folder.path()).await;
    });
}

async fn try_damages(folder: &Path) {
    let sound = folder.join("sound");
    load(&sound).await;
    let checked = check(&sound);
    assert!(checked.status.success(), "{}", text(&checked.stderr));

    let damaged = folder.join("damaged");
    let (mut found, mut refused, mut harmless) = (0, 0, 0);
    let wanted = env::var("QUARTZ_DAMAGE_CASES").map_or(CASES, |text| text.parse().unwrap());
    let cases = cases(&sound.join("store"), wanted);
    for (file, damage) in &cases {
        let file = file.strip_prefix(&sound).unwrap();
        let what = format!("{} {damage:?}", file.display());
        let again = || {
            copy(&sound, &damaged);
            damage.inflict(&damaged.join(file));
        };
        again();
        let checked = check(&damaged);
        let said = text(&checked.stderr);
        let report = text(&checked.stdout);
        let named = match checked.status.code() {
            Some(0) => false,
            Some(1) => {
                assert!(said.starts_with("error: "), "{what}: {said}");
                // A file by its path or a row by its key, or what it makes of a namespace.
                let place = said.contains("/store/") || said.contains(" key ");
                assert!(place || report.contains("\"faults\": ["), "{what}: {said}");
                true
            }
            other => panic!("{what}: exit {other:?}: {said}"),
        };
        again();
        let setup = Setup::new(&damaged);
        let verdict = match setup.try_start() {
            Ok(server) => {
                let whole = read_all(&server).await;
                assert!(
                    whole || named,
                    "{what}: reads report damage, the check does not"
                );
                server.kill();
                if whole {
                    "reads right"
                } else {
                    "reads in part"
                }
            }
            Err(ended) => {
                assert_eq!(ended.status.code(), Some(1), "{what}");
                assert!(
                    ended.stderr.contains("error: ") && ended.stderr.contains("/store"),
                    "{what}: {}",
                    ended.stderr
                );
                assert!(named, "{what}: no start, but the check finds nothing");
                refused += 1;
                "no start"
            }
        };
        found += usize::from(named);
        harmless += usize::from(!named);
        println!(
            "{what}: {}, {verdict}",
            if named { "found" } else { "harmless" }
        );
    }
    println!(
        "{} damages: {found} found by the check ({refused} kept the server from starting), {harmless} harmless",
        cases.len()
    );
    assert!(found * 2 > cases.len());
}

#[test]
fn a_directory_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path());
    let server = setup.start();
    let words = setup.refused();
    assert!(words.contains("in use"), "{words}");
    let checked = check(folder.path());
    assert_eq!(checked.status.code(), Some(1));
    let words = text(&checked.stderr);
    assert!(words.contains("in use"), "{words}");
    // The first one is none the worse for it.
    assert_eq!(server.send("PUT", "/v1/namespaces/n/kv/k", "1").status, 201);
    server.stop();
    setup.start().stop();
}

#[test]
fn a_directory_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path());
    setup.start().stop();
    let path = folder.path().join("store/FORMAT");
    let known = fs::read_to_string(&path).unwrap();
    let line = "quartzdb local store, format 4000";
    let newer = format!("{line}, checksum {:016x}\n", xxh3_64(line.as_bytes()));
    fs::write(&path, &newer).unwrap();
    let listing = files(folder.path());
    let words = setup.refused();
    assert!(
        words.contains("format 4000") && words.contains("newer"),
        "{words}"
    );
    let checked = check(folder.path());
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked.stderr).contains("format 4000"),
        "{}",
        text(&checked.stderr)
    );
    assert_eq!(files(folder.path()), listing);
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    fs::write(&path, known).unwrap();
    setup.start().stop();
}
