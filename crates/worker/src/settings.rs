//! What the deployment sets: variables and secrets of `wrangler.jsonc`.

use std::sync::Arc;

use axum::http::HeaderValue;
use js_sys::Reflect;
use quartz_service::{
    Network, PeopleSettings, RootKey,
    person::{PasswordCost, Secret, SsoSettings, SsoTexts},
};
use wasm_bindgen::prelude::*;

use crate::{mail::HttpMail, sso};

/// Settings of the Worker and its objects.
pub(crate) struct Settings {
    /// The key that opens everything.
    pub(crate) root_key: RootKey,
    /// Origins of web pages that may call the API.
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// How people get in.
    pub(crate) people: PeopleSettings,
    /// The way to send mail, if there is one.
    pub(crate) mail: Option<HttpMail>,
    /// The identity provider whose people get in, if there is one.
    pub(crate) sso: Option<SsoSettings>,
    /// Networks that webhooks may reach though they are not public.
    pub(crate) webhook_networks: Arc<[Network]>,
}

impl Settings {
    /// Reads the bindings.
    ///
    /// # Errors
    /// When one is missing or cannot be used.
    pub(crate) fn read(env: &JsValue) -> Result<Self, JsError> {
        let text = |name: &str| Reflect::get(env, &name.into()).ok()?.as_string();
        let root_key = text("QUARTZ_ROOT_KEY").filter(|key| !key.is_empty());
        let root_key = root_key.ok_or_else(|| {
            JsError::new("QUARTZ_ROOT_KEY is not set; run `wrangler secret put QUARTZ_ROOT_KEY`")
        })?;
        let set = |name: &str| text(name).filter(|value| !value.is_empty());
        let (mail, sso) = (mail(set)?, single_sign_on(set)?);
        let public_url = set("QUARTZ_PUBLIC_URL").unwrap_or_default();
        let sign_up = set("QUARTZ_SIGN_UP").as_deref() == Some("true");
        if sign_up && mail.is_none() {
            let why =
                "QUARTZ_SIGN_UP needs QUARTZ_MAIL_URL: an account is founded by the link in a mail";
            return Err(JsError::new(why));
        }
        let people = PeopleSettings {
            sign_up,
            public_url: public_url.trim_end_matches('/').to_owned(),
            password_cost: PasswordCost::EDGE,
            ..PeopleSettings::default()
        };
        let origins = text("QUARTZ_CORS_ORIGINS").unwrap_or_default();
        let origins = listed(&origins);
        let networks = text("QUARTZ_WEBHOOK_NETWORKS").unwrap_or_default();
        let networks = listed(&networks).map(|network| {
            let parsed = network.parse();
            parsed.map_err(|why| {
                JsError::new(&format!("QUARTZ_WEBHOOK_NETWORKS: {network:?}: {why}"))
            })
        });
        Ok(Self {
            root_key: RootKey::new(&root_key),
            cors_origins: origins
                .map(HeaderValue::from_str)
                .collect::<Result<_, _>>()
                .map_err(|_| JsError::new("QUARTZ_CORS_ORIGINS has an origin that is not text"))?,
            people,
            mail,
            sso,
            webhook_networks: networks.collect::<Result<_, _>>()?,
        })
    }
}

/// What a setting lists, separated by commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let entries = text.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty())
}

/// The way to send mail, if there is one.
fn mail(set: impl Fn(&str) -> Option<String>) -> Result<Option<HttpMail>, JsError> {
    let Some(url) = set("QUARTZ_MAIL_URL") else {
        return Ok(None);
    };
    let needed = |name: &str| {
        let missing = || JsError::new(&format!("QUARTZ_MAIL_URL needs {name}, which is not set"));
        set(name).ok_or_else(missing)
    };
    // Every mail leads there.
    needed("QUARTZ_PUBLIC_URL")?;
    Ok(Some(HttpMail {
        url,
        key: needed("QUARTZ_MAIL_KEY")?,
        from: needed("QUARTZ_MAIL_FROM")?,
    }))
}

/// The identity provider whose people get in, if there is one.
fn single_sign_on(set: impl Fn(&str) -> Option<String>) -> Result<Option<SsoSettings>, JsError> {
    let said = |setting: &str| set(&called(setting));
    let all = |setting: &str| {
        let text = said(setting)?;
        Some(listed(&text).map(str::to_owned).collect())
    };
    let texts = SsoTexts {
        issuer: said("issuer"),
        client_id: said("client-id"),
        client_secret: said("client-secret").as_deref().map(Secret::from),
        account: said("account"),
        scopes: all("scopes"),
        groups_claim: said("groups-claim"),
        roles: all("roles"),
        default_role: said("default-role"),
    };
    let settings = texts.check(called).map_err(|why| JsError::new(&why))?;
    if let Some(SsoSettings { issuer, .. }) = &settings {
        let (issuer_is, url) = (called("issuer"), "QUARTZ_PUBLIC_URL");
        if set(url).is_none() {
            let why =
                format!("{issuer_is} needs {url}, which is not set: browsers come back there");
            return Err(JsError::new(&why));
        }
        let reachable = sso::check_transport(issuer);
        reachable.map_err(|why| JsError::new(&format!("{issuer_is}: {why}")))?;
    }
    Ok(settings)
}

/// The variable of a setting of single sign-on.
fn called(setting: &str) -> String {
    format!("QUARTZ_OIDC_{}", setting.replace('-', "_").to_uppercase())
}
