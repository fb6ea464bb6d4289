//! The person actor: like an account, one writer, reads on the state of the last commit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use futures::lock::Mutex;
use quartz_core::store::{Batch, Durability, Result as StoreResult, Snapshot, Store};

use super::PersonId;
use crate::{
    AccountId,
    error::Result,
    rows::{
        self, Kind,
        link::{self, StoredLink},
        person::{self, StoredPerson},
        session::{self, StoredSession},
    },
};

/// Browsers where a person is signed in at most; the session that began first ends.
const SESSIONS_MAX: usize = 20;
/// Links that are good at the same time; the one that ends first goes.
const LINKS_MAX: usize = 5;

/// A handle on a person, or on an address that is nobody's yet. Clones share it.
#[derive(Clone)]
pub(crate) struct Person(Arc<Shared>);

struct Shared {
    id: PersonId,
    store: Arc<dyn Store>,
    state: ArcSwap<State>,
    /// Held while a change is decided and committed.
    writer: Mutex<()>,
    /// A commit has begun whose end is not known: the state is to be read again.
    uncertain: AtomicBool,
}

/// Everything of a person, as of one commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) person: Option<StoredPerson>,
    pub(crate) sessions: Vec<([u8; 32], StoredSession)>,
    pub(crate) links: Vec<([u8; 32], StoredLink)>,
}

/// A change on its way to be committed.
pub(crate) struct Draft {
    pub(crate) state: State,
    batch: Batch,
}

impl Person {
    /// The person whose rows are in `store`.
    pub(super) async fn open(id: PersonId, store: Arc<dyn Store>) -> StoreResult<Self> {
        let state = State::load(&*store).await?;
        Ok(Self(Arc::new(Shared {
            id,
            store,
            state: ArcSwap::from_pointee(state),
            writer: Mutex::new(()),
            uncertain: AtomicBool::new(false),
        })))
    }

    pub(crate) fn id(&self) -> PersonId {
        self.0.id
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.0.state.load_full()
    }

    /// Whether the published state may be older than the store.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.0.uncertain.load(Ordering::Acquire)
    }

    /// Whether nobody else has a handle.
    pub(super) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Decides a change on the present state, commits and publishes it. What has ended goes with it.
    pub(crate) async fn change<T>(
        &self,
        now: u64,
        decide: impl FnOnce(&mut Draft) -> Result<T>,
    ) -> Result<T> {
        self.change_with(now, Durability::Disk, decide).await
    }

    pub(crate) async fn change_with<T>(
        &self,
        now: u64,
        durability: Durability,
        decide: impl FnOnce(&mut Draft) -> Result<T>,
    ) -> Result<T> {
        let shared = &*self.0;
        let _guard = shared.writer.lock().await;
        if self.is_uncertain() {
            let state = State::load(&*shared.store).await?;
            shared.state.store(Arc::new(state));
            shared.uncertain.store(false, Ordering::Release);
        }
        let mut draft = Draft {
            state: State::clone(&shared.state.load()),
            batch: Batch::default(),
        };
        draft.prune(now);
        let answer = decide(&mut draft)?;
        if draft.batch.is_empty() {
            return Ok(answer);
        }
        // If this future is dropped in the middle, the next one reads what became of it.
        shared.uncertain.store(true, Ordering::Release);
        shared.store.commit(draft.batch, durability).await?;
        shared.state.store(Arc::new(draft.state));
        shared.uncertain.store(false, Ordering::Release);
        Ok(answer)
    }
}

impl State {
    async fn load(store: &dyn Store) -> StoreResult<Self> {
        let snapshot = store.snapshot().await?;
        let snapshot: &dyn Snapshot = &*snapshot;
        let key = person::key();
        let person = match snapshot.get(&key).await? {
            None => None,
            Some(value) => Some(rows::decode(&key, &value)?),
        };
        Ok(Self {
            person,
            sessions: hashed(snapshot, Kind::Session).await?,
            links: hashed(snapshot, Kind::Link).await?,
        })
    }

