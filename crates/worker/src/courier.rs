//! Messages to webhooks over the platform's `fetch`. It reaches the public Internet only, and says nothing of the
//! address that a name leads to; what a URL itself says of it is judged here.

use std::sync::Arc;

use quartz_core::store::BoxFuture;
use quartz_service::{
    Courier, Network, Parcel,
    webhook::{OUT_OF_REACH, Reach},
};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;

use crate::fetch;

const USER_AGENT: &str = concat!("QuartzDB/", env!("CARGO_PKG_VERSION"));

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = URL)]
    type Url;

    #[wasm_bindgen(constructor, catch, js_class = "URL")]
    fn new(url: &str) -> Result<Url, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn protocol(this: &Url) -> String;

    /// Without the port; an address in its usual form, whatever the URL calls it.
    #[wasm_bindgen(method, getter)]
    fn hostname(this: &Url) -> String;
}

/// Sends messages.
#[derive(Clone)]
pub(crate) struct FetchCourier {
    over_tls: Reach,
    in_plain_text: Reach,
}

impl FetchCourier {
    /// A courier that also goes into these networks.
    pub(crate) fn new(allowed: Arc<[Network]>) -> Self {
        Self {
            over_tls: Reach::over_tls(Arc::clone(&allowed)),
            in_plain_text: Reach::in_plain_text(allowed),
        }
    }

    fn judge(&self, url: &str) -> Result<(), &'static str> {
        let url = Url::new(url).map_err(|_| "this is no URL")?;
        let reach = match &url.protocol()[..] {
            "https:" => &self.over_tls,
            _ => &self.in_plain_text,
        };
        match reach.holds_host(&url.hostname()) {
            true => Ok(()),
            false => Err(OUT_OF_REACH),
        }
    }
}

impl Courier for FetchCourier {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<u16, String>> {
        Box::pin(SendWrapper::new(async move {
            self.judge(&parcel.url)?;
            let headers = parcel.headers.iter();
            let headers = headers.map(|(name, value)| (*name, &value[..]));
            let headers: Vec<_> = headers.chain([("user-agent", USER_AGENT)]).collect();
            fetch::post(&parcel.url, &headers, &parcel.body).await
        }))
    }
}
