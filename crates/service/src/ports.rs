//! The world outside, as far as the service needs it.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use quartz_core::{Clock, directory::Spawn, store::BoxFuture};

use crate::{
    Bounds, Catalogue,
    peers::Peers,
    person::{PeopleSettings, SingleSignOn},
};

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

/// Sends mail.
pub trait Mail: Send + Sync + 'static {
    /// Sends a letter, with as many attempts as make sense; the error is for the log.
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>>;
}

/// A letter to one person. It may hold a secret, so it does not print itself.
#[derive(Clone)]
pub struct Letter {
    /// An e-mail address without a name.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter(…)")
    }
}

/// An identity provider: where people sign in instead of here. What it says is verified by whoever
/// implements this: that it is the provider's, meant for this server and for this sign-in, and not over.
pub trait IdentityProvider: Send + Sync + 'static {
    /// What it is called among all providers. Its names of people are unique within it.
    fn issuer(&self) -> &str;

    /// Where a browser goes to sign in, and comes back from with a code.
    fn sign_in_url(&self, handshake: Handshake) -> BoxFuture<'_, Result<String, IdentityFault>>;

    /// Trades the code that a browser has brought back for who has signed in.
    fn identify(
        &self,
        code: String,
        handshake: Handshake,
    ) -> BoxFuture<'_, Result<Identity, IdentityFault>>;
}

/// What ties the steps of one sign-in together. Secrets, so they do not print themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Comes back with the browser: who has begun here ends here.
    pub state: String,
    /// Comes back in what the provider signs: it signed for this sign-in.
    pub nonce: String,
    /// Proves to the provider that the code is traded by who had it made (PKCE, RFC 7636). Its hash goes
    /// ahead.
    pub verifier: String,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake(…)")
    }
}

/// Who has signed in, as the provider says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What the provider calls them, for ever.
    pub subject: String,
    /// Their address, if it says.
    pub email: Option<String>,
    /// Whether it has seen that the address is theirs, if it says.
    pub email_verified: Option<bool>,
    /// Groups that they are in.
    pub groups: Vec<String>,
}

/// Why a provider has identified nobody. The texts are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityFault {
    /// It could not be asked, or does not speak the protocol.
    Unavailable(String),
    /// It does not take the code, or what it says does not hold.
    Refused(String),
}

/// Does work that takes long and much memory: the hash of a password.
pub trait Offload: Send + Sync + 'static {
    /// Does it, somewhere where it does not hold up others, and not too many at once.
    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}

/// Does the work at once: for a host with one thread.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce;

impl Offload for AtOnce {
    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        work();
        Box::pin(std::future::ready(()))
    }
}

/// What a host brings.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The plans, which may be replaced while the server runs.
    pub plans: Plans,
    /// How many keys, roles and the like an account may have.
    pub bounds: Bounds,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How people get in.
    pub people: Arc<PeopleSettings>,
    /// Mail, if there is a way to send it.
    pub mail: Option<Arc<dyn Mail>>,
    /// Single sign-on, if there is a provider.
    pub sso: Option<Arc<SingleSignOn>>,
    /// Where passwords are hashed.
    pub offload: Arc<dyn Offload>,
    /// Runs what nobody waits for.
    pub spawn: Spawn,
    /// Where other accounts, and the people, live.
    pub peers: Arc<dyn Peers>,
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
