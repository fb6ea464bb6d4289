//! What the router is built from, and what it asks of its host.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::Extensions;
use quartz_api::{ErrorCode, Limits};
use quartz_core::{
    directory::Directory,
    store::{BoxFuture, StoreError},
};
use quartz_service::{Accounts, Bounds, Gatekeeper};

use crate::problem::{Failure, Result};

/// The world outside the router: time, randomness, health. The crate itself has none of them.
pub trait Host: Send + Sync + 'static {
    /// Microseconds since some fixed moment, never going back. Only differences are used.
    fn monotonic_micros(&self) -> u64;

    /// A number that no other request gets.
    fn unique_id(&self) -> u128;

    /// Resolves when a request that starts now has taken too long; `None`: it never has.
    ///
    /// The request is then dropped and answered with `request_timeout`. Imports and exports have
    /// no deadline, they last as long as their stream.
    fn deadline(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Resolves after so many microseconds; `None`: this host does not wait, as it has nobody to spare.
    fn pause(&self, _micros: u64) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Whether requests should be sent here; `Err` says why not.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Erases what is kept of a namespace outside the directory, which only lists it. Repeating it does
    /// no harm.
    fn erase(&self, _namespace: &str) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Everything [`router`](crate::router) needs.
#[derive(Clone)]
pub struct ApiState {
    /// The namespaces.
    pub directory: Directory,
    /// The largest requests that are taken.
    pub limits: Limits,
    /// The accounts.
    pub accounts: Accounts,
    /// Who lets requests in: the accounts themselves, or what asks another host.
    pub gatekeeper: Arc<dyn Gatekeeper>,
    /// Time, randomness, health.
    pub host: Arc<dyn Host>,
    /// Requests served at once; those beyond get 429.
    pub concurrent_requests: usize,
}

/// What is behind an [`App`].
pub struct Shared {
    pub(crate) directory: Directory,
    pub(crate) limits: Limits,
    pub(crate) accounts: Accounts,
    pub(crate) gatekeeper: Arc<dyn Gatekeeper>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) gate: Gate,
}

/// The state as handlers share it. A request to [`routes`](crate::routes) has it as an extension.
pub type App = Arc<Shared>;

/// The app that a request brings.
pub(crate) fn app(extensions: &Extensions) -> Result<App> {
    extensions.get().map(App::clone).ok_or_else(|| {
        Failure::new(
            ErrorCode::Internal,
            "the server has nothing behind this path",
        )
    })
}

/// The limits that the accounts hold themselves to.
#[must_use]
pub fn account_bounds(limits: &Limits) -> Bounds {
    Bounds {
        api_keys: limits.api_keys,
        roles: limits.roles,
        members: limits.members,
        invitations: limits.invitations,
        webhooks: limits.webhooks,
    }
}

impl ApiState {
    /// The state for all requests to one server or object.
    #[must_use]
    pub fn share(self) -> App {
        Arc::new(Shared {
            directory: self.directory,
            limits: self.limits,
            accounts: self.accounts,
            gatekeeper: self.gatekeeper,
            host: self.host,
            gate: Gate::new(self.concurrent_requests),
        })
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Counts the requests that are served at the moment.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Counter>);

struct Counter {
    now: AtomicUsize,
    most: usize,
}

/// One request's place; given back when dropped.
pub(crate) struct Place(Gate);

impl Gate {
    fn new(most: usize) -> Self {
        Self(Arc::new(Counter {
            now: AtomicUsize::new(0),
            most,
        }))
    }

    /// A place, or `None` if all are taken.
    pub(crate) fn enter(&self) -> Option<Place> {
        // The counter may overshoot for a moment; a place is only given below the limit.
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        (before < self.0.most).then_some(place)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let gate = Gate::new(2);
        let first = gate.enter().unwrap();
        let second = gate.enter().unwrap();
        assert!(gate.enter().is_none());
        drop(first);
        let third = gate.enter().unwrap();
        assert!(gate.enter().is_none());
        drop((second, third));
        assert!(gate.enter().is_some());
    }
}
