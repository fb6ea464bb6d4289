//! `Webhook`: where events of the account are sent. Key: number `u32`. `Outbox`: what is next and what was
//! announced this month. Key: -.

use serde::{Deserialize, Serialize};

use super::Kind;

/// The key of the row.
#[must_use]
pub fn key(number: u32) -> Vec<u8> {
    Kind::Webhook.key(&number.to_be_bytes())
}

/// The key of the outbox.
#[must_use]
pub fn outbox_key() -> Vec<u8> {
    Kind::Outbox.key(&[])
}

/// What is kept of a webhook. Its secret signs, so it is kept as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWebhook {
    /// Where to.
    pub url: String,
    /// Types of events that it gets; empty: all.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it.
    pub created_by: String,
    pub(crate) secret: [u8; 32],
    /// The secret before the last rotation, which still signs beside it until a time.
    pub(crate) former: Option<([u8; 32], u64)>,
}

impl StoredWebhook {
    /// Whether it gets events of this type.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event)
    }
}

impl std::fmt::Debug for StoredWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredWebhook")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What is next, and what was announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Webhooks made so far.
    pub(crate) webhooks: u32,
    /// Events so far.
    pub(crate) events: u64,
    /// The month, since January 1970, of which `announced` speaks.
    pub(crate) month: u32,
    /// Bits of [`Notice`](crate::webhook::Notice)s that were announced in it.
    pub(crate) announced: u8,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            url in "https://[a-z]{1,9}/", events in prop::collection::vec("[a-z.]{1,9}", 0..4),
            secret: [u8; 32], former: Option<([u8; 32], u64)>, created_at: u64,
            numbers: (u32, u64, u32, u8),
        ) {
            super::super::assert_round_trip(&StoredWebhook {
                url, events, description: "d".into(), created_at, created_by: "key:1".into(), secret,
                former,
            });
            let (webhooks, events, month, announced) = numbers;
            super::super::assert_round_trip(&Outbox { webhooks, events, month, announced });
        }
    }
}
