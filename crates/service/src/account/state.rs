use std::{collections::BTreeMap, sync::Arc};

use quartz_core::{
    store::{Result, Snapshot, Store},
    usage::Usage,
};
use serde::de::DeserializeOwned;

use super::{
    usage::{self, Balance},
    webhooks,
};
use crate::{
    AccountId, Catalogue, Denial, Grant, Permission, Permissions, PersonId, Plan, audit,
    calendar::month_of,
    grant::Signed,
    roles,
    rows::{
        self, Kind,
        api_key::StoredKey,
        audit::Head,
        invitation::StoredInvitation,
        member::StoredMember,
        profile::{self, Profile},
        role::StoredRole,
        usage::Stock,
        webhook::{Outbox, StoredWebhook},
    },
    tenant::{Halt, Tenant, Terms},
    throttle::{OwnRate, Rate},
    token::{Claims, LIFE_SECONDS_MAX},
};

/// A token reads, whatever its key may do beside.
const TOKEN_PERMISSIONS: Permissions =
    Permissions::of(&[Permission::NamespacesRead, Permission::RecordsRead]);

/// Everything of an account that requests and changes are decided on, as of one commit.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) id: AccountId,
    pub(crate) profile: Profile,
    /// Ascending by number. A vector: most accounts have few, and a tree would cost each a node.
    pub(crate) keys: Vec<(u32, Arc<StoredKey>)>,
    pub(crate) roles: BTreeMap<String, Arc<StoredRole>>,
    /// Ascending by number, like the keys, whose sequence they share.
    pub(crate) members: Vec<(u32, Arc<StoredMember>)>,
    /// Ascending by number.
    pub(crate) invitations: Vec<(u32, Arc<StoredInvitation>)>,
    pub(crate) head: Head,
    /// The plan, as the catalogue had it when the state was read.
    pub(crate) plan: Plan,
    /// What was used, ascending by month.
    pub(crate) months: Vec<(u32, Usage)>,
    /// What the namespaces hold, ascending by name.
    pub(crate) stocks: Vec<(Box<str>, Stock)>,
    /// Where events are sent, ascending by number.
    pub(crate) webhooks: Vec<(u32, Arc<StoredWebhook>)>,
    pub(crate) outbox: Outbox,
    /// When the first delivery that is on its way is due.
    pub(crate) due: Option<u64>,
    /// What all keys of the account share.
    pub(crate) tenant: Arc<Tenant>,
    /// Ascending by hash.
    doors: Vec<Door>,
    /// What members may do, ascending by person.
    badges: Vec<(PersonId, Arc<Grant>)>,
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
        plans: &Catalogue,
        before: Option<&Self>,
    ) -> Result<Option<Self>> {
        let snapshot = store.snapshot().await?;
        let key = profile::key();
        let Some(value) = snapshot.get(&key).await? else {
            return Ok(None);
        };
        let profile: Profile = rows::decode(&key, &value)?;
        let mut state = Self {
            id,
            plan: plans.plan(&profile.plan),
            months: usage::months(&*snapshot).await?,
            stocks: usage::stocks(&*snapshot).await?,
            webhooks: webhooks::webhooks(&*snapshot).await?,
            outbox: webhooks::outbox(&*snapshot).await?,
            due: webhooks::next_due(&*snapshot).await?,
            tenant: before
                .map(|before| Arc::clone(&before.tenant))
                .unwrap_or_default(),
            profile,
            keys: numbered(&*snapshot, Kind::ApiKey).await?,
            roles: custom_roles(&*snapshot).await?,
            members: numbered(&*snapshot, Kind::Member).await?,
            invitations: numbered(&*snapshot, Kind::Invitation).await?,
            head: audit::head(&*snapshot).await?,
            doors: before
                .map(|before| before.doors.clone())
                .unwrap_or_default(),
            badges: Vec::new(),
        };
        state.hang_doors();
        Ok(Some(state))
    }

    /// What was used this month and is held now.
    pub(crate) fn balance(&self, now: u64) -> Balance {
        let month = month_of(now);
        let mut stock = Stock::default();
        for (_, one) in &self.stocks {
            stock.bytes += one.bytes;
            stock.vectors += one.vectors;
        }
        Balance {
            month,
            used: usage::of(&self.months, &month).copied().unwrap_or_default(),
            stock,
        }
    }

    /// Tells the account's requests what they may do from now on.
    pub(crate) fn settle(&self, now: u64) {
        let balance = self.balance(now);
        let (plan, stock) = (&self.plan, balance.stock);
        let over = |most: Option<u64>, is: u64| most.is_some_and(|most| is >= most);
        let cost = plan.cost_micros(&balance.used);
        let halt = if plan.is_used_up(&balance.used) {
            Some(Halt::Included)
        } else if self
            .profile
            .budget_micros
            .is_some_and(|budget| cost >= budget)
        {
            Some(Halt::Budget)
        } else if over(plan.storage_bytes, stock.bytes) {
            Some(Halt::Storage)
        } else if over(plan.vectors, stock.vectors) {
            Some(Halt::Vectors)
        } else {
            None
        };
        let rate = plan.requests_per_second.map(|per_second| Rate {
            per_second,
            burst: plan.burst.unwrap_or(per_second),
        });
        self.tenant.tell(Terms {
            rate,
            concurrent_requests: plan.concurrent_requests,
            request_units: plan.request_units,
            namespaces: plan.namespaces,
            halt,
            month: balance.month,
        });
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

    /// The grant of a scoped token: what its key may read, in its namespace, until its end.
    pub(crate) fn token_grant(
        &self,
        token: &str,
        claims: &Claims,
        now: u64,
    ) -> Result<Arc<Grant>, Denial> {
        let ends_at = claims.ends_at_seconds.saturating_mul(1000);
        if ends_at > now.saturating_add(LIFE_SECONDS_MAX * 1000) {
            return Err(Denial::Token);
        }
        let key = self.key(claims.key).ok_or(Denial::Unknown)?;
        let former = key.former.as_ref().filter(|former| now < former.until);
        let signed = |verifier: &[u8; 32]| claims.is_signed_by(token, verifier);
        if !signed(&key.verifier) && !former.is_some_and(|former| signed(&former.verifier)) {
            return Err(Denial::Unknown);
        }
        let door = self.doors.iter().find(|door| door.grant.key == claims.key);
        let of_key = &door.ok_or(Denial::Unknown)?.grant;
        Ok(Arc::new(Grant {
            account: self.id,
            key: claims.key,
            member: None,
            role: of_key.role.clone(),
            permissions: of_key.permissions.and(TOKEN_PERMISSIONS),
            prefixes: of_key.prefixes.clone(),
            networks: of_key.networks.clone(),
            expires_at: Some(of_key.expires_at.map_or(ends_at, |at| at.min(ends_at))),
            scope: Some(claims.scope.clone()),
            tenant: Arc::clone(&self.tenant),
            own_rate: of_key.own_rate.clone(),
            last_used_at: now.into(),
        }))
    }

    /// Makes the grants anew after keys, members or roles have changed; what is known of their use is kept.
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
                member: None,
                role: key.role.clone(),
                permissions: self.permissions(&key.role).unwrap_or_default(),
                prefixes: key.prefixes.clone(),
                networks: key.networks.clone(),
                expires_at: key.expires_at,
                scope: None,
                tenant: Arc::clone(&self.tenant),
                own_rate: key.requests_per_second.map(OwnRate::new),
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
        let badge = |(number, member): &(u32, Arc<StoredMember>)| {
            let grant = Grant {
                account: self.id,
                key: *number,
                member: Some(Signed {
                    person: member.person,
                    email: member.email.clone(),
                }),
                role: member.role.clone(),
                permissions: self.permissions(&member.role).unwrap_or_default(),
                tenant: Arc::clone(&self.tenant),
                ..Grant::nothing()
            };
            (member.person, Arc::new(grant))
        };
        let mut badges: Vec<_> = self.members.iter().map(badge).collect();
        badges.sort_unstable_by_key(|(person, _)| *person);
        self.badges = badges;
    }

    /// What a person may do here, if they are a member.
    pub(crate) fn badge(&self, person: PersonId) -> Option<Arc<Grant>> {
        let found = self
            .badges
            .binary_search_by_key(&person, |(person, _)| *person);
        found.ok().map(|at| Arc::clone(&self.badges[at].1))
    }

    /// When a key was last used.
    pub(crate) fn last_used(&self, number: u32) -> u64 {
        let door = self.doors.iter().find(|door| door.grant.key == number);
        door.map_or(0, |door| door.grant.last_used())
    }
}

async fn numbered<T: DeserializeOwned>(
    snapshot: &dyn Snapshot,
    kind: Kind,
) -> Result<Vec<(u32, Arc<T>)>> {
    let mut list = Vec::new();
    for (key, stored) in rows::all(snapshot, kind).await? {
        list.push((u32::from_be_bytes(rows::number(&key)?), Arc::new(stored)));
    }
    Ok(list)
}

async fn custom_roles(snapshot: &dyn Snapshot) -> Result<BTreeMap<String, Arc<StoredRole>>> {
    let stored = rows::all(snapshot, Kind::Role).await?;
    Ok(stored
        .into_iter()
        .map(|(name, role)| (String::from_utf8_lossy(&name).into_owned(), Arc::new(role)))
        .collect())
}
