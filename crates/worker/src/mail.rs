//! Mail by an HTTP API: Resend's, which others offer too.

use js_sys::{Function, Object, Promise, Reflect};
use quartz_core::store::BoxFuture;
use quartz_service::{Letter, Mail};
use send_wrapper::SendWrapper;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Sends each letter as a request: `POST` of `from`, `to`, `subject` and `text` as JSON.
#[derive(Clone)]
pub(crate) struct HttpMail {
    /// The API's address.
    pub(crate) url: String,
    /// What it is asked with.
    pub(crate) key: String,
    /// Sender, as an address or `Name <address>`.
    pub(crate) from: String,
}

impl Mail for HttpMail {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>> {
        let mail = self.clone();
        let sent = async move {
            let told = mail.post(&letter).await;
            told.map_err(|thrown| format!("the mail API did not answer: {thrown:?}"))?
        };
        Box::pin(SendWrapper::new(sent))
    }
}

impl HttpMail {
    async fn post(&self, letter: &Letter) -> Result<Result<(), String>, JsValue> {
        let body = json!({
            "from": self.from,
            "to": [letter.to],
            "subject": letter.subject,
            "text": letter.text,
        });
        let set = |object: &Object, name: &str, value: &str| {
            Reflect::set(object, &name.into(), &value.into())
        };
        let headers = Object::new();
        set(&headers, "authorization", &format!("Bearer {}", self.key))?;
        set(&headers, "content-type", "application/json")?;
        let init = Object::new();
        set(&init, "method", "POST")?;
        set(&init, "body", &body.to_string())?;
        Reflect::set(&init, &"headers".into(), &headers)?;
        let global = js_sys::global();
        let fetch: Function = Reflect::get(&global, &"fetch".into())?.dyn_into()?;
        let asked = fetch.call2(&global, &self.url.as_str().into(), &init)?;
        let answer = JsFuture::from(asked.dyn_into::<Promise>()?).await?;
        if Reflect::get(&answer, &"ok".into())?.is_truthy() {
            return Ok(Ok(()));
        }
        let status = Reflect::get(&answer, &"status".into())?.as_f64();
        Ok(Err(format!("the mail API answered {status:?}")))
    }
}
