//! What the deployment sets: variables and secrets of `wrangler.jsonc`.

use axum::http::HeaderValue;
use js_sys::Reflect;
use quartz_service::RootKey;
use wasm_bindgen::prelude::*;

/// Settings of the Worker and its objects.
pub(crate) struct Settings {
    /// The key that opens everything.
    pub(crate) root_key: RootKey,
    /// Origins of web pages that may call the API.
    pub(crate) cors_origins: Vec<HeaderValue>,
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
        let origins = text("QUARTZ_CORS_ORIGINS").unwrap_or_default();
        let origins = origins
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty());
        Ok(Self {
            root_key: RootKey::new(&root_key),
            cors_origins: origins
                .map(HeaderValue::from_str)
                .collect::<Result<_, _>>()
                .map_err(|_| JsError::new("QUARTZ_CORS_ORIGINS has an origin that is not text"))?,
        })
    }
}
