//! Who is let in: the object of the accounts says so, and an isolate remembers it for three seconds.

use core::net::IpAddr;
use std::sync::Arc;

use js_sys::Promise;
use quartz_core::{Clock as _, store::StoreError};
use quartz_service::{
    Accounts, Admission, Credential, Denial, Gatekeeper, Grant, GrantCache, Knock,
    key_text::{self, KeyFault},
    person::{SESSION_PREFIX, csrf_holds},
};
use send_wrapper::SendWrapper;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::host::JsClock;

/// Grants that an isolate remembers.
const GRANTS: usize = 4096;

thread_local! {
    static CACHE: Arc<GrantCache> = Arc::new(GrantCache::new(GRANTS));
}

#[wasm_bindgen]
extern "C" {
    /// The object of the accounts, as others see it.
    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone)]
    pub type AccountsObject;

    #[wasm_bindgen(method, catch)]
    fn admit(this: &AccountsObject, key: &str, address: Option<String>)
    -> Result<Promise, JsValue>;

    /// Tells what the namespace or partition of the object that calls has counted; see [`crate::usage`].
    #[wasm_bindgen(method, catch)]
    pub(crate) fn told(this: &AccountsObject, usage: &str) -> Result<Promise, JsValue>;
}

/// What the object of the accounts says of a key.
#[derive(Serialize, Deserialize)]
enum Verdict {
    Granted(Grant),
    Unknown,
    Expired,
    Address,
    Suspended,
    Unavailable(String),
}

/// Asks the object of the accounts.
#[derive(Clone)]
pub(crate) struct Remote {
    accounts: SendWrapper<AccountsObject>,
    cache: Arc<GrantCache>,
}

impl Remote {
    pub(crate) fn new(accounts: AccountsObject) -> Self {
        Self {
            accounts: SendWrapper::new(accounts),
            cache: CACHE.with(Arc::clone),
        }
    }

    async fn ask(&self, key: &str, address: Option<IpAddr>) -> Result<Arc<Grant>, Denial> {
        match self
            .verdict(key, address)
            .await
            .map_err(|thrown| unavailable(&thrown))?
        {
            Verdict::Granted(grant) => {
                let grant = Arc::new(grant);
                self.cache
                    .put(key, Arc::clone(&grant), JsClock.now_millis());
                Ok(grant)
            }
            Verdict::Unknown if key.starts_with(SESSION_PREFIX) => Err(Denial::Session),
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

    async fn verdict(&self, key: &str, address: Option<IpAddr>) -> Result<Verdict, JsValue> {
        let address = address.map(|address| address.to_string());
        let said = JsFuture::from(self.accounts.admit(key, address)?).await?;
        let text = said.as_string().unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| JsError::new(&error.to_string()).into())
    }
}

impl Gatekeeper for Remote {
    fn admit(&self, knock: Knock<'_>) -> Admission {
        let key = match knock.credential {
            Credential::Key(key) => key,
            Credential::Session { cookie, csrf } => {
                if csrf.is_some_and(|token| !csrf_holds(cookie, token)) {
                    return Admission::Ready(Err(Denial::Csrf));
                }
                if !cookie.starts_with(SESSION_PREFIX) {
                    return Admission::Ready(Err(Denial::Session));
                }
                cookie
            }
        };
        let now = JsClock.now_millis();
        if let Some(grant) = self.cache.get(key, now) {
            let checked = grant.check(now, knock.address);
            return Admission::Ready(checked.map(|()| grant));
        }
        let (remote, key, address) = (self.clone(), key.to_owned(), knock.address);
        let asked = async move { remote.ask(&key, address).await };
        Admission::Pending(Box::pin(SendWrapper::new(asked)))
    }
}

/// The verdict of the accounts in this object, as it goes to others.
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
        "the accounts did not answer: {thrown:?}"
    )))
}
