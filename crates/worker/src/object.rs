//! The Durable Objects: the router over one namespace, one partition, one account, or the registry.

use std::{cell::Cell, rc::Rc, sync::Arc};

use axum::http::{HeaderValue, StatusCode};
use futures::FutureExt as _;
use js_sys::{Array, Uint8Array};
use quartz_api::Limits;
use quartz_core::{
    Clock as _, Metric, VectorCache,
    directory::Directory,
    keys::meta::Meta,
    namespace::{Change, Namespace},
    store::{MemoryStore, Store},
};
use quartz_http::{ApiState, App, Host};
use quartz_service::{
    AccountId, Accounts, Namespaces, SingleSignOn,
    peers::Peer,
    person::{SsoAttempts, SsoSettings},
};
use wasm_bindgen::prelude::*;

use crate::{
    deliveries::Deliveries,
    exchange::{self, Length},
    gate::{self, Gate},
    host::{self, EdgeHost, JsClock, NamespaceObjects, not_ready, spawner},
    listing::{Founded, Listing, Others},
    peers::{self, PeerObjects},
    settings::Settings,
    sql::{DurableObjectStorage, Sql, store_error},
    sso, sso_key,
    store::SqlStore,
    turn, usage,
};

/// Vectors that all objects of an isolate keep in memory together, in bytes.
const VECTOR_CACHE_BYTES: u64 = 12 << 20;
/// Requests that one object serves at once.
const CONCURRENT_REQUESTS: usize = 1024;
/// Rounds of maintenance in one alarm.
const ALARM_ROUNDS: usize = 16;
/// Until an alarm repeats what a lost request may have left undone.
const RETRY_MILLIS: u64 = 5_000;
/// Until an alarm repeats what one before it may have died of.
const AGAIN_MILLIS: u64 = 15 * 60 * 1000;
/// Until the account is told what was counted, and its log what was refused.
const TELL_MILLIS: u64 = 3_000;
/// Until sessions and links are looked through after somebody has signed in.
const SWEEP_MILLIS: u64 = 25 * 60 * 60 * 1000;
/// The status of a request that should have gone to another object; `entry.js` sees it, no client.
const MISDIRECTED: StatusCode = StatusCode::MISDIRECTED_REQUEST;

thread_local! {
    static VECTOR_CACHE: VectorCache = VectorCache::new(VECTOR_CACHE_BYTES);
}

/// A Durable Object. Its methods are called by `entry.js`.
#[wasm_bindgen]
pub struct QuartzObject(Rc<Inner>);

struct Inner {
    sql: Sql,
    directory: Directory,
    app: App,
    cors_origins: Vec<HeaderValue>,
    accounts: Accounts,
    /// The accounts and the registry.
    peers: PeerObjects,
    host: Arc<dyn Host>,
    role: Role,
    /// The alarm that is set, milliseconds since 1970, as far as this instance knows.
    alarm: Cell<Option<u64>>,
}

/// What an object is for.
enum Role {
    /// The people, and the list of the accounts.
    Registry {
        /// When sessions and links are looked through next.
        sweep_at: Cell<u64>,
    },
    /// An account, and the list of its namespaces.
    Account(AccountId, Deliveries),
    /// A namespace; if it has partitions, all its records are in those.
    Namespace(String, Box<Listing>),
    /// A partition of a namespace, which alone creates and deletes it.
    Partition(String),
}

