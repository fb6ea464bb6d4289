//! API keys: issue, change, rotate, revoke. A key never does more than the one that made it.

use std::sync::Arc;

use quartz_core::store::Batch;

use super::{Account, By, Change, State};
use crate::{
    Grant, Network, Permission,
    bounds::room,
    error::{Error, Result},
    key_text,
    roles::AUDITOR,
    rows::{
        self,
        api_key::{self, Former, StoredKey},
        profile::{self, Profile},
    },
    token,
};

/// Characters of a key that are kept to tell keys apart; they are of the checksum.
const HINT_CHARS: usize = 4;

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// A built-in role or one of the account's own.
    pub role: String,
    /// Only namespaces that begin with one of these; empty: all that the maker reaches.
    pub prefixes: Vec<String>,
    /// Only from these addresses; empty: all that the maker may come from.
    pub networks: Vec<Network>,
    /// When it ends, milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// Requests a second that it may send; as many as its maker if not said.
    pub requests_per_second: Option<u32>,
}

/// What can be changed of a key that is there.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// Another name.
    pub name: Option<String>,
    /// Other addresses.
    pub networks: Option<Vec<Network>>,
}

/// A key as it is shown.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its number in the account.
    pub number: u32,
    /// What is kept of it; `last_used_at` is of now.
    pub stored: StoredKey,
}

