//! What a key check costs: a key-value GET through the router, in process, with the key of one of
//! 10,000 accounts, and with the check already made. Prints times, their ratio, and what an account that
//! nobody uses takes of memory.
//!
//! `cargo run --release -p quartz-http --example key_check`

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a program that measures has clocks, threads and files"
)]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{Router, body::Body};
use futures::executor::block_on;
use http::Request;
use quartz_api::Limits;
use quartz_core::{
    ManualClock, VectorCache,
    directory::Directory,
    store::{BoxFuture, MemoryStore},
};
use quartz_http::{ApiState, Host, auth::Admitted, router};
use quartz_service::{
    Accounts, Admission, AtOnce, By, Catalogue, Credential, Entropy, Gatekeeper, Grant, Knock,
    NewAccount, NewKey, Ports, RootKey, peers::AllHere,
};
use tower::ServiceExt as _;

const ACCOUNTS: usize = 10_000;
const REQUESTS: usize = 20_000;
const ROUNDS: usize = 9;

struct Local(Instant, AtomicU64);

impl Host for Local {
    fn monotonic_micros(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }

    fn unique_id(&self) -> u128 {
        self.1.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// Fast and different each time; nobody attacks a measurement.
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&number.to_be_bytes())
            .finalize_xof()
            .fill(bytes);
    }
}

fn admit(accounts: &Accounts, key: &str) -> Arc<Grant> {
    let knock = Knock {
        credential: Credential::Key(key),
        address: None,
    };
    match accounts.admit(knock) {
        Admission::Ready(answer) => answer.unwrap(),
        Admission::Pending(answer) => block_on(answer).unwrap(),
    }
}

/// Bytes of this process in memory.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn get(router: &Router, key: Option<&str>, grant: Option<&Arc<Grant>>) {
    let mut request = Request::builder().uri("/v1/namespaces/ns/kv/key");
    if let Some(key) = key {
        request = request.header("authorization", key);
    }
    if let Some(grant) = grant {
        request = request.extension(Admitted(Arc::clone(grant)));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = block_on(router.clone().oneshot(request)).unwrap();
    assert_eq!(response.status(), 200);
    black_box(response);
}

fn main() {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(ManualClock::new(1_000_000));
    let ports = Ports {
        clock: clock.clone(),
        entropy: Arc::new(Counter(AtomicU64::new(0))),
        plans: Arc::new(arc_swap::ArcSwap::from_pointee(Catalogue::default())),
        people: Arc::default(),
        mail: None,
        sso: None,
        offload: Arc::new(AtOnce),
        spawn: Arc::new(drop),
        peers: Arc::new(AllHere),
    };
    let open = || {
        block_on(Accounts::new(
            store.clone(),
            ports.clone(),
            RootKey::new("root"),
        ))
    };
    let accounts = open().unwrap();
    let operator = By {
        grant: admit(&accounts, "root"),
        address: None,
        request_id: String::new(),
    };
    let keys: Vec<_> = (0..ACCOUNTS)
        .map(|number| {
            let new = NewAccount {
                name: format!("account {number}"),
                plan: Some(Catalogue::SELF_HOSTED.into()),
                owner: None,
            };
            let key = NewKey {
                name: "key".into(),
                role: "developer".into(),
                prefixes: Vec::new(),
                networks: Vec::new(),
                expires_at: None,
                requests_per_second: None,
            };
            let account = block_on(accounts.create(&operator, new)).unwrap();
            block_on(account.create_key(&operator, key)).unwrap().text
        })
        .collect();
    drop(accounts);

    // A server that starts anew and has each account in memory once.
    let before = resident_bytes();
    let accounts = open().unwrap();
    for key in &keys {
        admit(&accounts, key);
    }
    let per_account = resident_bytes().saturating_sub(before) / ACCOUNTS;
    println!("memory of an idle account with one key: {per_account} bytes");

    let started = Instant::now();
    for number in 0..REQUESTS {
        black_box(admit(&accounts, &keys[number * 7919 % ACCOUNTS]));
    }
    let nanos = started.elapsed().as_nanos() as usize / REQUESTS;
    println!("a key check, {ACCOUNTS} accounts at random: {nanos} ns");

    let spawn = Arc::new(|future: BoxFuture<'static, ()>| {
        std::thread::spawn(move || block_on(future));
    });
    let directory = Directory::new(store, clock, VectorCache::new(1 << 20), spawn);
    let router = router(
        ApiState {
            directory: block_on(directory).unwrap(),
            limits: Limits::default(),
            accounts: accounts.clone(),
            gatekeeper: Arc::new(accounts.clone()),
            host: Arc::new(Local(Instant::now(), AtomicU64::new(0))),
            concurrent_requests: 16,
        },
        &[],
        Router::new(),
    );
    let key = &keys[0];
    let grant = admit(&accounts, key);
    let bearer = format!("Bearer {key}");
    let put = Request::put("/v1/namespaces/ns/kv/key")
        .header("authorization", &bearer)
        .body(Body::from(vec![b'x'; 1024]));
    block_on(router.clone().oneshot(put.unwrap())).unwrap();

    // One after the other, many times, so that both have the same neighbours on the machine.
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (at, times) in times.iter_mut().enumerate() {
            let started = Instant::now();
            for _ in 0..REQUESTS {
                match at {
                    0 => get(&router, Some(&bearer), None),
                    _ => get(&router, None, Some(&grant)),
                }
            }
            times.push(started.elapsed().as_nanos() as usize / REQUESTS);
        }
    }
    let [with, without] = times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    });
    let share = (with as f64 / without as f64 - 1.0) * 100.0;
    println!(
        "GET of 1 KiB through the router: {with} ns with the check, {without} ns without: {share:+.1} %"
    );
}
