use axum::Extension;
use http::StatusCode;
use quartz_api as wire;
use quartz_api::{CreateInvitation, InvitationList, IssuedInvitation};
use quartz_service::{Account, By, Email, Invitation};

use super::{account_of, check_label, login::unkept, parse_email};
use crate::{
    auth::Caller,
    extract::{Json, NumberPath},
    handlers::Reply,
    openapi::{IdParams, refuses},
    problem::{Result, from_service},
    state::App,
};

refuses!(ListRefusals:);
refuses!(CreateRefusals: InvalidRequest LimitExceeded RoleNotFound Conflict BodyTooLarge UnsupportedMediaType);
refuses!(WithdrawRefusals: InvalidRequest InvitationNotFound);

/// List invitations
///
/// Those that are open, ascending by number.
#[utoipa::path(
    get,
    path = "/v1/invitations",
    operation_id = "list_invitations",
    tag = "Members",
    responses((status = 200, description = "All open invitations.", body = InvitationList), ListRefusals),
)]
pub(crate) async fn list_invitations(
    Extension(app): Extension<App>,
    caller: Caller,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let invitations = account.invitations().iter().map(to_wire).collect();
    Reply::json(&InvitationList { invitations })
}

/// Invite somebody
///
/// By a mail that is good for seven days. The role can do no more than the caller. Where the server sends no
/// mail, operators, and nobody else, get the token in the answer and carry it over.
#[utoipa::path(
    post,
    path = "/v1/invitations",
    operation_id = "create_invitation",
    tag = "Members",
    request_body(content = CreateInvitation, example = json!({"email": "bob@example.com", "role": "developer"})),
    responses((status = 201, description = "The invitation.", body = IssuedInvitation), CreateRefusals),
)]
pub(crate) async fn create_invitation(
    Extension(app): Extension<App>,
    caller: Caller,
    Json { value: request, .. }: Json<CreateInvitation>,
) -> Result<Reply> {
    let email = parse_email("email", &request.email, &app.limits)?;
    let most = app.limits.role_name_bytes;
    check_label("role", &request.role, "role_name_bytes", most)?;
    let account = account_of(&app, &caller).await?;
    let issued = invite(&app, &account, &caller.by(), &email, &request.role).await?;
    Ok(unkept(Reply::json(&issued)?.status(StatusCode::CREATED)))
}

/// Withdraw an invitation
#[utoipa::path(
    delete,
    path = "/v1/invitations/{id}",
    operation_id = "withdraw_invitation",
    tag = "Members",
    params(IdParams),
    responses((status = 204, description = "Its token opens nothing."), WithdrawRefusals),
)]
pub(crate) async fn withdraw_invitation(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let withdrawn = account.withdraw(&caller.by(), number).await;
    withdrawn.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Invites somebody; the token is in the answer where no mail carries it.
pub(super) async fn invite(
    app: &App,
    account: &Account,
    by: &By,
    email: &Email,
    role: &str,
) -> Result<IssuedInvitation> {
    let invited = app.accounts.invite(account, by, email, role).await;
    let invited = invited.map_err(from_service)?;
    Ok(IssuedInvitation {
        invitation: to_wire(&invited.invitation),
        token: (!app.accounts.sends_mail()).then_some(invited.token),
    })
}

fn to_wire(invitation: &Invitation) -> wire::Invitation {
    let stored = &invitation.stored;
    wire::Invitation {
        id: invitation.number,
        email: stored.email.clone(),
        role: stored.role.clone(),
        created_at: stored.created_at,
        created_by: stored.created_by.clone(),
        expires_at: stored.expires_at,
    }
}
