//! A world for tests: numbers that never come twice, a letter box, and tasks that run when they are told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use futures::executor::block_on;
use quartz_core::{Clock, store::BoxFuture};

use crate::{
    AtOnce, Bounds, Entropy, Handshake, Identity, IdentityFault, IdentityProvider, Letter, Mail,
    Offload, PeopleSettings, Ports, peers::AllHere, person::PasswordCost,
};

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

/// A code, what it was made for, and whom it is traded for.
type Code = (String, Handshake, Result<Identity, IdentityFault>);

/// An identity provider where everybody signs in at once. A code is traded once, and only by who had it
/// made.
#[derive(Default)]
pub(crate) struct Provider {
    codes: Mutex<Vec<Code>>,
    begun: Mutex<Vec<Handshake>>,
}

impl Provider {
    pub(crate) const ISSUER: &str = "https://id.example";

    /// Signs somebody in with the last handshake that has begun; gives state and code.
    pub(crate) fn sign_in(&self, who: Result<Identity, IdentityFault>) -> (String, String) {
        let handshake = self.begun.lock().unwrap().last().unwrap().clone();
        let mut codes = self.codes.lock().unwrap();
        let (state, code) = (handshake.state.clone(), format!("code {}", codes.len()));
        codes.push((code.clone(), handshake, who));
        (state, code)
    }
}

impl IdentityProvider for Provider {
    fn issuer(&self) -> &str {
        Self::ISSUER
    }

    fn sign_in_url(&self, handshake: Handshake) -> BoxFuture<'_, Result<String, IdentityFault>> {
        let url = format!("{}/sign-in?state={}", Self::ISSUER, handshake.state);
        self.begun.lock().unwrap().push(handshake);
        Box::pin(std::future::ready(Ok(url)))
    }

    fn identify(
        &self,
        code: String,
        handshake: Handshake,
    ) -> BoxFuture<'_, Result<Identity, IdentityFault>> {
        let mut codes = self.codes.lock().unwrap();
        let made = codes
            .iter()
            .position(|(one, made, _)| *one == code && *made == handshake);
        let who = match made {
            Some(at) => codes.remove(at).2,
            None => Err(IdentityFault::Refused("invalid_grant".into())),
        };
        Box::pin(std::future::ready(who))
    }
}

/// A password's cost that tests can afford.
pub(crate) const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// Small, so that they are soon reached.
pub(crate) const BOUNDS: Bounds = Bounds {
    api_keys: 12,
    roles: 4,
    members: 6,
    invitations: 5,
    webhooks: 8,
};

pub(crate) fn ports(clock: Arc<dyn Clock>) -> (Ports, Beside) {
    let beside = Beside::default();
    let tasks = Arc::clone(&beside.tasks);
    let ports = Ports {
        plans: Arc::default(),
        bounds: BOUNDS,
        clock,
        entropy: Arc::new(Counting::default()),
        people: Arc::new(PeopleSettings {
            sign_up: true,
            public_url: "https://db.example".into(),
            password_cost: CHEAP,
            ..PeopleSettings::default()
        }),
        mail: Some(Arc::new(beside.clone())),
        sso: None,
        offload: Arc::new(beside.clone()),
        spawn: Arc::new(move |task| tasks.lock().unwrap().push(task)),
        peers: Arc::new(AllHere),
    };
    (ports, beside)
}
