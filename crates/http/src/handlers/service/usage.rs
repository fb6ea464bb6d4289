use axum::Extension;
use quartz_api::{UsageLine, UsageMeters, UsageReport};
use quartz_core::{namespace::hour_of, usage::Usage};
use quartz_service::UsageQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::account_of;
use crate::{
    auth::Caller,
    extract::{QueryString, check_namespace},
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded);

const HOUR_MILLIS: u64 = 60 * 60 * 1000;
/// Times above this are not whole numbers everywhere.
const TIME_MAX: u64 = (1 << 53) - 1;
/// Days of a report that does not say.
const DEFAULT_DAYS: u64 = 31;

/// What a report is about.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageParams {
    /// From this time on, milliseconds since 1970; whole hours are reported. 31 days before `to` if
    /// absent.
    #[param(maximum = 9007199254740991_u64)]
    from: Option<u64>,
    /// Until before this time; the present if absent.
    #[param(maximum = 9007199254740991_u64)]
    to: Option<u64>,
    /// Length of a line: `hour` or `day`; a day if absent.
    #[param(pattern = "^(hour|day)$")]
    by: Option<String>,
    /// Lines of their own for each `namespace`, `key` or both, with a comma between.
    #[param(pattern = "^(namespace|key|namespace,key|key,namespace)$")]
    split: Option<String>,
    /// Only this namespace.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )]
    namespace: Option<String>,
    /// Only this API key, by number; 0 is the root key.
    #[param(maximum = 4294967295_u64)]
    key: Option<u32>,
}

/// Report usage
///
/// What the account has used, to the last answered request. What it answers here is what a bill says.
#[utoipa::path(
    get,
    path = "/v1/usage",
    operation_id = "report_usage",
    tag = "Usage",
    params(UsageParams),
    responses((status = 200, description = "The report.", body = UsageReport), Refusals),
)]
pub(crate) async fn report_usage(
    Extension(app): Extension<App>,
    caller: Caller,
    QueryString(params): QueryString<UsageParams>,
) -> Result<Reply> {
    if let Some(name) = &params.namespace {
        check_namespace(name, app.limits.namespace_name_bytes)?;
    }
    let query = query(params, app.accounts.now_millis())?;
    let collected = app
        .accounts
        .collect_from(&app.directory, Some(caller.grant.account))
        .await;
    collected.map_err(from_service)?;
    let account = account_of(&app, &caller).await?;
    let lines = account.usage(&query).await.map_err(from_service)?;
    let mut total = Usage::default();
    let lines = lines.into_iter().map(|line| {
        total.add(line.used);
        UsageLine {
            start: u64::from(line.hour) * HOUR_MILLIS,
            namespace: line.namespace,
            key: line.payer,
            used: meters(line.used),
        }
    });
    let lines = lines.collect();
    let total = meters(total);
    Reply::json(&UsageReport { lines, total })
}

fn query(params: UsageParams, now: u64) -> Result<UsageQuery> {
    let hours = match params.by.as_deref() {
        Some("hour") => 1,
        None | Some("day") => 24,
        Some(_) => return Err(Failure::invalid("by is hour or day").at("by")),
    };
    let (mut by_namespace, mut by_key) = (false, false);
    for word in params.split.iter().flat_map(|split| split.split(',')) {
        match word {
            "namespace" if !by_namespace => by_namespace = true,
            "key" if !by_key => by_key = true,
            _ => return Err(Failure::invalid("split names namespace, key or both").at("split")),
        }
    }
    for (name, time) in [("from", params.from), ("to", params.to)] {
        if time.is_some_and(|time| time > TIME_MAX) {
            return Err(Failure::invalid(format!("{name} is at most 2^53 - 1")).at(name));
        }
    }
    let to = params.to.unwrap_or(now.saturating_add(1));
    let from = params
        .from
        .unwrap_or(to.saturating_sub(DEFAULT_DAYS * 24 * HOUR_MILLIS));
    Ok(UsageQuery {
        from_hour: hour_of(from),
        to_hour: hour_of(to.saturating_add(HOUR_MILLIS - 1)),
        namespace: params.namespace,
        payer: params.key,
        hours,
        by_namespace,
        by_key,
    })
}

/// Usage as it is answered.
pub(super) const fn meters(used: Usage) -> UsageMeters {
    UsageMeters {
        requests: used.requests,
        write_units: used.write_units,
        read_units: used.read_units,
        query_units: used.query_units,
    }
}
