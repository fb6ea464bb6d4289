use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A webhook without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its number in the account.
    pub id: u32,
    /// Where to.
    pub url: String,
    /// Types of events that it gets; empty: all.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Who made it: `root`, `key:7`.
    pub created_by: String,
}

/// All webhooks of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// Webhooks, ascending by number.
    pub webhooks: Vec<Webhook>,
}

/// A new webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where to, `https://…`; plain `http://…` only into networks that the operator allows.
    #[schema(
        min_length = 8,
        max_length = 2048,
        pattern = "^https?://[^@/?#]+(/|$)",
        example = "https://example.com/hooks/quartz"
    )]
    pub url: String,
    /// Types of events that it gets; all if absent.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub events: Vec<String>,
    /// What it is for, up to 512 bytes.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub description: String,
}

/// How to rotate a webhook's secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateWebhook {
    /// Seconds that the secret before still signs beside the new one, up to 30 days; 0 if absent.
    #[schema(maximum = 2592000)]
    pub grace_seconds: u64,
}

/// A webhook with its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecret {
    /// What messages are signed with (Standard Webhooks, `whsec_…`), shown this once.
    pub secret: String,
    /// The rest.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// Until when the secret before a rotation signs beside it, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_until: Option<u64>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It will be tried, for the first time or again.
    Pending,
    /// It was taken.
    Delivered,
    /// It was tried ten times over a day and a half and given up; it can be replayed.
    Failed,
}

/// An event on its way to a webhook, or what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Number of the event in the account.
    pub id: u64,
    /// The `webhook-id` of its message: the same however often it comes.
    pub message_id: String,
    /// How far it is.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// The last answer: a status, or why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it was tried last, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<u64>,
    /// When it is tried next, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<u64>,
    /// When it was taken, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<u64>,
    /// What is sent.
    pub event: Event,
}

/// A page of deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// Deliveries, oldest first.
    pub deliveries: Vec<Delivery>,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that happened to the account: the body of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// What: `key.created`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When: RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// The account.
    pub account: String,
    /// More about it.
    pub data: serde_json::Map<String, serde_json::Value>,
}
