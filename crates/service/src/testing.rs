//! A world for tests: numbers that never come twice, a letter box, and tasks that run when they are told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use futures::executor::block_on;
use quartz_core::{Clock, store::BoxFuture};

use crate::{AtOnce, Entropy, Letter, Mail, Offload, PeopleSettings, Ports, person::PasswordCost};

/// Numbers that never come twice.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&number.to_be_bytes())
            .finalize_xof()
            .fill(bytes);
    }
}

/// What happened beside the answers.
#[derive(Clone, Default)]
pub(crate) struct Beside {
    pub(crate) letters: Arc<Mutex<Vec<Letter>>>,
    tasks: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    /// Passwords that were hashed.
    pub(crate) hashed: Arc<AtomicU64>,
}

impl Beside {
    /// Runs what nobody waits for.
    pub(crate) fn settle(&self) {
        while let Some(task) = self.next() {
            block_on(task);
        }
    }

    /// Takes the letters that have come since the last time.
    pub(crate) fn take_letters(&self) -> Vec<Letter> {
        self.settle();
        std::mem::take(&mut *self.letters.lock().unwrap())
    }

    fn next(&self) -> Option<BoxFuture<'static, ()>> {
        let mut tasks = self.tasks.lock().unwrap();
        (!tasks.is_empty()).then(|| tasks.remove(0))
    }
}

impl Mail for Beside {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>> {
        self.letters.lock().unwrap().push(letter);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Offload for Beside {
    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.hashed.fetch_add(1, Ordering::Relaxed);
        AtOnce.run(work)
    }
}

/// A password's cost that tests can afford.
pub(crate) const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

pub(crate) fn ports(clock: Arc<dyn Clock>) -> (Ports, Beside) {
    let beside = Beside::default();
    let tasks = Arc::clone(&beside.tasks);
    let ports = Ports {
        plans: Arc::default(),
        clock,
        entropy: Arc::new(Counting::default()),
        people: Arc::new(PeopleSettings {
            sign_up: true,
            public_url: "https://db.example".into(),
            password_cost: CHEAP,
            ..PeopleSettings::default()
        }),
        mail: Some(Arc::new(beside.clone())),
        offload: Arc::new(beside.clone()),
        spawn: Arc::new(move |task| tasks.lock().unwrap().push(task)),
    };
    (ports, beside)
}