#[wasm_bindgen]
impl QuartzObject {
    /// The object on this storage: of an account of this id if it reaches the objects of `namespaces`, of a
    /// namespace of this name if it reaches `others`, else of a partition of it; without a name, the registry.
    ///
    /// # Errors
    /// When a setting is missing or the storage fails.
    #[wasm_bindgen(constructor)]
    pub fn new(
        storage: DurableObjectStorage,
        env: &JsValue,
        peers: PeerObjects,
        name: Option<String>,
        others: Option<Others>,
        namespaces: Option<NamespaceObjects>,
    ) -> Result<Self, JsError> {
        let settings = Settings::read(env)?;
        let sql = Sql::new(storage);
        let store = SqlStore::open(sql.clone())?;
        let role = match (name, others, &namespaces) {
            (None, ..) => Role::Registry {
                // What an instance before this one has left is seen by the first alarm.
                sweep_at: Cell::new(0),
            },
            (Some(id), _, Some(_)) => {
                let id = id.parse().map_err(JsError::new)?;
                Role::Account(id, Deliveries::new(Arc::clone(&settings.webhook_networks)))
            }
            (Some(name), Some(others), None) => {
                let listing = Listing::open(&sql, others);
                let listing = listing.map_err(|thrown| store_error(&thrown))?;
                Role::Namespace(name, Box::new(listing))
            }
            (Some(name), None, None) => Role::Partition(name),
        };
        let here = role.peer();
        let own: Arc<dyn Store> = match here {
            Some(_) => Arc::new(store.at_once()),
            None => Arc::new(MemoryStore::default()),
        };
        let sso = match (here, &settings.sso) {
            (Some(Peer::Registry), Some(sso)) => Some(single_sign_on(sso, &settings, &sql)),
            _ => None,
        };
        let sso = sso.transpose().map_err(|thrown| store_error(&thrown))?;
        let accounts = host::accounts(own, &settings, sso, peers.clone(), here)?;
        let gatekeeper = Arc::new(Gate::new(peers.clone(), accounts.clone(), here));
        let cache = VECTOR_CACHE.with(Clone::clone);
        let directory = Directory::new(Arc::new(store), Arc::new(JsClock), cache, spawner());
        let directory = directory.now_or_never().ok_or_else(not_ready)??;
        let host: Arc<dyn Host> = Arc::new(EdgeHost::new(namespaces));
        let app = ApiState {
            directory: directory.clone(),
            limits: Limits::default(),
            accounts: accounts.clone(),
            gatekeeper,
            host: Arc::clone(&host),
            concurrent_requests: CONCURRENT_REQUESTS,
        }
        .share();
        Ok(Self(Rc::new(Inner {
            sql,
            directory,
            app,
            cors_origins: settings.cors_origins,
            accounts,
            peers,
            host,
            role,
            alarm: Cell::new(None),
        })))
    }