/// A key with its text, which is shown this once.
#[derive(Clone)]
pub struct Issued {
    /// The text.
    pub text: String,
    /// The rest.
    pub key: ApiKey,
    /// Until when the text before a rotation still opens.
    pub former_until: Option<u64>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// All keys, ascending by number.
    #[must_use]
    pub fn keys(&self) -> Vec<ApiKey> {
        let state = self.0.state.load();
        let numbers = state.keys.iter().map(|(number, _)| *number);
        numbers
            .filter_map(|number| shown(&state, number).ok())
            .collect()
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub fn key(&self, number: u32) -> Result<ApiKey> {
        shown(&self.0.state.load(), number)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::Escalation`] if it would do more than its maker, [`Error::NotFound`] if there is no such
    /// role, [`Error::TooMany`] at as many keys as there may be.
    pub async fn create_key(&self, by: &By, new: NewKey) -> Result<Issued> {
        self.issue(by, new, "key.create", "").await
    }

    /// Makes a key for an operator who looks into the account for a reason: it sees everything, changes
    /// nothing, ends soon, and is a key like others: the account sees it, in its audit log too, and may
    /// revoke it.
    ///
    /// # Errors
    /// As [`create_key`](Self::create_key); [`Error::Escalation`] for who is no operator.
    pub async fn impersonate(&self, by: &By, reason: &str, life_millis: u64) -> Result<Issued> {
        if !by.grant.permissions.allow(Permission::Operate) {
            return Err(Error::Escalation {
                permission: Some(Permission::Operate),
                reason: "only an operator looks into another's account".to_owned(),
            });
        }
        let now = self.0.ports.clock.now_millis();
        let new = NewKey {
            name: "operator".to_owned(),
            role: AUDITOR.name.to_owned(),
            prefixes: Vec::new(),
            networks: Vec::new(),
            expires_at: Some(now.saturating_add(life_millis)),
            requests_per_second: None,
        };
        self.issue(by, new, "account.impersonate", reason).await
    }

    async fn issue(
        &self,
        by: &By,
        new: NewKey,
        action: &'static str,
        reason: &str,
    ) -> Result<Issued> {
        let text = key_text::make(self.0.id, self.0.ports.random());
        let now = self.0.ports.clock.now_millis();
        let most = self.0.ports.bounds.api_keys;
        self.change(by, |state| {
            room(state.keys.len(), most, "API keys", "api_keys")?;
            let stored = decide(state, &by.grant, new, &text, now)?;
            let number = state.profile.next_key;
            let mut next = state.clone();
            next.profile = Profile {
                next_key: number + 1,
                ..next.profile
            };
            let mut detail = format!(
                "name {:?}, role {}, {}",
                stored.name,
                stored.role,
                reach(&stored)
            );
            if !reason.is_empty() {
                detail.push_str(&format!(", because: {reason}"));
            }
            let mut batch = Batch::default();
            batch.put(profile::key(), rows::encode(&next.profile));
            batch.put(api_key::key(number), rows::encode(&stored));
            next.keys.push((number, Arc::new(stored)));
            next.hang_doors();
            let key = shown(&next, number)?;
            let answer = Issued {
                text: text.clone(),
                key,
                former_until: None,
            };
            Ok(change(batch, next, action, number, detail, answer))
        })
        .await
    }

    /// Gives a key a new text; the one before opens for `grace_millis` more.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::Escalation`] if the key does more than the caller:
    /// whoever rotates a key holds it.
    pub async fn rotate_key(&self, by: &By, number: u32, grace_millis: u64) -> Result<Issued> {
        let text = key_text::make(self.0.id, self.0.ports.random());
        let now = self.0.ports.clock.now_millis();
        self.change(by, |state| {
            let stored = existing(state, number)?;
            within(state, &by.grant, stored)?;
            let until = now.saturating_add(grace_millis);
            let stored = StoredKey {
                hash: state.hash(&text),
                hint: hint(&text),
                verifier: token::verifier(&text),
                former: (grace_millis > 0).then_some(Former {
                    hash: stored.hash,
                    verifier: stored.verifier,
                    until,
                }),
                ..StoredKey::clone(stored)
            };
            let former_until = stored.former.as_ref().map(|former| former.until);
            let detail = format!("the text before opens {} seconds more", grace_millis / 1000);
            let (batch, next) = replaced(state, number, stored);
            let key = shown(&next, number)?;
            let answer = Issued {
                text: text.clone(),
                key,
                former_until,
            };
            Ok(change(batch, next, "key.rotate", number, detail, answer))
        })
        .await
    }

    /// Changes what can be changed of a key. Role and reach cannot: make another key.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::Escalation`] if the key would do more than the
    /// caller.
    pub async fn change_key(&self, by: &By, number: u32, wanted: KeyChange) -> Result<ApiKey> {
        self.change(by, |state| {
            let stored = existing(state, number)?;
            let mut stored = StoredKey::clone(stored);
            if let Some(name) = wanted.name {
                stored.name = name;
            }
            if let Some(networks) = wanted.networks {
                stored.networks = networks;
            }
            within(state, &by.grant, &stored)?;
            let detail = format!("name {:?}, {}", stored.name, reach(&stored));
            let (batch, next) = replaced(state, number, stored);
            let answer = shown(&next, number)?;
            Ok(change(batch, next, "key.change", number, detail, answer))
        })
        .await
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn revoke_key(&self, by: &By, number: u32) -> Result<()> {
        self.change(by, |state| {
            let detail = format!("name {:?}", existing(state, number)?.name);
            let mut batch = Batch::default();
            batch.delete(api_key::key(number));
            let mut next = state.clone();
            next.keys.retain(|(other, _)| *other != number);
            next.hang_doors();
            Ok(change(batch, next, "key.revoke", number, detail, ()))
        })
        .await
    }
}

fn change<T>(
    batch: Batch,
    state: State,
    action: &'static str,
    number: u32,
    detail: String,
    answer: T,
) -> Change<T> {
    Change {
        batch,
        state,
        action,
        target: format!("key:{number}"),
        detail,
        answer,
    }
}

fn existing(state: &State, number: u32) -> Result<&Arc<StoredKey>> {
    state.key(number).ok_or_else(|| Error::NotFound {
        what: "key",
        name: number.to_string(),
    })
}

fn shown(state: &State, number: u32) -> Result<ApiKey> {
    let mut stored = StoredKey::clone(existing(state, number)?);
    stored.last_used_at = stored.last_used_at.max(state.last_used(number));
    Ok(ApiKey { number, stored })
}

fn replaced(state: &State, number: u32, stored: StoredKey) -> (Batch, State) {
    let mut batch = Batch::default();
    batch.put(api_key::key(number), rows::encode(&stored));
    let mut next = state.clone();
    let stored = Arc::new(stored);
    for (other, key) in &mut next.keys {
        if *other == number {
            *key = Arc::clone(&stored);
        }
    }
    next.hang_doors();
    (batch, next)
}

/// The row of a new key, if its maker may make it. What the maker is limited to, the key is too.
fn decide(state: &State, maker: &Grant, new: NewKey, text: &str, now: u64) -> Result<StoredKey> {
    let inherited = |list: Vec<_>, of_maker: &[_]| match list.is_empty() {
        true => of_maker.to_vec(),
        false => list,
    };
    let prefixes = match new.prefixes.is_empty() {
        true => maker.prefixes.clone(),
        false => new.prefixes,
    };
    let expires_at = match (new.expires_at, maker.expires_at) {
        (None, of_maker) => of_maker,
        (asked, _) => asked,
    };
    let stored = StoredKey {
        hash: state.hash(text),
        verifier: token::verifier(text),
        hint: hint(text),
        name: new.name,
        role: new.role,
        prefixes,
        networks: inherited(new.networks, &maker.networks),
        created_at: now,
        created_by: maker.actor(),
        expires_at,
        requests_per_second: new.requests_per_second.or(maker.requests_per_second()),
        last_used_at: 0,
        former: None,
    };
    within(state, maker, &stored)?;
    Ok(stored)
}

/// Checks that a key does nothing that its maker cannot do.
fn within(state: &State, maker: &Grant, key: &StoredKey) -> Result<()> {
    let escalation = |reason: String| {
        Err(Error::Escalation {
            permission: None,
            reason,
        })
    };
    let permissions = state
        .permissions(&key.role)
        .ok_or_else(|| Error::NotFound {
            what: "role",
            name: key.role.clone(),
        })?;
    if let Some(permission) = permissions.beyond(maker.permissions) {
        return Err(Error::Escalation {
            permission: Some(permission),
            reason: format!(
                "the role {:?} has the permission {permission}, which you do not have to give",
                key.role
            ),
        });
    }
    let reached = |prefix: &String| maker.reaches(prefix);
    if !maker.prefixes.is_empty() && (key.prefixes.is_empty() || !key.prefixes.iter().all(reached))
    {
        let yours = maker.prefixes.join(", ");
        return escalation(format!(
            "your key reaches only namespaces that begin with {yours}"
        ));
    }
    let covered = |network: &Network| maker.networks.iter().any(|own| own.covers(network));
    if !maker.networks.is_empty() && (key.networks.is_empty() || !key.networks.iter().all(covered))
    {
        return escalation("your key may be used from fewer addresses than that".to_owned());
    }
    if let Some(own) = maker.requests_per_second()
        && key.requests_per_second.is_none_or(|asked| asked > own)
    {
        return escalation(format!(
            "your key may send {own} requests a second, no more"
        ));
    }
    match (maker.expires_at, key.expires_at) {
        (Some(own), None) => escalation(format!("your key ends at {own}; this one would not end")),
        (Some(own), Some(asked)) if asked > own => {
            escalation(format!("your key ends at {own}, before this one would"))
        }
        _ => Ok(()),
    }
}

fn hint(text: &str) -> String {
    text[text.len() - HINT_CHARS..].to_owned()
}

fn reach(key: &StoredKey) -> String {
    let prefixes = match key.prefixes.as_slice() {
        [] => "all namespaces".to_owned(),
        prefixes => format!("namespaces {prefixes:?}"),
    };
    match key.networks.as_slice() {
        [] => prefixes,
        networks => format!("{prefixes}, from {networks:?}"),
    }
}
