use quartz_api::Whoami;

use super::permissions_to_wire;
use crate::{auth::Caller, handlers::Reply, openapi::refuses, problem::Result};

refuses!(Refusals:);

/// Ask who you are
///
/// The account, role and permissions of the credential.
#[utoipa::path(
    get,
    path = "/v1/whoami",
    operation_id = "whoami",
    tag = "Accounts",
    responses((status = 200, description = "What the credential stands for.", body = Whoami), Refusals),
)]
pub(crate) async fn whoami(caller: Caller) -> Result<Reply> {
    let grant = &caller.grant;
    Reply::json(&Whoami {
        account: grant.account.to_string(),
        key: Some(grant.key).filter(|key| *key != 0 && grant.member.is_none()),
        member: grant.member.as_ref().map(|member| member.email.clone()),
        role: grant.role.clone(),
        permissions: permissions_to_wire(grant.permissions),
        prefixes: grant.prefixes.clone(),
        expires_at: grant.expires_at,
    })
}
