use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was used, by meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageMeters {
    /// Requests of records that did what they asked for.
    pub requests: u64,
    /// For each record created, changed or deleted: one, and one more for each further 1,024 bytes that
    /// it then has.
    pub write_units: u64,
    /// For each answer of records: one for each 4,096 bytes begun, at least one.
    pub read_units: u64,
    /// For each query: one for each 100 matches begun that it asked for.
    pub query_units: u64,
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageLine {
    /// When the hour or day begins, milliseconds since 1970 (UTC).
    pub start: u64,
    /// The namespace, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Number of the API key, if asked for; 0 is the root key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
    /// What was used.
    #[serde(flatten)]
    pub used: UsageMeters,
}

/// What an account has used in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// Lines, ascending by time, namespace and key; times without usage have none.
    pub lines: Vec<UsageLine>,
    /// The sum of all lines.
    pub total: UsageMeters,
}

/// The account's plan, budget and bill of the month so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Billing {
    /// Name of the plan.
    pub plan: String,
    /// The most a month may cost, in millionths of a dollar; past it writes and queries get 402.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_micros: Option<u64>,
    /// What the month has cost so far, in millionths of a dollar.
    pub cost_micros: u64,
    /// What was used this month.
    pub used: UsageMeters,
    /// Bytes of records that the namespaces hold.
    pub stored_bytes: u64,
    /// Records with a vector that the namespaces hold.
    pub stored_vectors: u64,
}

/// What to change of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutBilling {
    /// The most a month may cost, in millionths of a dollar; without it, there is no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9007199254740991_u64)]
    pub budget_micros: Option<u64>,
}
