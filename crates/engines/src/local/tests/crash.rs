//! Kill -9: a child writes and says what was acknowledged, and is killed at some moment.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use quartz_core::store::{Durability, Store};

use super::{SMALL, batch, rows};
use crate::LocalStore;

const DIRECTORY: &str = "QUARTZ_CRASH_DIRECTORY";
const ROUND: &str = "QUARTZ_CRASH_ROUND";
const WRITERS: u8 = 4;
const ROWS: u8 = 6;

/// Not a test of its own: what the child runs.
#[test]
fn child() {
    let (Ok(directory), Ok(round)) = (env::var(DIRECTORY), env::var(ROUND)) else {
        return;
    };
    let round: u8 = round.parse().unwrap();
    let store = Arc::new(LocalStore::open(directory, SMALL).unwrap());
    let threads: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                for number in 0..u32::MAX {
                    let value = [
                        &number.to_be_bytes()[..],
                        &vec![writer; number as usize % 900],
                    ];
                    let value = value.concat();
                    let rows: Vec<_> = (0..ROWS)
                        .map(|row| (key(row, round, writer, number), value.clone()))
                        .collect();
                    block_on(store.commit(batch(&rows), Durability::Disk)).unwrap();
                    // One write call a line: lines of several threads do not mix.
                    let line = format!("\nacknowledged {writer} {number}\n");
                    std::io::stderr().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn key(row: u8, round: u8, writer: u8, number: u32) -> Vec<u8> {
    [&[row + 1, round, writer][..], &number.to_be_bytes()].concat()
}

#[test]
fn acknowledged_batches_survive_kill_and_none_is_half_there() {
    let rounds = env::var("QUARTZ_CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    // How many batches of a writer in a round were acknowledged.
    let mut acknowledged = BTreeMap::<(u8, u8), u32>::new();
    for round in 0..rounds {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "local::tests::crash::child", "--nocapture"])
            .env(DIRECTORY, folder.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stderr.take().unwrap();
        let reader = thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            let mut seen = Vec::new();
            for line in lines.map_while(Result::ok) {
                if let Some((writer, number)) = line
                    .strip_prefix("acknowledged ")
                    .and_then(|rest| rest.split_once(' '))
                {
                    seen.push((writer.parse().unwrap(), number.parse::<u32>().unwrap()));
                }
            }
            seen
        });
        thread::sleep(Duration::from_millis(150 + 97 * u64::from(round % 7)));
        child.kill().unwrap();
        child.wait().unwrap();
        for (writer, number) in reader.join().unwrap() {
            let count = acknowledged.entry((round, writer)).or_default();
            *count = (*count).max(number + 1);
        }

        let start = Instant::now();
        let store = LocalStore::open(folder.path(), SMALL).unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        let mut batches = BTreeMap::<Vec<u8>, u8>::new();
        for (key, value) in rows(&store).unwrap() {
            assert_eq!(value[..4], key[3..]);
            *batches.entry(key[1..].to_vec()).or_default() += 1;
        }
        assert!(batches.values().all(|rows| *rows == ROWS), "half a batch");
        for ((round, writer), count) in &acknowledged {
            for number in 0..*count {
                let batch = &key(0, *round, *writer, number)[1..];
                assert!(
                    batches.contains_key(batch),
                    "lost {round} {writer} {number}"
                );
            }
        }
        store.verify().unwrap();
    }
    assert!(acknowledged.values().sum::<u32>() > 100, "{acknowledged:?}");
}
