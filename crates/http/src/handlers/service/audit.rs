use axum::Extension;
use quartz_api::{AuditEntry, AuditList};
use quartz_service::rows::audit::Linked;

use super::account_of;
use crate::{
    auth::Caller,
    cursor::List,
    extract::{QueryString, WalkParams, page_limit},
    handlers::Reply,
    openapi::refuses,
    problem::{Failure, Result, from_service, from_store},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded CursorInvalid);

const LIST: List<'_> = List {
    endpoint: "audit",
    namespace: "",
    prefix: "",
};

/// Read the audit log
///
/// Oldest first. Each entry is chained to the one before by its hash: `quartz audit verify` proves
/// that none was changed or removed.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    tag = "Audit",
    params(WalkParams),
    responses((status = 200, description = "A page of entries.", body = AuditList), Refusals),
)]
pub(crate) async fn list_audit(
    Extension(app): Extension<App>,
    caller: Caller,
    QueryString(params): QueryString<WalkParams>,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    let after = match &params.cursor {
        None => 0,
        Some(cursor) => LIST
            .after(cursor)?
            .parse()
            .map_err(|_| Failure::invalid("the cursor does not name an entry").at("cursor"))?,
    };
    let account = account_of(&app, &caller).await?;
    account
        .flush_denials()
        .await
        .map_err(|error| from_store(&error))?;
    let page = account.audit(after, limit).await.map_err(from_service)?;
    let entries = page
        .entries
        .into_iter()
        .map(|(sequence, linked)| entry(sequence, linked));
    Reply::json(&AuditList {
        entries: entries.collect(),
        head_sequence: page.head.sequence,
        head_hash: blake3::Hash::from(page.head.hash).to_hex().to_string(),
        next_cursor: page.next.map(|last| LIST.cursor(&last.to_string())),
    })
}

fn entry(sequence: u64, linked: Linked) -> AuditEntry {
    let entry = linked.entry;
    AuditEntry {
        sequence,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        outcome: entry.outcome,
        detail: entry.detail,
        address: entry.address,
        request_id: entry.request_id,
        previous: blake3::Hash::from(linked.previous).to_hex().to_string(),
    }
}
