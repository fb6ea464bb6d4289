//! The front Worker: says which object a request goes to, and answers what goes to none.

use std::{cell::OnceCell, sync::Arc};

use axum::{
    Extension,
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use futures::FutureExt as _;
use js_sys::Function;
use quartz_api::{Limits, Metric};
use quartz_core::{VectorCache, directory::Directory, store::BoxFuture};
use quartz_http::{
    ApiState, App, Partitioned, Partitions, Subject, auth::credential_in, only_partition, subject,
};
use quartz_service::{
    Accounts, Admission, Denial, Gatekeeper as _, Grant, Keeper, Knock, peers::Peer,
};
use send_wrapper::SendWrapper;
use tower::Layer as _;
use wasm_bindgen::prelude::*;

use crate::{
    exchange::{self, Length},
    gate::Gate,
    host::{self, EdgeHost, JsClock, not_ready, spawner},
    nowhere::Nowhere,
    peers::PeerObjects,
    settings::Settings,
    turn,
};

/// Requests that one isolate answers by itself at once.
const CONCURRENT_REQUESTS: usize = 1024;

/// The stateless half of the Worker. Its methods are called by `entry.js`.
#[wasm_bindgen]
pub struct Front {
    settings: Settings,
    /// Where nothing is.
    store: Arc<Nowhere>,
    /// None: all are elsewhere.
    accounts: Accounts,
    gate: Arc<Gate>,
    /// For documents, refusals, preflights and joined answers. Made when it is first needed.
    app: OnceCell<App>,
}

#[wasm_bindgen]
impl Front {
    /// The front with the settings of `env`.
    ///
    /// # Errors
    /// When a setting is missing.
    #[wasm_bindgen(constructor)]
    pub fn new(env: &JsValue, objects: PeerObjects) -> Result<Self, JsError> {
        let settings = Settings::read(env)?;
        let store = Arc::new(Nowhere::default());
        let accounts = host::accounts(store.clone(), &settings, None, objects.clone(), None)?;
        Ok(Self {
            settings,
            store,
            gate: Arc::new(Gate::new(objects, accounts.clone(), None)),
            accounts,
            app: OnceCell::new(),
        })
    }

    /// Where a request goes: `namespace ACCOUNT NAME`, `account ACCOUNT`, `registry`, or nothing, which is
    /// [`fetch`](Self::fetch): what is wrong with a path or a key, the router says. A promise of it, if
    /// whoever keeps the credential has to be asked. The headers are those that may hold a credential, with a
    /// line for each name and each value.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub fn route(
        &self,
        method: &str,
        path: &str,
        address: Option<String>,
        headers: &str,
    ) -> Result<JsValue, JsValue> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let subject = subject(&method, path);
        match subject {
            Subject::Nothing => return Ok("".into()),
            // Their routers let in by themselves, and some of it needs no credential.
            Subject::Registry => return Ok("registry".into()),
            _ => {}
        }
        let mut carried = HeaderMap::new();
        if exchange::read_lines(headers, &mut carried).is_err() {
            return Ok("".into());
        }
        let over_tls = exchange::over_tls(&carried);
        let secure = self.settings.people.is_secure(over_tls);
        let Some(credential) = credential_in(&method, &carried, secure) else {
            return Ok("".into());
        };
        let address = address.and_then(|address| address.parse().ok());
        let knock = Knock {
            credential,
            address,
        };
        let known = match (self.gate.keeper(&knock), &subject) {
            (Keeper::Nobody(Err(_)), _) => return Ok("".into()),
            (_, Subject::Account(id)) => Some(*id),
            (_, Subject::NewAccount) => Some(host::new_account()),
            // The account itself lets in.
            (Keeper::Nobody(Ok(grant)), Subject::Caller) => Some(grant.account),
            (Keeper::Peer(Peer::Account(id)), Subject::Caller) => Some(id),
            _ => None,
        };
        if let Some(id) = known {
            return Ok(format!("account {id}").into());
        }
        match self.gate.admit(knock) {
            Admission::Ready(admitted) => Ok(destination(admitted, &subject)),
            Admission::Pending(asked) => {
                turn::answer(async move { Ok(destination(asked.await, &subject)) })
            }
        }
    }

    /// The only partition, of so many, that a request to this path is about; -1 if there is none.
    #[must_use]
    pub fn partition(&self, path: &str, partitions: u16) -> i32 {
        only_partition(path, partitions).map_or(-1, i32::from)
    }

    /// Answers a request about several partitions of a namespace. `send` brings a request to one of them;
    /// see [`exchange::send`].
    pub fn gather(
        &self,
        name: String,
        partitions: u16,
        metric: &str,
        send: Function,
        head: String,
        body: JsValue,
    ) -> Result<JsValue, JsValue> {
        let space = Partitioned {
            name,
            count: partitions,
            metric: match metric {
                "dot" => Metric::Dot,
                "euclidean" => Metric::Euclidean,
                _ => Metric::Cosine,
            },
            partitions: Arc::new(Apart(SendWrapper::new(send))),
        };
        let gather = self
            .app()
            .map(|app| host::gather(app, &self.settings.cors_origins));
        turn::answer(async move {
            let gather = Extension(space).layer(gather?);
            exchange::answer(gather, &head, body, Length::Seen).await
        })
    }

    /// Answers a request that goes to no object.
    pub fn fetch(&self, head: String, body: JsValue) -> Result<JsValue, JsValue> {
        let api = self
            .app()
            .map(|app| host::api(app, &self.settings.cors_origins));
        turn::answer(async move { exchange::answer(api?, &head, body, Length::Seen).await })
    }
}

/// Where an admitted request goes.
fn destination(admitted: Result<Arc<Grant>, Denial>, subject: &Subject) -> JsValue {
    match (admitted, subject) {
        (Ok(grant), Subject::Namespace(name)) => {
            format!("namespace {} {name}", grant.account).into()
        }
        (Ok(grant), Subject::Caller) => format!("account {}", grant.account).into(),
        _ => "".into(),
    }
}

impl Front {
    /// The app of no namespace: all are elsewhere.
    fn app(&self) -> Result<App, JsError> {
        if let Some(app) = self.app.get() {
            return Ok(app.clone());
        }
        let (store, cache) = (self.store.clone(), VectorCache::new(0));
        let directory = Directory::new(store, Arc::new(JsClock), cache, spawner());
        let directory = directory.now_or_never().ok_or_else(not_ready)??;
        self.store.close();
        let app = ApiState {
            directory,
            limits: Limits::default(),
            accounts: self.accounts.clone(),
            gatekeeper: self.gate.clone(),
            host: Arc::new(EdgeHost::new(None)),
            concurrent_requests: CONCURRENT_REQUESTS,
        }
        .share();
        Ok(self.app.get_or_init(|| app).clone())
    }
}

/// Partitions in objects of their own.
struct Apart(SendWrapper<Function>);

impl Partitions for Apart {
    fn call(&self, partition: u16, request: Request) -> BoxFuture<'static, Response> {
        let send = self.0.clone();
        Box::pin(SendWrapper::new(async move {
            exchange::send(&send, partition, request)
                .await
                .unwrap_or_else(|thrown| {
                    tracing::error!(?thrown, partition, "a partition could not be asked");
                    let mut response = Response::default();
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    response
                })
        }))
    }
}
