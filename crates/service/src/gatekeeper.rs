//! Who is let in: from a credential to a [`Grant`].

use core::net::IpAddr;
use std::{fmt, sync::Arc};

use quartz_core::store::{BoxFuture, StoreError};
use quick_cache::sync::Cache;

use crate::{Grant, Halt, Permission, key_text::KeyFault, peers::Peer, throttle::Allowance};

/// What a request shows to be let in.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// An API key, or a scoped token made from one.
    Key(&'a str),
    /// A member who is signed in at a browser.
    Session {
        /// Value of the session's cookie.
        cookie: &'a str,
        /// What the page sends to prove that it is ours; `None` for a request that changes nothing.
        csrf: Option<&'a str>,
    },
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// A request before it is let in.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    /// What it shows.
    pub credential: Credential<'a>,
    /// Where it comes from, if the host knows.
    pub address: Option<IpAddr>,
}

/// Why a request is not let in or not allowed to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The key is not well formed.
    Malformed(KeyFault),
    /// There is no such key, or no longer.
    Unknown,
    /// The key's time is over.
    Expired,
    /// The key may not be used from this address.
    Address,
    /// The account is suspended.
    Suspended,
    /// The key does not have the permission.
    Permission(Permission),
    /// The token ends too far from now.
    Token,
    /// The token is for searching with its filter only.
    Filtered,
    /// The key does not reach the namespace.
    Namespace,
    /// The account has sent more requests than its plan's rate; wait so many microseconds.
    Rate(Allowance),
    /// The key has sent more requests than its own rate.
    KeyRate(Allowance),
    /// As many requests of the account are being served as its plan allows.
    Crowded(u32),
    /// The account may not write or query any more.
    Halted(Halt),
    /// There is no such session, or no longer, or its person is no member any more.
    Session,
    /// The request changes something and does not prove that it comes from a page of ours.
    Csrf,
    /// It could not be found out.
    Store(StoreError),
}

/// Who knows whether to let a request in.
#[derive(Debug)]
pub enum Keeper {
    /// It is known without asking: the root key, and what is no credential.
    Nobody(Result<Arc<Grant>, Denial>),
    /// The account of a key, or for a session the registry.
    Peer(Peer),
}

/// The answer of a gatekeeper.
pub enum Admission {
    /// Known at once, which is the rule.
    Ready(Result<Arc<Grant>, Denial>),
    /// Has to be looked up: the account is not in memory, or is kept by another host.
    Pending(BoxFuture<'static, Result<Arc<Grant>, Denial>>),
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Finds out what a request may do. A server that holds accounts is one ([`Accounts`](crate::Accounts));
/// at the edge, one asks the account's object and remembers the answer for a moment.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Lets a request in or not. The grant's expiry and addresses have been checked.
    fn admit(&self, knock: Knock<'_>) -> Admission;
}

/// Grants that another host gave lately, by credential. Bounded; an entry is good for
/// [`FRESH_MILLIS`](Self::FRESH_MILLIS), so that a revoked key is refused everywhere soon.
#[derive(Debug)]
pub struct GrantCache(Cache<[u8; 32], (Arc<Grant>, u64)>);

impl GrantCache {
    /// How long a grant is taken on trust.
    pub const FRESH_MILLIS: u64 = 3_000;

    /// A cache of at most `grants`.
    #[must_use]
    pub fn new(grants: usize) -> Self {
        Self(Cache::new(grants))
    }

    /// The grant of a credential, if it was given less than [`FRESH_MILLIS`](Self::FRESH_MILLIS) ago.
    #[must_use]
    pub fn get(&self, credential: &str, now: u64) -> Option<Arc<Grant>> {
        let (grant, given_at) = self.0.get(blake3::hash(credential.as_bytes()).as_bytes())?;
        // A clock that went back makes an entry look young for ever; it is not used then.
        let age = now.checked_sub(given_at)?;
        (age < Self::FRESH_MILLIS).then_some(grant)
    }

    /// Remembers a grant.
    pub fn put(&self, credential: &str, grant: Arc<Grant>, now: u64) {
        self.0.insert(
            *blake3::hash(credential.as_bytes()).as_bytes(),
            (grant, now),
        );
    }
}