    /// Answers a request; see [`exchange`]. `is_part`: the front will join the answer with others.
    pub fn fetch(&self, head: String, body: JsValue, is_part: bool) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        let length = if is_part { Length::Told } else { Length::Seen };
        turn::answer(async move {
            let (method, target, _) = exchange::parts(&head);
            if inner.is_misdirected(method, target).await? {
                return exchange::bare(MISDIRECTED);
            }
            if inner.role.peer().is_none() && exchange::comes_in_pieces(&body) {
                // It may be cut off after its first commit.
                inner.set_alarm(JsClock.now_millis() + RETRY_MILLIS)?;
            }
            if method == "DELETE" {
                match &inner.role {
                    Role::Account(id, _) if target.starts_with("/v1/accounts/") => {
                        let account = inner.accounts.open(*id).await;
                        if account.map_err(JsError::from)?.is_some() {
                            // So may the closing of the account.
                            inner.set_alarm(JsClock.now_millis() + RETRY_MILLIS)?;
                        }
                    }
                    _ if is_whole(target) => inner.tell_usage().await?,
                    _ => {}
                }
            }
            let api = host::api(inner.app.clone(), &inner.cors_origins);
            let answer = exchange::answer(api, &head, body, length).await?;
            if !matches!(method, "GET" | "HEAD") {
                if let Role::Registry { sweep_at } = &inner.role
                    && target.starts_with("/v1/auth/")
                {
                    // What ends by its time is swept away then.
                    let at = JsClock.now_millis() + SWEEP_MILLIS;
                    sweep_at.set(sweep_at.get().min(at));
                    inner.set_alarm(at)?;
                }
                inner.follow_up().await?;
            }
            inner.note_usage()?;
            inner.note_denials()?;
            Ok(answer)
        })
    }

    /// Does what can wait, in bounded rounds, and asks for the next alarm.
    pub fn alarm(&self) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        turn::answer(async move {
            inner.alarm.set(None);
            inner.maintain().await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Of a namespace: `[partitions, metric, created_at]` if it has partitions and they are ready.
    pub fn placement(&self) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        turn::answer(async move {
            let Some(namespace) = inner.namespace().await? else {
                return Ok(JsValue::UNDEFINED);
            };
            let founded = Founded::of(&namespace).filter(|founded| founded.partitions > 1);
            let Some(founded) = founded else {
                return Ok(JsValue::UNDEFINED);
            };
            inner.follow_up().await?;
            let metric = match namespace.view().config().metric {
                Metric::Cosine => "cosine",
                Metric::Dot => "dot",
                Metric::Euclidean => "euclidean",
            };
            let created_at = JsValue::from_f64(founded.created_at as f64);
            Ok(Array::of3(&founded.partitions.into(), &metric.into(), &created_at).into())
        })
    }

    /// What this object, an account or the registry, says of a credential.
    pub fn admit(&self, key: &str, address: Option<String>) -> Result<JsValue, JsValue> {
        let (accounts, key) = (self.0.accounts.clone(), key.to_owned());
        turn::answer(async move { Ok(gate::verdict(&accounts, &key, address).await.into()) })
    }

    /// Answers a peer; see [`peers`].
    pub fn ask(&self, ask: String) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        turn::answer(async move {
            let answer = peers::answer(&inner.accounts, &ask).await?;
            inner.note_messages()?;
            inner.note_denials()?;
            Ok(answer.into())
        })
    }

    /// Enters a namespace in the list of the account that this object is.
    pub fn enter(&self, name: &str, created_at: f64) -> Result<JsValue, JsValue> {
        let (directory, name) = (self.0.directory.clone(), name.to_owned());
        turn::answer(async move {
            let entered = directory.enter(&name, created_at as u64).await;
            entered.map_err(JsError::from)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Takes over what a namespace of the account, or a partition of it, has counted; see [`usage`].
    pub fn told(&self, name: &str, part: Option<u16>, usage: &str) -> Result<JsValue, JsValue> {
        let (inner, name) = (Rc::clone(&self.0), name.to_owned());
        let metered = usage::heard(usage);
        turn::answer(async move {
            let told = inner.accounts.told(&name, part, metered?).await;
            told.map_err(JsError::from)?;
            inner.note_messages()?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Creates the partition that this object is, as the namespace describes itself.
    pub fn found(&self, meta: &Uint8Array) -> Result<JsValue, JsValue> {
        let (inner, meta) = (Rc::clone(&self.0), meta.to_vec());
        turn::answer(async move {
            let Role::Partition(name) = &inner.role else {
                return Err(JsError::new("this object is no partition").into());
            };
            let meta = Meta::decode(meta.into()).map_err(JsError::new)?;
            let namespace = inner
                .directory
                .open_or_create(name)
                .await
                .map_err(JsError::from)?;
            let written = namespace.write(Change::Configure(meta.config)).await;
            written.map_err(JsError::from)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Takes a namespace out of the list of the account, or deletes the partition, that this object is.
    pub fn leave(&self, name: &str) -> Result<JsValue, JsValue> {
        let (inner, name) = (Rc::clone(&self.0), name.to_owned());
        turn::answer(async move {
            inner.tell_usage().await?;
            inner.directory.delete(&name).await.map_err(JsError::from)?;
            let forgotten = inner.accounts.forget(&name).await;
            forgotten.map_err(JsError::from)?;
            inner.set_alarm(JsClock.now_millis())?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Deletes the namespace that this object is, and sees to it that the others know; what is stored
    /// here may then be thrown away.
    pub fn erase(&self) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        turn::answer(async move {
            let Role::Namespace(name, listing) = &inner.role else {
                return Err(JsError::new("this object is no namespace").into());
            };
            inner.directory.delete(name).await.map_err(JsError::from)?;
            inner.update_listing(listing).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Finishes what was cut off while the account that this object is was created or closed.
    pub fn settle(&self) -> Result<JsValue, JsValue> {
        let inner = Rc::clone(&self.0);
        turn::answer(async move {
            inner.settle().await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Of the registry: ids of accounts that are to be [settled](Self::settle), among some after `after`, and the
    /// last of those, if there are more.
    pub fn unsettled(&self, after: Option<String>) -> Result<JsValue, JsValue> {
        let accounts = self.0.accounts.clone();
        turn::answer(async move {
            let after = after.map(|id| id.parse::<AccountId>());
            let after = after.transpose().map_err(JsError::new)?;
            let (ids, next) = accounts.unsettled(after).await.map_err(JsError::from)?;
            let text = |id: AccountId| JsValue::from_str(id.as_str());
            let ids = ids.into_iter().map(text).collect::<Array>();
            Ok(Array::of2(&ids, &next.map_or(JsValue::UNDEFINED, text)).into())
        })
    }
}

impl Role {
    /// What others ask here, if they do.
    const fn peer(&self) -> Option<Peer> {
        match self {
            Self::Registry { .. } => Some(Peer::Registry),
            Self::Account(id, _) => Some(Peer::Account(*id)),
            Self::Namespace(..) | Self::Partition(_) => None,
        }
    }
}

impl Inner {
    /// The namespace of this object, if it exists.
    async fn namespace(&self) -> Result<Option<Namespace>, JsError> {
        match &self.role {
            Role::Registry { .. } | Role::Account(..) => Ok(None),
            Role::Namespace(name, _) | Role::Partition(name) => {
                Ok(self.directory.open(name).await?)
            }
        }
    }

    /// Whether the sender relied on a placement that has changed.
    async fn is_misdirected(&self, method: &str, target: &str) -> Result<bool, JsError> {
        match &self.role {
            Role::Registry { .. } | Role::Account(..) => Ok(false),
            Role::Partition(_) => Ok(self.namespace().await?.is_none()),
            Role::Namespace(..) => {
                if is_whole(target) && matches!(method, "PUT" | "DELETE") {
                    return Ok(false);
                }
                let namespace = self.namespace().await?;
                let founded = namespace.as_ref().and_then(Founded::of);
                Ok(founded.is_some_and(|founded| founded.partitions > 1))
            }
        }
    }

    /// What is due after a request that may have written.
    async fn follow_up(&self) -> Result<(), JsValue> {
        if let Role::Namespace(_, listing) = &self.role {
            let namespace = self.namespace().await?;
            if listing.is_due(namespace.as_ref().and_then(Founded::of)) {
                // Deleted or created: should this request be cut off, the alarm does the rest. After
                // a deletion it also reclaims the space.
                self.set_alarm(JsClock.now_millis() + RETRY_MILLIS)?;
                self.update_listing(listing).await?;
            }
        }
        self.note_messages()?;
        match self.directory.next_expiry() {
            Some(at) => self.set_alarm(at),
            None => Ok(()),
        }
    }

    /// Has the first message of the account sent when it is due.
    fn note_messages(&self) -> Result<(), JsValue> {
        match self.accounts.next_message() {
            Some(at) => self.set_alarm(at),
            None => Ok(()),
        }
    }

    /// Sends messages that are due.
    async fn deliver(&self, deliveries: &Deliveries) -> Result<(), JsValue> {
        let there = deliveries.are_there(&self.accounts).await;
        if there.map_err(JsError::from)? {
            // Should this be the end of the instance, and of all that the platform tries after it.
            self.set_alarm(JsClock.now_millis() + AGAIN_MILLIS)?;
            let sent = deliveries.send(&self.accounts).await;
            sent.map_err(JsError::from)?;
        }
        self.note_messages()
    }

    /// Finishes what was cut off of the account here.
    async fn settle(&self) -> Result<(), JsValue> {
        let Role::Account(id, _) = &self.role else {
            return Err(JsError::new("this object is no account").into());
        };
        let host = Arc::clone(&self.host);
        let namespaces = Namespaces {
            directory: &self.directory,
            elsewhere: &|name| host.erase(name),
        };
        let settled = self.accounts.settle(*id, &namespaces).await;
        settled.map_err(|error| JsError::from(error).into())
    }

    /// Has the account told within seconds, if something was counted.
    fn note_usage(&self) -> Result<(), JsValue> {
        let uncollected =
            |(_, namespace): &(String, Namespace)| namespace.exists() && namespace.is_uncollected();
        let mut open = self.directory.open_namespaces(|_| true).into_iter();
        match open.any(|one| uncollected(&one)) {
            true => self.set_alarm(JsClock.now_millis() + TELL_MILLIS),
            false => Ok(()),
        }
    }

    /// Has what was refused put into the logs of accounts within seconds: it is in memory, and that may end.
    fn note_denials(&self) -> Result<(), JsValue> {
        match self.accounts.has_denials() {
            true => self.set_alarm(JsClock.now_millis() + TELL_MILLIS),
            false => Ok(()),
        }
    }

    async fn tell_usage(&self) -> Result<(), JsValue> {
        match self.namespace().await? {
            Some(namespace) => usage::tell(&namespace, &self.peers).await,
            None => Ok(()),
        }
    }

    async fn maintain(&self) -> Result<(), JsValue> {
        // Opened, it is seen by the maintenance.
        self.namespace().await?;
        self.tell_usage().await?;
        if let Err(error) = self.accounts.flush_denials().await {
            tracing::warn!(%error, "denials could not be put into the audit log");
        }
        match &self.role {
            Role::Registry { sweep_at } => self.sweep(sweep_at).await?,
            Role::Account(id, deliveries) => {
                if self.accounts.is_closing(*id).await.map_err(JsError::from)? {
                    self.settle().await?;
                }
                self.deliver(deliveries).await?;
            }
            Role::Namespace(_, listing) => self.update_listing(listing).await?,
            Role::Partition(_) => {}
        }
        for _ in 0..ALARM_ROUNDS {
            let done = self.directory.maintain().await.map_err(JsError::from)?;
            if !done.more {
                return match self.directory.next_expiry() {
                    Some(at) => self.set_alarm(at),
                    None => Ok(()),
                };
            }
        }
        self.set_alarm(JsClock.now_millis())
    }

    /// Removes sessions and links that have ended, if it is time.
    async fn sweep(&self, sweep_at: &Cell<u64>) -> Result<(), JsValue> {
        self.accounts.close_idle();
        let now = JsClock.now_millis();
        if sweep_at.get() <= now {
            let mut from = None;
            for _ in 0..ALARM_ROUNDS {
                let swept = self.accounts.sweep_people(from).await;
                from = swept.map_err(JsError::from)?;
                if from.is_none() {
                    break;
                }
            }
            let remain = self.accounts.has_people().await.map_err(JsError::from)?;
            sweep_at.set(if remain { now + SWEEP_MILLIS } else { u64::MAX });
        }
        match sweep_at.get() {
            u64::MAX => Ok(()),
            at => self.set_alarm(at),
        }
    }

    /// Makes the others know what is so.
    async fn update_listing(&self, listing: &Listing) -> Result<(), JsValue> {
        let _turn = listing.turn.lock().await;
        loop {
            let namespace = self.namespace().await?;
            if !listing.is_due(namespace.as_ref().and_then(Founded::of)) {
                return Ok(());
            }
            listing.tell(namespace.as_ref()).await?;
        }
    }

    /// Sees to it that an alarm comes at `at` or earlier.
    fn set_alarm(&self, at: u64) -> Result<(), JsValue> {
        if self.alarm.get().is_some_and(|set| set <= at) {
            return Ok(());
        }
        self.sql.set_alarm(at)?;
        self.alarm.set(Some(at));
        Ok(())
    }
}

/// Single sign-on at the registry, whose storage this is.
fn single_sign_on(
    sso: &SsoSettings,
    settings: &Settings,
    sql: &Sql,
) -> Result<Arc<SingleSignOn>, JsValue> {
    let attempts = SsoAttempts::new(sso_key::load_or_make(sql)?);
    let made = sso::single_sign_on(sso, &settings.people.public_url, attempts);
    made.map(Arc::new)
}

/// Whether a path below `/v1/namespaces` is that of a whole namespace.
fn is_whole(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.split('/').count() == "/v1/namespaces/{ns}".split('/').count()
}
