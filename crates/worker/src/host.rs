//! What the runtime brings: time, randomness, background work.

use std::{
    cell::{Cell, OnceCell},
    future::ready,
    rc::Rc,
    sync::Arc,
};

use axum::{Extension, Router, http::HeaderValue, middleware::AddExtension};

use futures::FutureExt as _;
use js_sys::Promise;
use quartz_api::Limits;
use quartz_core::{
    Clock,
    directory::Spawn,
    store::{BoxFuture, Store, StoreError},
};
use quartz_http::{App, Host, account_bounds};
use quartz_service::{
    AccountId, Accounts, AtOnce, Entropy, Mail, Ports, SingleSignOn, peers::Peer,
};
use send_wrapper::SendWrapper;
use tower::Layer as _;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::{
    peers::{Objects, PeerObjects},
    settings::Settings,
    sql::store_error,
    turn,
};

thread_local! {
    static ROUTES: OnceCell<Router> = const { OnceCell::new() };
    static GATHER: OnceCell<Router> = const { OnceCell::new() };
}

/// The API over an app. All objects of an isolate share the routes, which take far more memory than an
/// object; the first request makes them.
pub(crate) fn api(app: App, cors_origins: &[HeaderValue]) -> AddExtension<Router, App> {
    let make = || quartz_http::routes(cors_origins, Router::new());
    Extension(app).layer(ROUTES.with(|routes| routes.get_or_init(make).clone()))
}

/// The same for namespaces with partitions.
pub(crate) fn gather(app: App, cors_origins: &[HeaderValue]) -> AddExtension<Router, App> {
    let make = || quartz_http::gather(cors_origins);
    Extension(app).layer(GATHER.with(|routes| routes.get_or_init(make).clone()))
}

/// The runtime's clock.
pub(crate) struct JsClock;

impl Clock for JsClock {
    fn now_millis(&self) -> u64 {
        turn::now_millis()
    }
}

/// The runtime's random numbers.
struct JsEntropy;

impl Entropy for JsEntropy {
    #[expect(
        clippy::expect_used,
        reason = "a key from anything else would be no secret"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the runtime gives random numbers");
    }
}

/// What there is of accounts and people in a store that answers at once; all of it, for who is no peer, is
/// elsewhere.
pub(crate) fn accounts(
    store: Arc<dyn Store>,
    settings: &Settings,
    sso: Option<Arc<SingleSignOn>>,
    objects: PeerObjects,
    here: Option<Peer>,
) -> Result<Accounts, JsError> {
    let mail = settings.mail.clone();
    let ports = Ports {
        bounds: account_bounds(&Limits::default()),
        clock: Arc::new(JsClock),
        entropy: Arc::new(JsEntropy),
        plans: Arc::default(),
        people: Arc::new(settings.people.clone()),
        mail: mail.map(|mail| Arc::new(mail) as Arc<dyn Mail>),
        sso,
        offload: Arc::new(AtOnce),
        spawn: spawner(),
        peers: Arc::new(Objects::new(objects, here)),
    };
    let root = settings.root_key.clone();
    let only = match here {
        Some(Peer::Account(AccountId::ROOT)) => {
            let accounts = Accounts::new(store, ports, root).now_or_never();
            return Ok(accounts.ok_or_else(not_ready)??);
        }
        Some(Peer::Account(id)) => Some(id),
        _ => None,
    };
    Ok(Accounts::over(store, ports, root, only))
}

/// The id of an account that is to be.
pub(crate) fn new_account() -> AccountId {
    let mut random = [0; _];
    JsEntropy.fill(&mut random);
    AccountId::from_random(random)
}

/// A store did not answer at once.
pub(crate) fn not_ready() -> StoreError {
    StoreError::Unavailable("the store did not answer at once".to_owned())
}

#[wasm_bindgen]
extern "C" {
    /// The objects of namespaces, as that of their account sees them; see `entry.js`.
    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone)]
    pub type NamespaceObjects;

    /// Has the object of a namespace erase itself.
    #[wasm_bindgen(method, catch)]
    fn erase(this: &NamespaceObjects, name: &str) -> Result<Promise, JsValue>;
}

/// What the router asks of a Worker or an object.
pub(crate) struct EdgeHost {
    /// Of an account.
    namespaces: Option<SendWrapper<NamespaceObjects>>,
    /// Random, so that ids of different instances differ; 0 until the first request, before which
    /// the runtime gives no random numbers.
    instance: SendWrapper<Rc<Cell<u64>>>,
    requests: SendWrapper<Rc<Cell<u64>>>,
}

impl EdgeHost {
    pub(crate) fn new(namespaces: Option<NamespaceObjects>) -> Self {
        Self {
            namespaces: namespaces.map(SendWrapper::new),
            instance: SendWrapper::new(Rc::default()),
            requests: SendWrapper::new(Rc::default()),
        }
    }
}

impl Host for EdgeHost {
    fn monotonic_micros(&self) -> u64 {
        JsClock.now_millis() * 1000
    }

    fn unique_id(&self) -> u128 {
        if self.instance.get() == 0 {
            self.instance
                .set(getrandom::u64().unwrap_or_default().max(1));
        }
        self.requests.set(self.requests.get() + 1);
        u128::from(self.instance.get()) << 64 | u128::from(self.requests.get())
    }

    fn erase(&self, namespace: &str) -> BoxFuture<'static, Result<(), StoreError>> {
        let Some(objects) = &self.namespaces else {
            return Box::pin(ready(Ok(())));
        };
        let asked = objects.erase(namespace);
        Box::pin(SendWrapper::new(async move {
            let erased = async { JsFuture::from(asked?).await };
            erased
                .await
                .map(drop)
                .map_err(|thrown| store_error(&thrown))
        }))
    }
}

/// Runs futures in the event loop.
pub(crate) fn spawner() -> Spawn {
    Arc::new(|future: BoxFuture<'static, ()>| turn::spawn(future))
}
