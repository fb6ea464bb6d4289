//! What an object has counted, on its way to the object of the account: sums, which may be told any number
//! of times.

use js_sys::Promise;
use quartz_core::{
    namespace::{Metered, Namespace},
    usage::Usage,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsError, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::peers::PeerObjects;

/// What is told.
#[derive(Serialize, Deserialize)]
struct Told {
    created_at: u64,
    bytes: u64,
    vectors: u64,
    /// Hour, payer, and what was used: requests, units of writes, reads and queries.
    rows: Vec<(u32, u32, [u64; 4])>,
}

/// Tells its account what a namespace or partition has counted since the last time.
pub(crate) async fn tell(namespace: &Namespace, account: &PeerObjects) -> Result<(), JsValue> {
    match namespace.flush_usage().await {
        Ok(()) | Err(quartz_core::Error::Closed) => {}
        Err(error) => return Err(JsError::from(error).into()),
    }
    let Some(from) = namespace.take_metered() else {
        return Ok(());
    };
    let told = send(namespace, account, from).await;
    if told.is_err() {
        namespace.set_metered(from);
    }
    told
}

async fn send(namespace: &Namespace, account: &PeerObjects, from: u32) -> Result<(), JsValue> {
    let metered = namespace.metered(from).await.map_err(JsError::from)?;
    let text = serde_json::to_string(&Told::from(metered)).map_err(JsError::from)?;
    let told: Promise = account.told(&text)?;
    JsFuture::from(told).await.map(drop)
}

/// Reads what was told.
pub(crate) fn heard(text: &str) -> Result<Metered, JsError> {
    Ok(serde_json::from_str::<Told>(text)?.into())
}

impl From<Metered> for Told {
    fn from(metered: Metered) -> Self {
        let rows = metered.rows.into_iter().map(|(hour, payer, used)| {
            let Usage {
                requests,
                write_units,
                read_units,
                query_units,
            } = used;
            let units = [requests, write_units, read_units, query_units];
            (hour, payer, units)
        });
        Self {
            created_at: metered.created_at,
            bytes: metered.bytes,
            vectors: metered.vectors,
            rows: rows.collect(),
        }
    }
}

impl From<Told> for Metered {
    fn from(told: Told) -> Self {
        let rows = told.rows.into_iter().map(|(hour, payer, units)| {
            let [requests, write_units, read_units, query_units] = units;
            let used = Usage {
                requests,
                write_units,
                read_units,
                query_units,
            };
            (hour, payer, used)
        });
        Self {
            created_at: told.created_at,
            bytes: told.bytes,
            vectors: told.vectors,
            rows: rows.collect(),
        }
    }
}
