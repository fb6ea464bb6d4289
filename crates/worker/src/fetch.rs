//! Requests of our own to somewhere outside.

use js_sys::{Error, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, prelude::*};
use wasm_bindgen_futures::JsFuture;

/// Until a request that nobody answers is given up.
const TIMEOUT_MILLIS: u32 = 10_000;

#[wasm_bindgen]
extern "C" {
    type AbortSignal;

    /// A signal that comes after so long.
    #[wasm_bindgen(static_method_of = AbortSignal, catch)]
    fn timeout(millis: u32) -> Result<AbortSignal, JsValue>;
}

/// `POST`s a body and answers the status, or why there is none. A redirect is an answer like others; bodies of
/// answers are not read.
pub(crate) async fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<u16, String> {
    let sent = send(url, headers, body).await;
    sent.map_err(|thrown| cause(&thrown, url))
}

async fn send(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<u16, JsValue> {
    let set =
        |object: &Object, name: &str, value: &JsValue| Reflect::set(object, &name.into(), value);
    let head = Object::new();
    for (name, value) in headers {
        set(&head, name, &JsValue::from_str(value))?;
    }
    let init = Object::new();
    set(&init, "method", &"POST".into())?;
    set(&init, "headers", &head)?;
    set(&init, "body", &Uint8Array::from(body))?;
    set(&init, "redirect", &"manual".into())?;
    set(
        &init,
        "signal",
        &AbortSignal::timeout(TIMEOUT_MILLIS)?.into(),
    )?;
    let global = js_sys::global();
    let fetch: Function = Reflect::get(&global, &"fetch".into())?.dyn_into()?;
    let asked = fetch.call2(&global, &url.into(), &init)?;
    let answer = JsFuture::from(asked.dyn_into::<Promise>()?).await?;
    let status = Reflect::get(&answer, &"status".into())?.as_f64();
    let body = Reflect::get(&answer, &"body".into())?;
    if body.is_object() {
        // A connection whose answer nobody reads or refuses stays one of the few that there may be.
        let cancel: Function = Reflect::get(&body, &"cancel".into())?.dyn_into()?;
        let cancelled: Promise = cancel.call0(&body)?.dyn_into()?;
        // The status is known, whatever becomes of the rest.
        let _ = JsFuture::from(cancelled).await;
    }
    Ok(status.unwrap_or_default() as u16)
}

/// What went wrong, without the URL: its path may be a secret.
fn cause(thrown: &JsValue, url: &str) -> String {
    let name = Reflect::get(thrown, &"name".into()).unwrap_or_default();
    if name == "TimeoutError" {
        return "no answer in time".to_owned();
    }
    let said = thrown
        .dyn_ref::<Error>()
        .map(|error| String::from(error.message()));
    said.unwrap_or_default().replace(url, "the URL")
}
