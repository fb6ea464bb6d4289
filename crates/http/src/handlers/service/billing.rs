use axum::Extension;
use quartz_api::{Billing, PutBilling};
use quartz_service::Account;

use super::{account_of, usage::meters};
use crate::{
    auth::Caller,
    extract::Json,
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(GetRefusals:);
refuses!(PutRefusals: InvalidRequest LimitExceeded BodyTooLarge UnsupportedMediaType);

/// The largest budget: what a JavaScript number holds exactly.
const BUDGET_MAX: u64 = (1 << 53) - 1;

/// See the bill
///
/// Plan, budget, and what the month has used and cost so far.
#[utoipa::path(
    get,
    path = "/v1/billing",
    operation_id = "get_billing",
    tag = "Usage",
    responses((status = 200, description = "The bill so far.", body = Billing), GetRefusals),
)]
pub(crate) async fn get_billing(Extension(app): Extension<App>, caller: Caller) -> Result<Reply> {
    let collected = app
        .accounts
        .collect_from(&app.directory, Some(caller.grant.account))
        .await;
    collected.map_err(from_service)?;
    let account = account_of(&app, &caller).await?;
    Reply::json(&bill(&account))
}

/// Set the budget
///
/// A hard one: past it writes and queries get 402, reads of records go on.
#[utoipa::path(
    put,
    path = "/v1/billing",
    operation_id = "put_billing",
    tag = "Usage",
    request_body(content = PutBilling, example = json!({"budget_micros": 25_000_000})),
    responses((status = 200, description = "The bill so far.", body = Billing), PutRefusals),
)]
pub(crate) async fn put_billing(
    Extension(app): Extension<App>,
    caller: Caller,
    Json { value: request, .. }: Json<PutBilling>,
) -> Result<Reply> {
    if request
        .budget_micros
        .is_some_and(|budget| budget > BUDGET_MAX)
    {
        return Err(Failure::invalid("budget_micros is at most 2^53 - 1").at("budget_micros"));
    }
    let account = account_of(&app, &caller).await?;
    let set = account
        .set_budget(&caller.by(), request.budget_micros)
        .await;
    set.map_err(from_service)?;
    Reply::json(&bill(&account))
}

fn bill(account: &Account) -> Billing {
    let (profile, balance) = (account.profile(), account.balance());
    Billing {
        plan: profile.plan,
        budget_micros: profile.budget_micros,
        cost_micros: account.plan().cost_micros(&balance.used),
        used: meters(balance.used),
        stored_bytes: balance.stock.bytes,
        stored_vectors: balance.stock.vectors,
    }
}
