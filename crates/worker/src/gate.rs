//! Who is let in: the object that keeps a credential says so, and an isolate remembers it for three seconds.

use core::net::IpAddr;
use std::sync::Arc;

use quartz_core::{Clock as _, store::StoreError};
use quartz_service::{
    Accounts, Admission, Credential, Denial, Gatekeeper, Grant, GrantCache, Keeper, Knock,
    key_text::{self, KeyFault},
    peers::Peer,
    person::SESSION_PREFIX,
};
use send_wrapper::SendWrapper;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::{
    host::JsClock,
    peers::{self, PeerObjects},
};

/// Grants that an isolate remembers.
const GRANTS: usize = 4096;

thread_local! {
    static CACHE: Arc<GrantCache> = Arc::new(GrantCache::new(GRANTS));
}

/// What the object that keeps a credential says of it.
#[derive(Serialize, Deserialize)]
enum Verdict {
    Granted(Grant),
    Unknown,
    Expired,
    Address,
    Suspended,
    Unavailable(String),
}

/// The gatekeeper of a Worker or an object.
#[derive(Clone)]
pub(crate) struct Gate {
    objects: SendWrapper<PeerObjects>,
    /// What is here of accounts and people.
    own: Accounts,
    here: Option<Peer>,
    /// None in an object that is asked itself: what it manages is as its peers say now.
    cache: Option<Arc<GrantCache>>,
}

impl Gate {
    pub(crate) fn new(objects: PeerObjects, own: Accounts, here: Option<Peer>) -> Self {
        Self {
            objects: SendWrapper::new(objects),
            own,
            here,
            cache: here.is_none().then(|| CACHE.with(Arc::clone)),
        }
    }

    /// Who knows whether to let a request in.
    pub(crate) fn keeper(&self, knock: &Knock<'_>) -> Keeper {
        self.own.keeper(knock)
    }

    async fn ask(
        &self,
        peer: Peer,
        key: &str,
        address: Option<IpAddr>,
    ) -> Result<Arc<Grant>, Denial> {
        match self
            .verdict(peer, key, address)
            .await
            .map_err(|thrown| unavailable(&thrown))?
        {
            Verdict::Granted(grant) => {
                let grant = Arc::new(grant);
                if let Some(cache) = &self.cache {
                    cache.put(key, Arc::clone(&grant), JsClock.now_millis());
                }
                Ok(grant)
            }
            Verdict::Unknown if peer == Peer::Registry => Err(Denial::Session),
            Verdict::Unknown => Err(match key_text::account(key) {
                Ok(_) | Err(KeyFault::Prefix) => Denial::Unknown,
                Err(fault) => Denial::Malformed(fault),
            }),
            Verdict::Expired => Err(Denial::Expired),
            Verdict::Address => Err(Denial::Address),
            Verdict::Suspended => Err(Denial::Suspended),
            Verdict::Unavailable(why) => Err(Denial::Store(StoreError::Unavailable(why))),
        }
    }

    async fn verdict(
        &self,
        peer: Peer,
        key: &str,
        address: Option<IpAddr>,
    ) -> Result<Verdict, JsValue> {
        let address = address.map(|address| address.to_string());
        let asked = self.objects.admit(peers::account(peer), key, address)?;
        let text = JsFuture::from(asked).await?.as_string().unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| JsError::new(&error.to_string()).into())
    }
}

impl Gatekeeper for Gate {
    fn admit(&self, knock: Knock<'_>) -> Admission {
        let peer = match self.keeper(&knock) {
            Keeper::Nobody(admitted) => return Admission::Ready(admitted),
            Keeper::Peer(peer) => peer,
        };
        if self.here == Some(peer) {
            return self.own.admit(knock);
        }
        let key = match knock.credential {
            Credential::Key(key) => key,
            Credential::Session { cookie, .. } => cookie,
        };
        let now = JsClock.now_millis();
        if let Some(cache) = &self.cache
            && let Some(grant) = cache.get(key, now)
        {
            let checked = grant.check(now, knock.address);
            return Admission::Ready(checked.map(|()| grant));
        }
        let (gate, key, address) = (self.clone(), key.to_owned(), knock.address);
        let asked = async move { gate.ask(peer, &key, address).await };
        Admission::Pending(Box::pin(SendWrapper::new(asked)))
    }
}

/// The verdict of what is in this object, as it goes to others.
pub(crate) async fn verdict(accounts: &Accounts, key: &str, address: Option<String>) -> String {
    let credential = match key.starts_with(SESSION_PREFIX) {
        true => Credential::Session {
            cookie: key,
            // Whoever asks has looked at it.
            csrf: None,
        },
        false => Credential::Key(key),
    };
    let knock = Knock {
        credential,
        address: address.and_then(|address| address.parse().ok()),
    };
    let admitted = match accounts.admit(knock) {
        Admission::Ready(admitted) => admitted,
        Admission::Pending(asked) => asked.await,
    };
    let text = match &admitted {
        // A grant is shared here, and a variant would own it.
        Ok(grant) => serde_json::to_string(&serde_json::json!({ "Granted": **grant })),
        Err(denial) => serde_json::to_string(&match denial {
            Denial::Expired => Verdict::Expired,
            Denial::Address => Verdict::Address,
            Denial::Suspended => Verdict::Suspended,
            Denial::Store(error) => Verdict::Unavailable(error.to_string()),
            _ => Verdict::Unknown,
        }),
    };
    text.unwrap_or_default()
}

fn unavailable(thrown: &JsValue) -> Denial {
    Denial::Store(StoreError::Unavailable(format!(
        "who knows the credential did not answer: {thrown:?}"
    )))
}
