//! The account actor: one writer, reads on the state of the last commit.
//!
//! Every change is decided on the state, committed with its audit entry, and published. There are few
//! of them, so a lock orders them; what requests need of an account is read from the published state
//! without waiting.

mod api_keys;
mod denials;
mod members;
mod outbox;
mod roles;
mod state;
mod usage;
mod webhooks;

use core::net::IpAddr;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use futures::lock::Mutex;
use quartz_core::store::{Batch, Durability, Store, StoreError};

pub use self::{
    api_keys::{ApiKey, Issued, KeyChange, NewKey},
    members::{Invitation, Invited, Member},
    roles::RoleEntry,
    usage::{Balance, UsageLine, UsageQuery},
    webhooks::{Attempt, DeliveryPage, Hook, Message, NewSecret, NewWebhook},
};
pub(crate) use self::{state::State, usage::PART};
use crate::{
    AccountId, AuditPage, Denial, Email, Grant, PersonId, Ports, audit,
    denials::Gathered,
    error::{Error, Result},
    roles::OWNER,
    rows::{
        self,
        audit::Entry,
        delivery::{Datum, Event},
        member::{self, StoredMember},
        profile::{self, Profile},
    },
    token::Claims,
    webhook,
};

/// A handle on an account. Clones share it.
#[derive(Clone)]
pub struct Account(Arc<Shared>);

struct Shared {
    id: AccountId,
    store: Arc<dyn Store>,
    ports: Arc<Ports>,
    state: ArcSwap<State>,
    /// Held while a change is decided and committed.
    writer: Mutex<()>,
    /// A commit has begun whose end is not known: the state is to be read again.
    uncertain: AtomicBool,
    denials: Gathered,
}

/// On whose behalf something is done, for the decision and the audit log.
#[derive(Clone, Debug)]
pub struct By {
    /// What they may do.
    pub grant: Arc<Grant>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The request.
    pub request_id: String,
}

/// What an account is founded with.
pub(crate) struct Founding<'a> {
    pub(crate) name: &'a str,
    pub(crate) plan: &'a str,
    /// Its first member.
    pub(crate) owner: Option<&'a Email>,
}

/// A change that was decided but not committed.
struct Change<T> {
    batch: Batch,
    state: State,
    action: &'static str,
    target: String,
    detail: String,
    answer: T,
}

