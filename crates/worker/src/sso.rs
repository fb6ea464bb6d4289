//! Single sign-on: `sso.js` speaks to the provider, by a library of the runtime's own language, whose cryptography
//! is the runtime's.

use std::sync::Arc;

use js_sys::{Error, Promise};
use quartz_core::store::BoxFuture;
use quartz_service::{
    Handshake, Identity, IdentityFault, IdentityProvider, SingleSignOn,
    person::{Secret, SsoAttempts, SsoSettings},
};
use send_wrapper::SendWrapper;
use serde::Deserialize;
use wasm_bindgen::{JsCast as _, prelude::*};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(raw_module = "./sso.js")]
extern "C" {
    type Provider;

    #[wasm_bindgen(constructor, catch)]
    fn new(
        issuer: &str,
        client_id: &str,
        secret: Option<&str>,
        redirect: &str,
        scope: &str,
        groups_claim: &str,
    ) -> Result<Provider, JsValue>;

    #[wasm_bindgen(method, catch, js_name = signInUrl)]
    fn sign_in_url(
        this: &Provider,
        state: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn identify(
        this: &Provider,
        code: &str,
        state: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = checkTransport)]
    fn transport_holds(address: &str) -> Result<(), JsValue>;
}

/// Whether an address of a provider may be gone to.
///
/// # Errors
/// Why not.
pub(crate) fn check_transport(address: &str) -> Result<(), String> {
    transport_holds(address).map_err(|thrown| message(&thrown))
}

/// Single sign-on for browsers that reach the Worker at `public_url`.
///
/// # Errors
/// When JavaScript throws.
pub(crate) fn single_sign_on(
    settings: &SsoSettings,
    public_url: &str,
    attempts: SsoAttempts,
) -> Result<SingleSignOn, JsValue> {
    let scopes = settings.scopes.iter().map(String::as_str);
    let scopes: Vec<_> = ["openid"].into_iter().chain(scopes).collect();
    let provider = Provider::new(
        &settings.issuer,
        &settings.client_id,
        settings.client_secret.as_ref().map(Secret::expose),
        &format!("{public_url}/v1/auth/sso/callback"),
        &scopes.join(" "),
        &settings.groups_claim,
    )?;
    let provider = OpenIdConnect {
        issuer: settings.issuer.clone(),
        provider: SendWrapper::new(provider),
    };
    Ok(settings.single_sign_on(Arc::new(provider), attempts))
}

/// A provider that people sign in at.
struct OpenIdConnect {
    issuer: String,
    provider: SendWrapper<Provider>,
}

/// Who has signed in, as `sso.js` says it.
#[derive(Deserialize)]
struct Said {
    subject: String,
    email: Option<String>,
    email_verified: Option<bool>,
    groups: Vec<String>,
}

impl IdentityProvider for OpenIdConnect {
    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn sign_in_url(&self, handshake: Handshake) -> BoxFuture<'_, Result<String, IdentityFault>> {
        let Handshake {
            state,
            nonce,
            verifier,
        } = handshake;
        let asked = self.provider.sign_in_url(&state, &nonce, &verifier);
        Box::pin(SendWrapper::new(said(asked)))
    }

    fn identify(
        &self,
        code: String,
        handshake: Handshake,
    ) -> BoxFuture<'_, Result<Identity, IdentityFault>> {
        let Handshake {
            state,
            nonce,
            verifier,
        } = handshake;
        let asked = self.provider.identify(&code, &state, &nonce, &verifier);
        Box::pin(SendWrapper::new(async move {
            let said: Said = serde_json::from_str(&said(asked).await?)
                .map_err(|error| IdentityFault::Refused(error.to_string()))?;
            Ok(Identity {
                subject: said.subject,
                email: said.email,
                email_verified: said.email_verified,
                groups: said.groups,
            })
        }))
    }
}

async fn said(asked: Result<Promise, JsValue>) -> Result<String, IdentityFault> {
    let said = async { JsFuture::from(asked?).await };
    let said = said.await.map_err(|thrown| fault(&thrown))?;
    Ok(said.as_string().unwrap_or_default())
}

fn fault(thrown: &JsValue) -> IdentityFault {
    let name = thrown.dyn_ref::<Error>().map(Error::name);
    match name.is_some_and(|name| name == "Unavailable") {
        true => IdentityFault::Unavailable(message(thrown)),
        false => IdentityFault::Refused(message(thrown)),
    }
}

/// What an error says, without what it is about: that may name somebody, or be a secret.
fn message(thrown: &JsValue) -> String {
    let error = thrown.dyn_ref::<Error>();
    error.map_or_else(|| format!("{thrown:?}"), |error| error.message().into())
}
