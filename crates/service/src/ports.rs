//! The world outside, as far as the service needs it.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use quartz_core::{Clock, store::BoxFuture};

use crate::Catalogue;

/// Random bytes that nobody can guess.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// A message to a webhook, ready to be sent.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Where to.
    pub url: String,
    /// Headers beside those of the host.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Takes messages to webhooks. Where a tenant's URL leads is the courier's to judge: not into the
/// operator's own network, and not on to where an answer redirects.
pub trait Courier: Send + Sync + 'static {
    /// `POST`s a message once and answers the status, or why there is none.
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<u16, String>>;
}

/// The catalogue of plans in use.
pub type Plans = Arc<ArcSwap<Catalogue>>;

/// What a host brings.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The plans, which may be replaced while the server runs.
    pub plans: Plans,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}