    pub(crate) fn session(&self, hash: &[u8; 32]) -> Option<&StoredSession> {
        let found = self.sessions.iter().find(|(other, _)| other == hash);
        found.map(|(_, session)| session)
    }

    pub(crate) fn link(&self, hash: &[u8; 32], now: u64) -> Option<&StoredLink> {
        let found = self.links.iter().find(|(other, _)| other == hash);
        let found = found.filter(|(_, link)| now < link.expires_at);
        found.map(|(_, link)| link)
    }
}

impl Draft {
    pub(crate) fn put_person(&mut self, person: StoredPerson) {
        self.batch.put(person::key(), rows::encode(&person));
        self.state.person = Some(person);
    }

    pub(crate) fn put_session(&mut self, hash: [u8; 32], session: StoredSession) {
        self.state.sessions.retain(|(other, _)| *other != hash);
        while self.state.sessions.len() >= SESSIONS_MAX {
            let sessions = self.state.sessions.iter();
            let Some(&(first, _)) = sessions.min_by_key(|(_, session)| session.created_at) else {
                break;
            };
            self.end_session(&first);
        }
        self.batch.put(session::key(&hash), rows::encode(&session));
        self.state.sessions.push((hash, session));
    }

    /// Ends a session; says whether there was one.
    pub(crate) fn end_session(&mut self, hash: &[u8; 32]) -> bool {
        self.end_sessions(|other, _| other == hash)
    }

    /// Ends the sessions that `which` says; says whether there was one.
    pub(crate) fn end_sessions(
        &mut self,
        which: impl Fn(&[u8; 32], &StoredSession) -> bool,
    ) -> bool {
        let before = self.state.sessions.len();
        let batch = &mut self.batch;
        self.state.sessions.retain(|(hash, session)| {
            let ends = which(hash, session);
            if ends {
                batch.delete(session::key(hash));
            }
            !ends
        });
        self.state.sessions.len() < before
    }

    pub(crate) fn put_link(&mut self, hash: [u8; 32], link: StoredLink) {
        while self.state.links.len() >= LINKS_MAX {
            let links = self.state.links.iter();
            let Some(&(first, _)) = links.min_by_key(|(_, link)| link.expires_at) else {
                break;
            };
            self.drop_links(|hash, _| *hash == first);
        }
        self.batch.put(link::key(&hash), rows::encode(&link));
        self.state.links.push((hash, link));
    }

    /// Takes the links away that `which` says.
    pub(crate) fn drop_links(&mut self, which: impl Fn(&[u8; 32], &StoredLink) -> bool) {
        let batch = &mut self.batch;
        self.state.links.retain(|(hash, link)| {
            let goes = which(hash, link);
            if goes {
                batch.delete(link::key(hash));
            }
            !goes
        });
    }

    /// Leaves an account; who is in no other is erased.
    pub(crate) fn leave(&mut self, account: AccountId) {
        self.end_sessions(|_, session| session.account == account);
        let Some(mut person) = self.state.person.clone() else {
            return;
        };
        person.accounts.retain(|other| *other != account);
        if person.accounts.is_empty() {
            self.batch.delete(person::key());
            self.state.person = None;
            self.end_sessions(|_, _| true);
            self.drop_links(|_, _| true);
        } else {
            self.put_person(person);
        }
    }

    /// Removes what has ended by its time alone.
    fn prune(&mut self, now: u64) {
        self.drop_links(|_, link| link.expires_at <= now);
    }
}

async fn hashed<T: serde::de::DeserializeOwned>(
    snapshot: &dyn Snapshot,
    kind: Kind,
) -> StoreResult<Vec<([u8; 32], T)>> {
    let mut list = Vec::new();
    for (key, value) in rows::all(snapshot, kind).await? {
        list.push((rows::number(&key)?, value));
    }
    Ok(list)
}