impl Account {
    /// The account in `store`, if there is one. Costs a read of its keys and roles.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn open(
        id: AccountId,
        store: Arc<dyn Store>,
        ports: Arc<Ports>,
    ) -> Result<Option<Self>, StoreError> {
        let plans = ports.plans.load_full();
        let Some(state) = State::load(id, &*store, &plans, None).await? else {
            return Ok(None);
        };
        state.settle(ports.clock.now_millis());
        Ok(Some(Self(Arc::new(Shared {
            id,
            store,
            ports,
            state: ArcSwap::from_pointee(state),
            writer: Mutex::new(()),
            uncertain: AtomicBool::new(false),
            denials: Gathered::default(),
        }))))
    }

    /// Creates the account in `store`, which must not hold one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn create(
        id: AccountId,
        store: Arc<dyn Store>,
        ports: Arc<Ports>,
        new: &Founding<'_>,
        by: Entry,
    ) -> Result<(), StoreError> {
        let now = ports.clock.now_millis();
        let profile = Profile {
            name: new.name.to_owned(),
            created_at: now,
            plan: new.plan.to_owned(),
            suspended: None,
            budget_micros: None,
            pepper: ports.random(),
            next_key: 1 + u32::from(new.owner.is_some()),
        };
        let mut batch = Batch::default();
        batch.put(profile::key(), rows::encode(&profile));
        if let Some(owner) = new.owner {
            let member = StoredMember {
                person: PersonId::of(owner),
                email: owner.as_str().to_owned(),
                role: OWNER.name.to_owned(),
                since: now,
            };
            batch.put(member::key(1), rows::encode(&member));
        }
        let _ = audit::append(
            &mut batch,
            audit::head(&*store.snapshot().await?).await?,
            by,
        );
        store.commit(batch, Durability::Disk).await?;
        tracing::info!(account = %id, "an account was created");
        Ok(())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.0.id
    }

    /// What it is.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.0.state.load().profile.clone()
    }

    /// The grant of a key of this account. Costs a hash; waits for nothing.
    ///
    /// # Errors
    /// [`Denial::Unknown`] for a key that is not one of the account's, or no longer.
    pub fn grant(&self, key: &str) -> Result<Arc<Grant>, Denial> {
        let state = self.0.state.load();
        if state.profile.suspended.is_some() {
            return Err(Denial::Suspended);
        }
        state.grant(key, self.0.ports.clock.now_millis())
    }

    /// The grant of a member's session.
    ///
    /// # Errors
    /// [`Denial::Session`] if the person is no member.
    pub(crate) fn session_grant(&self, person: PersonId) -> Result<Arc<Grant>, Denial> {
        let state = self.0.state.load();
        if state.profile.suspended.is_some() {
            return Err(Denial::Suspended);
        }
        state.badge(person).ok_or(Denial::Session)
    }

    /// The grant of a scoped token made from a key of this account. Costs the check of a signature.
    ///
    /// # Errors
    /// [`Denial::Unknown`] if no key of the account has signed it, [`Denial::Token`] if it lives too long.
    pub(crate) fn token_grant(&self, token: &str, claims: &Claims) -> Result<Arc<Grant>, Denial> {
        let state = self.0.state.load();
        if state.profile.suspended.is_some() {
            return Err(Denial::Suspended);
        }
        let now = self.0.ports.clock.now_millis();
        state.token_grant(token, claims, now)
    }

    /// Whether the published state may be older than the store: [`refresh`](Self::refresh) it first.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.0.uncertain.load(Ordering::Acquire)
    }

    /// Reads the state again if a commit ended without its end being known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _guard = self.0.writer.lock().await;
        self.reload().await
    }

    /// Up to `limit` entries of the audit log after number `after`.
    ///
    /// # Errors
    /// When the store fails or holds damaged data.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<AuditPage> {
        let snapshot = self.0.store.snapshot().await?;
        Ok(audit::page(&*snapshot, after, limit).await?)
    }

    /// Renames the account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rename(&self, by: &By, name: &str) -> Result<Profile> {
        self.change(by, |state| {
            let profile = Profile {
                name: name.to_owned(),
                ..state.profile.clone()
            };
            Ok(profile_change(state, profile, "account.rename", ""))
        })
        .await
    }

    /// Suspends the account for a reason, or ends its suspension.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn suspend(&self, by: &By, reason: Option<&str>) -> Result<Profile> {
        if self.0.id.is_root() {
            let why = "the account that runs the server cannot be suspended";
            return Err(Error::Conflict(why.to_owned()));
        }
        self.change(by, |state| {
            let profile = Profile {
                suspended: reason.map(str::to_owned),
                ..state.profile.clone()
            };
            let action = match reason {
                Some(_) => "account.suspend",
                None => "account.resume",
            };
            Ok(profile_change(
                state,
                profile,
                action,
                reason.unwrap_or_default(),
            ))
        })
        .await
    }

    /// Decides a change on the present state, commits it with its audit entry, and publishes it.
    async fn change<T>(
        &self,
        by: &By,
        decide: impl FnOnce(&State) -> Result<Change<T>>,
    ) -> Result<T> {
        let shared = &*self.0;
        let _guard = shared.writer.lock().await;
        self.reload().await?;
        let state = shared.state.load_full();
        let Change {
            mut batch,
            state: mut next,
            action,
            target,
            detail,
            answer,
        } = decide(&state)?;
        let now = shared.ports.clock.now_millis();
        let entry = Entry {
            action: action.to_owned(),
            target,
            detail,
            outcome: "done".to_owned(),
            ..by.entry(now)
        };
        if let Some((kind, mut data)) = webhook::of_action(action, &entry.target) {
            data.push(("by".to_owned(), Datum::Text(entry.actor.clone())));
            data.push(("detail".to_owned(), Datum::Text(entry.detail.clone())));
            let kind = kind.to_owned();
            next.announce(
                &mut batch,
                &Event {
                    kind,
                    at: now,
                    data,
                },
            );
        }
        next.head = audit::append(&mut batch, state.head, entry);
        next.notice(&mut batch, now);
        self.publish(batch, next, Durability::Disk).await?;
        Ok(answer)
    }

    /// Commits, then publishes what there is now. The writer's lock must be held.
    async fn publish(
        &self,
        batch: Batch,
        next: State,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let shared = &*self.0;
        if batch.is_empty() {
            return Ok(());
        }
        // If this future is dropped in the middle, the next one reads what became of it.
        shared.uncertain.store(true, Ordering::Release);
        shared.store.commit(batch, durability).await?;
        next.settle(shared.ports.clock.now_millis());
        shared.state.store(Arc::new(next));
        shared.uncertain.store(false, Ordering::Release);
        Ok(())
    }

    /// Reads the state again if it is uncertain. The writer's lock must be held.
    async fn reload(&self) -> Result<(), StoreError> {
        let shared = &*self.0;
        if !shared.uncertain.load(Ordering::Acquire) {
            return Ok(());
        }
        let before = shared.state.load_full();
        let plans = shared.ports.plans.load_full();
        let state = State::load(shared.id, &*shared.store, &plans, Some(&before)).await?;
        let gone = || StoreError::Unavailable("the account is being closed".to_owned());
        let state = state.ok_or_else(gone)?;
        state.settle(shared.ports.clock.now_millis());
        shared.state.store(Arc::new(state));
        shared.uncertain.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether nobody else has a handle.
    pub(crate) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

fn profile_change(
    state: &State,
    profile: Profile,
    action: &'static str,
    detail: &str,
) -> Change<Profile> {
    let mut batch = Batch::default();
    batch.put(profile::key(), rows::encode(&profile));
    let mut state = state.clone();
    state.profile = profile.clone();
    Change {
        batch,
        state,
        action,
        target: "account".to_owned(),
        detail: detail.to_owned(),
        answer: profile,
    }
}

impl By {
    /// An audit entry that says who, when and where.
    pub(crate) fn entry(&self, now: u64) -> Entry {
        let foreign = self.grant.account;
        Entry {
            at: now,
            actor: format!("{foreign}/{}", self.grant.actor()),
            address: self
                .address
                .map(|address| address.to_string())
                .unwrap_or_default(),
            request_id: self.request_id.clone(),
            ..Entry::default()
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Account").field(&self.0.id).finish()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod webhook_tests;
