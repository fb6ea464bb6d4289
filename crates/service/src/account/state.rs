use std::{collections::BTreeMap, sync::Arc};

use quartz_core::store::{Result, Snapshot, Store};

use crate::{
    AccountId, Denial, Grant, Permissions, audit, roles,
    rows::{
        self, Kind,
        api_key::StoredKey,
        audit::Head,
        profile::{self, Profile},
        role::StoredRole,
    },
};

/// Everything of an account that requests and changes are decided on, as of one commit.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) id: AccountId,
    pub(crate) profile: Profile,
    /// Ascending by number. A vector: most accounts have few, and a tree would cost each a node.
    pub(crate) keys: Vec<(u32, Arc<StoredKey>)>,
    pub(crate) roles: BTreeMap<String, Arc<StoredRole>>,
    pub(crate) head: Head,
    /// Ascending by hash.
    doors: Vec<Door>,
}

/// What a key text opens.
#[derive(Clone)]
struct Door {
    hash: [u8; 32],
    /// A text that was rotated away opens until then.
    until: Option<u64>,
    grant: Arc<Grant>,
}

impl State {
    /// Reads the state, or `None` if there is no account. What `before` knows of the use of keys is
    /// kept.
    pub(crate) async fn load(
        id: AccountId,
        store: &dyn Store,
        before: Option<&Self>,
    ) -> Result<Option<Self>> {
        let snapshot = store.snapshot().await?;
        let key = profile::key();
        let Some(value) = snapshot.get(&key).await? else {
            return Ok(None);
        };
        let mut state = Self {
            id,
            profile: rows::decode(&key, &value)?,
            keys: keys(&*snapshot).await?,
            roles: custom_roles(&*snapshot).await?,
            head: audit::head(&*snapshot).await?,
            doors: before
                .map(|before| before.doors.clone())
                .unwrap_or_default(),
        };
        state.hang_doors();
        Ok(Some(state))
    }

    /// What a role may do now; nothing if there is no such role.
    pub(crate) fn permissions(&self, role: &str) -> Option<Permissions> {
        roles::built_in(role).or_else(|| self.roles.get(role).map(|role| role.permissions))
    }

    pub(crate) fn key(&self, number: u32) -> Option<&Arc<StoredKey>> {
        let at = self.keys.binary_search_by_key(&number, |key| key.0).ok()?;
        Some(&self.keys[at].1)
    }

    /// The keyed hash under which a key text is kept.
    pub(crate) fn hash(&self, key: &str) -> [u8; 32] {
        blake3::keyed_hash(&self.profile.pepper, key.as_bytes()).into()
    }

    /// The grant of a key text.
    ///
    /// The search compares hashes made with a secret of the account, so its time tells nothing about
    /// the texts of keys.
    pub(crate) fn grant(&self, key: &str, now: u64) -> Result<Arc<Grant>, Denial> {
        let hash = self.hash(key);
        let found = self.doors.binary_search_by_key(&hash, |door| door.hash);
        let door = found.map(|at| &self.doors[at]);
        match door {
            Ok(door) if door.until.is_none_or(|until| now < until) => Ok(Arc::clone(&door.grant)),
            _ => Err(Denial::Unknown),
        }
    }

    /// Makes the grants anew after keys or roles have changed; what is known of their use is kept.
    pub(crate) fn hang_doors(&mut self) {
        let before = std::mem::take(&mut self.doors);
        let used = |number: u32| {
            let door = before.iter().find(|door| door.grant.key == number);
            door.map_or(0, |door| door.grant.last_used())
        };
        let mut doors = Vec::with_capacity(self.keys.len());
        for (number, key) in &self.keys {
            let grant = Arc::new(Grant {
                account: self.id,
                key: *number,
                role: key.role.clone(),
                permissions: self.permissions(&key.role).unwrap_or_default(),
                prefixes: key.prefixes.clone(),
                networks: key.networks.clone(),
                expires_at: key.expires_at,
                last_used_at: used(*number).max(key.last_used_at).into(),
            });
            if let Some(former) = &key.former {
                doors.push(Door {
                    hash: former.hash,
                    until: Some(former.until),
                    grant: Arc::clone(&grant),
                });
            }
            doors.push(Door {
                hash: key.hash,
                until: None,
                grant,
            });
        }
        doors.sort_unstable_by_key(|door| door.hash);
        self.doors = doors;
    }

    /// When a key was last used.
    pub(crate) fn last_used(&self, number: u32) -> u64 {
        let door = self.doors.iter().find(|door| door.grant.key == number);
        door.map_or(0, |door| door.grant.last_used())
    }
}

async fn keys(snapshot: &dyn Snapshot) -> Result<Vec<(u32, Arc<StoredKey>)>> {
    let mut keys = Vec::new();
    for (key, stored) in rows::all(snapshot, Kind::ApiKey).await? {
        keys.push((u32::from_be_bytes(rows::number(&key)?), Arc::new(stored)));
    }
    Ok(keys)
}

async fn custom_roles(snapshot: &dyn Snapshot) -> Result<BTreeMap<String, Arc<StoredRole>>> {
    let stored = rows::all(snapshot, Kind::Role).await?;
    Ok(stored
        .into_iter()
        .map(|(name, role)| (String::from_utf8_lossy(&name).into_owned(), Arc::new(role)))
        .collect())
}
