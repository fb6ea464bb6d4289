//! The objects of the accounts and the registry, as all others see them.

use js_sys::Promise;
use quartz_core::store::{BoxFuture, StoreError};
use quartz_service::{
    AccountId, Accounts, Error, Result,
    peers::{Answer, Ask, Peer, Peers},
};
use send_wrapper::SendWrapper;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// See `entry.js`. Without an account it is the registry that is asked.
    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone)]
    pub type PeerObjects;

    /// Asks whether to let somebody in; see [`crate::gate`].
    #[wasm_bindgen(method, catch)]
    pub(crate) fn admit(
        this: &PeerObjects,
        account: Option<String>,
        key: &str,
        address: Option<String>,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn ask(this: &PeerObjects, account: Option<String>, ask: &str) -> Result<Promise, JsValue>;

    /// Tells the account of the namespace or partition that calls what it has counted; see [`crate::usage`].
    #[wasm_bindgen(method, catch)]
    pub(crate) fn told(this: &PeerObjects, usage: &str) -> Result<Promise, JsValue>;
}

/// Why something was not done, as it goes from object to object.
#[derive(Serialize, Deserialize)]
enum Fault {
    Link,
    Conflict(String),
    TooManyMembers(usize),
    NoAccount(String),
    NoRole(String),
    Unavailable(String),
}

/// The way to all peers from an object that may be one of them.
pub(crate) struct Objects {
    objects: SendWrapper<PeerObjects>,
    here: Option<Peer>,
}

impl Objects {
    pub(crate) fn new(objects: PeerObjects, here: Option<Peer>) -> Self {
        Self {
            objects: SendWrapper::new(objects),
            here,
        }
    }
}

impl Peers for Objects {
    fn ask(&self, own: &Accounts, ask: Ask) -> BoxFuture<'static, Result<Answer>> {
        if self.here == Some(ask.to()) {
            let own = own.clone();
            return Box::pin(async move { own.answer(ask).await });
        }
        let objects = self.objects.clone();
        Box::pin(SendWrapper::new(async move {
            let said = said(&objects, &ask).await.map_err(|thrown| {
                StoreError::Unavailable(format!("{:?} did not answer: {thrown:?}", ask.to()))
            })?;
            said.map_err(Error::from)
        }))
    }
}

async fn said(objects: &PeerObjects, ask: &Ask) -> Result<Result<Answer, Fault>, JsValue> {
    let text = serde_json::to_string(ask).map_err(JsError::from)?;
    let said = JsFuture::from(objects.ask(account(ask.to()), &text)?).await?;
    let text = said.as_string().unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| JsError::from(error).into())
}

/// What an object calls a peer.
pub(crate) fn account(peer: Peer) -> Option<String> {
    match peer {
        Peer::Account(id) => Some(AccountId::to_string(&id)),
        Peer::Registry => None,
    }
}

/// The answer of the object that `own` are in, as it goes to others.
pub(crate) async fn answer(own: &Accounts, ask: &str) -> Result<String, JsError> {
    let ask: Ask = serde_json::from_str(ask)?;
    let answer = own.answer(ask).await.map_err(Fault::from);
    Ok(serde_json::to_string(&answer)?)
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Link => Self::Link,
            Error::Conflict(why) => Self::Conflict(why),
            Error::TooMany { most, .. } => Self::TooManyMembers(most),
            Error::NotFound {
                what: "account",
                name,
            } => Self::NoAccount(name),
            Error::NotFound { what: "role", name } => Self::NoRole(name),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Link => Self::Link,
            Fault::Conflict(why) => Self::Conflict(why),
            Fault::TooManyMembers(most) => Self::TooMany {
                what: "members",
                limit: "members",
                most,
            },
            Fault::NoAccount(name) => Self::NotFound {
                what: "account",
                name,
            },
            Fault::NoRole(name) => Self::NotFound { what: "role", name },
            Fault::Unavailable(why) => StoreError::Unavailable(why).into(),
        }
    }
}
