use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, body::Body};
use bytes::Bytes;
use futures::executor::block_on;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use quartz_api::Limits;
use quartz_core::{
    ManualClock, VectorCache,
    directory::{Directory, Spawn},
    store::{BoxFuture, MemoryStore},
};
use quartz_http::{ApiState, Host, account_bounds, router};
use quartz_service::{
    Accounts, AtOnce, Catalogue, Entropy, Letter, Mail, PeopleSettings, Ports, RootKey,
    SingleSignOn, peers::AllHere, person::PasswordCost,
};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const KEY: &str = "test key";

/// A host whose time stands still and whose requests are numbered.
#[derive(Default)]
pub(crate) struct TestHost {
    pub(crate) ids: AtomicU64,
    /// Whether every deadline has passed.
    pub(crate) late: bool,
    /// Why it is not ready.
    pub(crate) not_ready: Option<String>,
    /// How long answers would have been held back, microseconds.
    pub(crate) pauses: Arc<Mutex<Vec<u64>>>,
}

impl Host for TestHost {
    fn monotonic_micros(&self) -> u64 {
        0
    }

    fn unique_id(&self) -> u128 {
        self.ids.fetch_add(1, Ordering::Relaxed).into()
    }

    fn deadline(&self) -> Option<BoxFuture<'static, ()>> {
        let late: BoxFuture<'static, ()> = Box::pin(std::future::ready(()));
        self.late.then_some(late)
    }

    fn pause(&self, micros: u64) -> Option<BoxFuture<'static, ()>> {
        self.pauses.lock().unwrap().push(micros);
        Some(Box::pin(std::future::ready(())))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(
            self.not_ready.clone().map_or(Ok(()), Err),
        ))
    }
}

/// Bytes that never come twice.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
            chunk.copy_from_slice(&mixed[..chunk.len()]);
        }
    }
}

/// What a test may change about the server.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) host: TestHost,
    pub(crate) concurrent_requests: usize,
    pub(crate) cors_origins: Vec<&'static str>,
    pub(crate) plans: Arc<Catalogue>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) people: PeopleSettings,
    pub(crate) mail: Option<Arc<LetterBox>>,
    pub(crate) sso: Option<Arc<SingleSignOn>>,
}

/// Mail that nobody sends.
#[derive(Default)]
pub(crate) struct LetterBox {
    letters: Mutex<Vec<Letter>>,
    come: Condvar,
}

impl LetterBox {
    /// The next letter, which may still be on its way.
    pub(crate) fn next(&self) -> Letter {
        let letters = self.letters.lock().unwrap();
        let wait = self
            .come
            .wait_timeout_while(letters, LIMIT, |letters| letters.is_empty());
        let (mut letters, late) = wait.unwrap();
        assert!(!late.timed_out(), "no letter has come");
        letters.remove(0)
    }

    /// The token in the next letter.
    pub(crate) fn token(&self) -> String {
        let text = self.next().text;
        let (_, rest) = text.split_once('#').unwrap();
        rest.split('\n').next().unwrap().to_owned()
    }
}

impl Mail for LetterBox {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>> {
        self.letters.lock().unwrap().push(letter);
        self.come.notify_all();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Longer than anything takes that a test waits for.
const LIMIT: Duration = Duration::from_secs(30);

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            host: TestHost::default(),
            concurrent_requests: 100,
            cors_origins: Vec::new(),
            clock: Arc::new(ManualClock::new(1_000_000)),
            people: PeopleSettings {
                public_url: "https://db.example".into(),
                // What tests can afford.
                password_cost: PasswordCost {
                    memory_kib: 8,
                    passes: 1,
                    lanes: 1,
                },
                ..PeopleSettings::default()
            },
            mail: None,
            sso: None,
            // Without limits: what is tested is not to be slowed.
            plans: Arc::new(Catalogue {
                default: "enterprise".into(),
                ..Catalogue::default()
            }),
        }
    }
}

/// A server of its own for each test.
#[derive(Clone)]
pub(crate) struct Api {
    router: Router,
    clock: Arc<ManualClock>,
    pub(crate) accounts: Accounts,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let clock = Arc::clone(&setup.clock);
        let origins = setup.cors_origins.iter();
        let origins: Vec<_> = origins.map(|origin| origin.parse().unwrap()).collect();
        let state = Self::state(setup);
        let accounts = state.accounts.clone();
        let router = router(state, &origins, Router::new());
        Self {
            router,
            clock,
            accounts,
        }
    }

    pub(crate) fn into_router(self) -> Router {
        self.router
    }

    /// What a router is built from.
    pub(crate) fn state(setup: Setup) -> ApiState {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::clone(&setup.clock);
        #[expect(clippy::disallowed_methods, reason = "this host has threads")]
        let spawn: Spawn = Arc::new(|future: BoxFuture<'static, ()>| {
            std::thread::spawn(move || block_on(future));
        });
        let ports = Ports {
            plans: Arc::new(ArcSwap::new(setup.plans)),
            bounds: account_bounds(&setup.limits),
            clock: clock.clone(),
            entropy: Arc::new(Counting::default()),
            people: Arc::new(setup.people),
            mail: setup.mail.clone().map(|mail| mail as Arc<dyn Mail>),
            sso: setup.sso,
            offload: Arc::new(AtOnce),
            spawn: spawn.clone(),
            peers: Arc::new(AllHere),
        };
        let accounts = Accounts::new(store.clone(), ports, RootKey::new(KEY));
        let accounts = block_on(accounts).unwrap();
        let directory = Directory::new(store, clock, VectorCache::new(1 << 20), spawn);
        ApiState {
            directory: block_on(directory).unwrap(),
            limits: setup.limits,
            accounts: accounts.clone(),
            gatekeeper: Arc::new(accounts),
            host: Arc::new(setup.host),
            concurrent_requests: setup.concurrent_requests,
        }
    }

    /// Moves the time forward.
    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(millis);
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.open(request))
    }

    /// The answer with its body not yet read.
    pub(crate) fn open(&self, request: Request<Body>) -> axum::response::Response {
        block_on(self.router.clone().oneshot(request)).unwrap()
    }

    /// A request with the key and these headers.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-api-key", KEY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap())
    }

    /// A request without a key.
    pub(crate) fn send_from(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_owned().into()).unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string(),
        )
    }
}

impl Answer {
    /// The answer with its whole body.
    pub(crate) fn read(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = block_on(body.collect()).unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {:?}", self.headers, self.body);
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        self.expect(200).json()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Code and path of a problem.
    #[track_caller]
    pub(crate) fn problem(&self) -> (String, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{:?}",
            self.body
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("path"))
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.problem().0
    }
}
