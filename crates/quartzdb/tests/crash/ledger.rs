//! Batches that move amounts between accounts. Each writes the accounts, an entry of the log and the
//! head, so that half a batch cannot hide: the log, replayed, gives every account.

use std::collections::BTreeMap;

use fastrand::Rng;
use futures::TryStreamExt;
use quartz_client::{BatchOperation, Client, Include, Namespace, OperationKind, StoredRecord};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Answer, Round};

const ACCOUNTS: usize = 8;
const START: i64 = 1_000;

/// The value of an account and of the head: balance, and the move that wrote it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    balance: i64,
    moved: u64,
}

/// An entry of the log: what was added to which account.
type Entry = BTreeMap<usize, i64>;

/// One of two writers of a set of accounts.
pub(super) struct Ledger {
    set: usize,
    rng: Rng,
    /// Number of its last acknowledged move.
    acknowledged: u64,
    in_flight: Option<(u64, Entry)>,
}

fn account(number: usize) -> String {
    format!("account-{number}")
}

fn entry(number: u64) -> String {
    format!("log-{number:012}")
}

fn json<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    Some(to_raw_value(value).unwrap())
}

fn parse<'a, T: Deserialize<'a>>(record: &'a StoredRecord) -> T {
    serde_json::from_str(record.value.as_ref().unwrap().get()).unwrap()
}

fn put<T: Serialize>(id: String, value: &T, condition: Option<u64>) -> BatchOperation {
    BatchOperation {
        op: OperationKind::Put,
        id,
        value: json(value),
        if_version: condition,
        if_absent: condition.is_none().then_some(true),
        ..BatchOperation::default()
    }
}

impl Ledger {
    pub(super) fn new(set: usize, rng: Rng) -> Self {
        Self {
            set,
            rng,
            acknowledged: 0,
            in_flight: None,
        }
    }

    fn namespace(&self, client: &Client) -> Namespace {
        client.namespace(&format!("ledger-{}", self.set))
    }

    pub(super) async fn run(&mut self, client: &Client, round: &Round) {
        let namespace = self.namespace(client);
        loop {
            let ids = (0..ACCOUNTS).map(account).chain(["head".to_owned()]);
            let fetched = namespace.fetch(ids).include([Include::Value]).await;
            // A namespace that nobody has written to yet.
            let missing = fetched
                .as_ref()
                .is_err_and(|error| error.status() == Some(404));
            let read = if missing {
                Vec::new()
            } else {
                match round.judge_read(fetched) {
                    Answer::Acknowledged(fetched) => fetched.records,
                    Answer::Refused => unreachable!("a read has no condition"),
                    Answer::Unknown => return,
                }
            };
            let (number, moves, operations) = if read.is_empty() {
                (1, Entry::new(), opening())
            } else {
                assert_eq!(read.len(), ACCOUNTS + 1, "all of them came in one batch");
                self.plan(&read)
            };
            self.in_flight = Some((number, moves));
            match round.judge(namespace.batch(operations).await) {
                Answer::Acknowledged(_) => self.acknowledged = number,
                Answer::Refused => {}
                Answer::Unknown => return,
            }
            self.in_flight = None;
        }
    }

    /// Moves amounts between three to six accounts, if nobody else has meanwhile.
    fn plan(&mut self, read: &[StoredRecord]) -> (u64, Entry, Vec<BatchOperation>) {
        let head: State = parse(&read[ACCOUNTS]);
        let number = head.moved + 1;
        let mut touched: Vec<_> = (0..ACCOUNTS).collect();
        self.rng.shuffle(&mut touched);
        touched.truncate(self.rng.usize(3..=6));
        let mut moves = Entry::new();
        let mut left = 0;
        for &account in &touched[1..] {
            let amount = self.rng.i64(-50..50);
            left -= amount;
            moves.insert(account, amount);
        }
        moves.insert(touched[0], left);
        let mut operations: Vec<_> = moves
            .iter()
            .map(|(&number_of_account, amount)| {
                let record = &read[number_of_account];
                let state = State {
                    balance: parse::<State>(record).balance + amount,
                    moved: number,
                };
                put(account(number_of_account), &state, Some(record.version))
            })
            .collect();
        operations.push(put(entry(number), &moves, None));
        let state = State {
            balance: head.balance,
            moved: number,
        };
        operations.push(put("head".into(), &state, Some(read[ACCOUNTS].version)));
        (number, moves, operations)
    }
}

/// All accounts, an empty entry and the head.
fn opening() -> Vec<BatchOperation> {
    let state = |balance| State { balance, moved: 1 };
    let accounts = (0..ACCOUNTS).map(|number| put(account(number), &state(START), None));
    let head = put("head".into(), &state(START * ACCOUNTS as i64), None);
    accounts
        .chain([put(entry(1), &Entry::new(), None), head])
        .collect()
}

pub(super) async fn verify(writers: &mut [Ledger], client: &Client) {
    // They come back in the order in which they saw the server die.
    writers.sort_by_key(|writer| writer.set);
    for set in writers.chunk_by_mut(|a, b| a.set == b.set) {
        verify_set(set, client).await;
    }
}

async fn verify_set(writers: &mut [Ledger], client: &Client) {
    let namespace = writers[0].namespace(client);
    let acknowledged = writers.iter().map(|writer| writer.acknowledged).max();
    let acknowledged = acknowledged.unwrap_or(0);
    let ids = (0..ACCOUNTS).map(account).chain(["head".to_owned()]);
    let read = match namespace.fetch(ids).include([Include::Value]).await {
        Ok(fetched) => fetched.records,
        Err(error) if error.status() == Some(404) => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    if read.is_empty() {
        assert_eq!(acknowledged, 0, "the opening was acknowledged");
    } else {
        assert_eq!(read.len(), ACCOUNTS + 1, "half an opening");
        let head: State = parse(&read[ACCOUNTS]);
        let log = log(&namespace).await;
        // Each number was given once: the writers exclude each other by the head's version.
        let numbers: Vec<_> = log.keys().copied().collect();
        assert_eq!(numbers, (1..=head.moved).collect::<Vec<_>>());
        let in_flight = |number| {
            let mut flying = writers
                .iter()
                .filter_map(|writer| writer.in_flight.as_ref());
            flying.any(|(flying, moves)| *flying == number && log[&number] == *moves)
        };
        assert!(head.moved >= acknowledged, "{acknowledged} is lost");
        for number in acknowledged + 1..=head.moved {
            assert!(in_flight(number), "nobody asked for {number}");
        }
        let mut states = [State {
            balance: START,
            moved: 1,
        }; ACCOUNTS];
        for (&number, moves) in &log {
            for (&account, amount) in moves {
                states[account].balance += amount;
                states[account].moved = number;
            }
        }
        let found: Vec<State> = read[..ACCOUNTS].iter().map(parse).collect();
        assert_eq!(found, states, "the accounts and the log");
        let sum: i64 = found.iter().map(|state| state.balance).sum();
        assert_eq!(sum, head.balance);
        let described = namespace.describe().await.unwrap();
        assert_eq!(described.records, head.moved + ACCOUNTS as u64 + 1);
        writers[0].acknowledged = head.moved;
    }
    for writer in writers {
        writer.in_flight = None;
    }
}

async fn log(namespace: &Namespace) -> BTreeMap<u64, Entry> {
    let entries = namespace.records().prefix("log-").page_size(1_000);
    let entries = entries.include([Include::Value]).stream();
    let entries = entries.map_ok(|record| {
        let number = record.id["log-".len()..].parse().unwrap();
        (number, parse(&record))
    });
    entries.try_collect().await.unwrap()
}
