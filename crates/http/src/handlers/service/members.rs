use axum::Extension;
use http::StatusCode;
use quartz_api as wire;
use quartz_api::{MemberList, UpdateMember};
use quartz_service::Member;

use super::{account_of, check_label};
use crate::{
    auth::Caller,
    extract::{Json, NumberPath},
    handlers::Reply,
    openapi::{IdParams, refuses},
    problem::{Result, from_service},
    state::App,
};

refuses!(ListRefusals:);
refuses!(UpdateRefusals: InvalidRequest LimitExceeded MemberNotFound RoleNotFound Conflict BodyTooLarge UnsupportedMediaType);
refuses!(RemoveRefusals: InvalidRequest MemberNotFound Conflict);

/// List members
///
/// Ascending by number.
#[utoipa::path(
    get,
    path = "/v1/members",
    operation_id = "list_members",
    tag = "Members",
    responses((status = 200, description = "All members.", body = MemberList), ListRefusals),
)]
pub(crate) async fn list_members(Extension(app): Extension<App>, caller: Caller) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let members = account.members().iter().map(to_wire).collect();
    Reply::json(&MemberList { members })
}

/// Give a member another role
///
/// Neither the one before nor the new one may do more than the caller. The last owner stays one.
#[utoipa::path(
    patch,
    path = "/v1/members/{id}",
    operation_id = "update_member",
    tag = "Members",
    params(IdParams),
    request_body(content = UpdateMember, example = json!({"role": "developer"})),
    responses((status = 200, description = "The member as it is now.", body = wire::Member), UpdateRefusals),
)]
pub(crate) async fn update_member(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
    Json { value: request, .. }: Json<UpdateMember>,
) -> Result<Reply> {
    let most = app.limits.role_name_bytes;
    check_label("role", &request.role, "role_name_bytes", most)?;
    let account = account_of(&app, &caller).await?;
    let by = caller.by();
    let member = account.change_member(&by, number, &request.role);
    Reply::json(&to_wire(&member.await.map_err(from_service)?))
}

/// Remove a member
///
/// Their sessions in the account end at once. Whoever is in no other account is forgotten. API keys that
/// they have made stay.
#[utoipa::path(
    delete,
    path = "/v1/members/{id}",
    operation_id = "remove_member",
    tag = "Members",
    params(IdParams),
    responses((status = 204, description = "They are no member any more."), RemoveRefusals),
)]
pub(crate) async fn remove_member(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let by = caller.by();
    let removed = app.accounts.remove_member(&account, &by, number).await;
    removed.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn to_wire(member: &Member) -> wire::Member {
    wire::Member {
        id: member.number,
        email: member.stored.email.clone(),
        role: member.stored.role.clone(),
        since: member.stored.since,
    }
}
