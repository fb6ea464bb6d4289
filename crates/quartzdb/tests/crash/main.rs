//! kill -9 under load, again and again on the same directory: nothing acknowledged is lost, nothing
//! is half there.
//!
//! `QUARTZ_CRASH_ROUNDS` sets the number of rounds, `QUARTZ_CRASH_SEED` repeats a run as far as
//! timing allows.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

mod content;
mod counters;
mod ledger;
mod once;
#[path = "../support/process.rs"]
mod process;
mod records;
mod spaces;

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use quartz_client::{Error, ErrorCode};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use self::{
    counters::Counters,
    ledger::Ledger,
    once::Once,
    process::{Server, Setup, check, text},
    records::Records,
    spaces::Spaces,
};

const ROUNDS: u64 = 5;
/// Longer than any restart takes, so loose that only a hang is caught.
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// What the writers of one round share.
#[derive(Clone, Default)]
struct Round {
    /// Set before the server is killed: from then on a broken connection is no fault.
    killing: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

/// What became of a write.
enum Answer<T> {
    Acknowledged(T),
    /// A condition failed; nothing was changed.
    Refused,
    /// The server died; nobody knows.
    Unknown,
}

impl Round {
    /// Of a write.
    fn judge<T>(&self, answer: Result<T, Error>) -> Answer<T> {
        let answer = self.judge_read(answer);
        if let Answer::Acknowledged(_) = answer {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn judge_read<T>(&self, answer: Result<T, Error>) -> Answer<T> {
        match answer {
            Ok(answer) => Answer::Acknowledged(answer),
            Err(error) if error.code() == Some(ErrorCode::PreconditionFailed) => Answer::Refused,
            Err(Error::Transport { .. }) if self.killing.load(Ordering::SeqCst) => Answer::Unknown,
            Err(error) => panic!("a write failed: {error}"),
        }
    }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

/// All that is written, and what must come back.
struct World {
    records: Vec<Records>,
    ledgers: Vec<Ledger>,
    counters: Vec<Counters>,
    once: Vec<Once>,
    spaces: Spaces,
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        Self {
            records: (0..7).map(|n| Records::new(n, rng.fork())).collect(),
            // Two writers each: they get in each other's way.
            ledgers: (0..4).map(|n| Ledger::new(n / 2, rng.fork())).collect(),
            counters: (0..2).map(|_| Counters::new(rng.fork())).collect(),
            once: (0..2).map(|n| Once::new(n, rng.fork())).collect(),
            spaces: Spaces::default(),
        }
    }

    /// Sixteen writers, each with a connection of its own, until the server dies.
    async fn write_until_killed(self, server: Server, delay: Duration) -> (Self, u64) {
        let round = Round::default();
        let Self {
            records,
            ledgers,
            counters,
            once,
            spaces,
        } = self;
        let mut tasks = JoinSet::new();
        macro_rules! start {
            ($writers:expr, $variant:ident) => {
                for mut writer in $writers {
                    let (client, round) = (server.client(), round.clone());
                    tasks.spawn(async move {
                        writer.run(&client, &round).await;
                        Writer::$variant(writer)
                    });
                }
            };
        }
        enum Writer {
            Records(Records),
            Ledger(Ledger),
            Counters(Counters),
            Once(Once),
            Spaces(Spaces),
        }
        start!(records, Records);
        start!(ledgers, Ledger);
        start!(counters, Counters);
        start!(once, Once);
        start!([spaces], Spaces);
        sleep(delay).await;
        round.killing.store(true, Ordering::SeqCst);
        server.kill();
        let mut world = Self {
            records: Vec::new(),
            ledgers: Vec::new(),
            counters: Vec::new(),
            once: Vec::new(),
            spaces: Spaces::default(),
        };
        for writer in tasks.join_all().await {
            match writer {
                Writer::Records(writer) => world.records.push(writer),
                Writer::Ledger(writer) => world.ledgers.push(writer),
                Writer::Counters(writer) => world.counters.push(writer),
                Writer::Once(writer) => world.once.push(writer),
                Writer::Spaces(writer) => world.spaces = writer,
            }
        }
        (world, round.acknowledged.load(Ordering::Relaxed))
    }

    async fn verify(&mut self, server: &Server) {
        let client = server.client();
        for writer in &mut self.once {
            writer.verify(&client).await;
        }
        counters::verify(&mut self.counters, &client).await;
        ledger::verify(&mut self.ledgers, &client).await;
        self.spaces.verify(&client).await;
        records::verify(&mut self.records, &client).await;
    }
}

/// The offline check, which must find nothing.
fn check_sound(data: &Path) {
    let output = check(data);
    let report = text(&output.stdout);
    assert!(
        output.status.success(),
        "{report}\n{}",
        text(&output.stderr)
    );
    let report: Value = serde_json::from_str(&report).unwrap();
    for namespace in report["namespaces"].as_array().unwrap() {
        assert_eq!(namespace["faults"], serde_json::json!([]), "{namespace}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_it_keeps_every_promise() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let rounds = number("QUARTZ_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("QUARTZ_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("QUARTZ_CRASH_SEED={seed}");
    let mut folder = tempfile::tempdir().unwrap();
    // What went wrong must be there to be looked at.
    folder.disable_cleanup(true);
    println!(
        "data directory, kept if the test fails: {}",
        folder.path().display()
    );
    run(folder.path(), rounds, Rng::with_seed(seed)).await;
    folder.disable_cleanup(false);
}

async fn run(data: &Path, rounds: u64, mut rng: Rng) {
    // Little free space is enough for what is written here.
    let setup = Setup::new(data).arg("--min-free").arg("16MiB");
    let mut world = World::new(&mut rng);
    let mut restarts = Vec::new();
    let mut total = 0;
    for round in 1..=rounds {
        let delay = Duration::from_millis(rng.u64(50..1_500));
        let server = setup.start();
        let acknowledged;
        (world, acknowledged) = world.write_until_killed(server, delay).await;
        total += acknowledged;

        // Some recoveries are killed too.
        let interrupted = rng.u8(..3) == 0;
        if interrupted {
            let process = setup.spawn();
            sleep(Duration::from_millis(rng.u64(0..60))).await;
            process.kill();
        }
        let server = setup.start();
        let ready = server.ready_after;
        println!(
            "round {round}: killed after {} ms, {acknowledged} writes acknowledged, ready again in {} ms{}",
            delay.as_millis(),
            ready.as_millis(),
            if interrupted {
                ", a recovery was killed before"
            } else {
                ""
            }
        );
        assert!(ready < RESTART_LIMIT, "{ready:?}");
        restarts.push(ready);
        world.verify(&server).await;
        server.stop();
        check_sound(&setup.data);
    }
    restarts.sort();
    println!(
        "{rounds} rounds, {total} writes acknowledged, none lost; ready again in {:?} (median), {:?} (worst)",
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1]
    );
}
