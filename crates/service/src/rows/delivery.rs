//! `Delivery`: an event on its way to a webhook, or what became of it. Key: number of the webhook `u32`,
//! number of the event `u64`. `Due`: when it is to be tried. Key: time in milliseconds since 1970 `u64`, then
//! the key of the delivery. Both are written in the commit of what happened.

use quartz_core::store::StoreError;
use serde::{Deserialize, Serialize};

use super::Kind;

/// The key of the row.
#[must_use]
pub fn key(webhook: u32, event: u64) -> Vec<u8> {
    Kind::Delivery.key(&[&webhook.to_be_bytes()[..], &event.to_be_bytes()].concat())
}

/// The key of its time.
#[must_use]
pub fn due_key(at: u64, webhook: u32, event: u64) -> Vec<u8> {
    let parts = [
        &at.to_be_bytes()[..],
        &webhook.to_be_bytes(),
        &event.to_be_bytes(),
    ];
    Kind::Due.key(&parts.concat())
}

/// Time, webhook and event of a `Due` row.
///
/// # Errors
/// When it is no key of this kind.
pub fn due(key: &[u8]) -> Result<(u64, u32, u64), StoreError> {
    let parts = || {
        let (at, rest) = key.get(1..)?.split_first_chunk()?;
        let (webhook, rest) = rest.split_first_chunk()?;
        let event = rest.try_into().ok()?;
        Some((
            u64::from_be_bytes(*at),
            u32::from_be_bytes(*webhook),
            u64::from_be_bytes(event),
        ))
    };
    parts().ok_or_else(|| StoreError::corrupt_row(key, "not the key of a due delivery"))
}

/// A part of what an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datum {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// Something that happened to the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What: `key.created`.
    pub kind: String,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// More about it; never a secret or a value.
    pub data: Vec<(String, Datum)>,
}

/// An event on its way, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDelivery {
    /// The event.
    pub event: Event,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, milliseconds since 1970; not at all if it is delivered or given up.
    pub next_at: Option<u64>,
    /// When it was taken, milliseconds since 1970.
    pub delivered_at: Option<u64>,
    /// When it was tried last, milliseconds since 1970.
    pub tried_at: Option<u64>,
    /// What the last answer was: a status, or why there was none.
    pub answer: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            numbers: (u64, u32, u64), texts: [String; 4], attempts: u32, times: [Option<u64>; 3],
        ) {
            let (at, webhook, number) = numbers;
            prop_assert_eq!(due(&due_key(at, webhook, number)), Ok(numbers));
            let [kind, name, text, answer] = texts;
            let [next_at, delivered_at, tried_at] = times;
            let data = vec![(name.clone(), Datum::Number(at)), (name, Datum::Text(text))];
            super::super::assert_round_trip(&StoredDelivery {
                event: Event { kind, at, data }, attempts, next_at, delivered_at, tried_at, answer,
            });
        }
    }
}
