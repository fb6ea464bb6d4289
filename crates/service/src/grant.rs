use core::net::IpAddr;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Denial, Network, Permission, Permissions, PersonId, Tenant, Turn, Work,
    throttle::OwnRate, token::Scope,
};

/// What the holder of a credential may do. Made when a key is loaded, shared by its requests; another
/// host can be handed one, encoded, by a gatekeeper it trusts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Whose.
    pub account: AccountId,
    /// Number of the key, or the member, in the account; 0 is the root key.
    pub key: u32,
    /// The member, if it is a session's.
    pub member: Option<Signed>,
    /// Name of its role.
    pub role: String,
    /// What the role may do.
    pub permissions: Permissions,
    /// Only namespaces that begin with one of these; empty: all.
    pub prefixes: Vec<String>,
    /// Only from these addresses; empty: from anywhere.
    pub networks: Vec<Network>,
    /// Until when, milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// What it is limited to, if it is a scoped token's.
    pub scope: Option<Scope>,
    /// What all keys of the account share. A grant that came from another host has a fresh one.
    #[serde(skip)]
    pub(crate) tenant: Arc<Tenant>,
    /// How fast the key may send. A key's tokens share its bucket.
    #[serde(skip)]
    pub(crate) own_rate: Option<OwnRate>,
    /// When it was used last, milliseconds since 1970.
    #[serde(skip)]
    pub(crate) last_used_at: AtomicU64,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The person.
    pub person: PersonId,
    /// Their address.
    pub email: String,
}

impl Grant {
    /// A grant of the first account that allows nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            account: AccountId::ROOT,
            key: 0,
            member: None,
            role: String::new(),
            permissions: Permissions::NONE,
            prefixes: Vec::new(),
            networks: Vec::new(),
            expires_at: None,
            scope: None,
            tenant: Arc::default(),
            own_rate: None,
            last_used_at: 0.into(),
        }
    }

    /// Whether a request at `now` from `address` may use it, and notes that it was used.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, now: u64, address: Option<IpAddr>) -> Result<(), Denial> {
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(Denial::Expired);
        }
        let inside = |address| self.networks.iter().any(|network| network.holds(address));
        if !self.networks.is_empty() && !address.is_some_and(inside) {
            return Err(Denial::Address);
        }
        // A second is precise enough, and a busy key leaves its cache line alone.
        if self.last_used_at.load(Ordering::Relaxed) + 1000 <= now {
            self.last_used_at.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether it has a permission.
    ///
    /// # Errors
    /// [`Denial::Permission`] if not.
    pub const fn allows(&self, permission: Permission) -> Result<(), Denial> {
        if self.permissions.allow(permission) {
            return Ok(());
        }
        Err(Denial::Permission(permission))
    }

    /// Whether it reaches a namespace, by the name the client uses.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        let in_scope = |scope: &Scope| scope.namespace == namespace;
        if !self.scope.as_ref().is_none_or(in_scope) {
            return false;
        }
        self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| namespace.starts_with(&**prefix))
    }

    /// What all keys of the account share.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Lets a request in at `now_micros`, a time that never goes back, in the month that `month` says. It
    /// counts until the turn is dropped.
    ///
    /// # Errors
    /// Why it has to wait or cannot be done.
    pub fn enter(
        &self,
        work: Work,
        now_micros: u64,
        month: impl FnOnce() -> u32,
    ) -> Result<Turn, Denial> {
        if let Some(own) = &self.own_rate {
            own.take(now_micros).map_err(Denial::KeyRate)?;
        }
        self.tenant.enter(work, now_micros, month)
    }

    /// Requests a second that the key may send, if limited.
    pub(crate) fn requests_per_second(&self) -> Option<u32> {
        self.own_rate.as_ref().map(OwnRate::per_second)
    }

    /// When it was used last, milliseconds since 1970; 0: never.
    pub(crate) fn last_used(&self) -> u64 {
        self.last_used_at.load(Ordering::Relaxed)
    }

    /// Who it is, in the audit log.
    #[must_use]
    pub fn actor(&self) -> String {
        if let Some(member) = &self.member {
            return format!("person:{}", member.email);
        }
        match (self.key, &self.scope) {
            (0, _) => "root".to_owned(),
            (number, None) => format!("key:{number}"),
            (number, Some(_)) => format!("token of key:{number}"),
        }
    }
}
