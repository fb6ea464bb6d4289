use axum::Extension;
use http::StatusCode;
use quartz_api::{PutRole, Role, RoleList};
use quartz_service::rows::role::StoredRole;

use super::{account_of, check_text, permissions_from_wire, permissions_to_wire};
use crate::{
    auth::Caller,
    extract::{Json, RolePath},
    handlers::Reply,
    openapi::{RoleParams, refuses},
    problem::{Result, from_service},
    state::App,
};

refuses!(ListRefusals:);
refuses!(PutRefusals: InvalidRequest LimitExceeded Conflict BodyTooLarge UnsupportedMediaType);
refuses!(DeleteRefusals: InvalidRequest LimitExceeded RoleNotFound Conflict);

/// List roles
///
/// The built-in ones, then the account's own by name.
#[utoipa::path(
    get,
    path = "/v1/roles",
    operation_id = "list_roles",
    tag = "Roles",
    responses((status = 200, description = "All roles.", body = RoleList), ListRefusals),
)]
pub(crate) async fn list_roles(Extension(app): Extension<App>, caller: Caller) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let roles = account.roles().into_iter().map(|role| Role {
        name: role.name,
        built_in: role.built_in,
        permissions: permissions_to_wire(role.permissions),
        description: role.description,
    });
    let roles = roles.collect();
    Reply::json(&RoleList { roles })
}

/// Create or change a role
///
/// Of permissions that the caller has. Keys that have the role change with it, everywhere within five
/// seconds.
#[utoipa::path(
    put,
    path = "/v1/roles/{role}",
    operation_id = "put_role",
    tag = "Roles",
    params(RoleParams),
    request_body(content = PutRole, example = json!({
        "permissions": ["records:read", "records:write"], "description": "loads data",
    })),
    responses(
        (status = 200, description = "It was there and is changed.", body = Role),
        (status = 201, description = "It is new.", body = Role),
        PutRefusals,
    ),
)]
pub(crate) async fn put_role(
    Extension(app): Extension<App>,
    caller: Caller,
    RolePath(name): RolePath,
    Json { value: request, .. }: Json<PutRole>,
) -> Result<Reply> {
    let most = app.limits.description_bytes;
    check_text(
        "description",
        &request.description,
        "description_bytes",
        most,
    )?;
    let permissions = permissions_from_wire(&request.permissions)?;
    let wanted = StoredRole {
        permissions,
        description: request.description.clone(),
    };
    let account = account_of(&app, &caller).await?;
    let is_new = account.put_role(&caller.by(), &name, wanted).await;
    let status = match is_new.map_err(from_service)? {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let role = Role {
        name,
        built_in: false,
        permissions: permissions_to_wire(permissions),
        description: request.description,
    };
    Ok(Reply::json(&role)?.status(status))
}

/// Delete a role
///
/// One that no key has.
#[utoipa::path(
    delete,
    path = "/v1/roles/{role}",
    operation_id = "delete_role",
    tag = "Roles",
    params(RoleParams),
    responses((status = 204, description = "It is gone."), DeleteRefusals),
)]
pub(crate) async fn delete_role(
    Extension(app): Extension<App>,
    caller: Caller,
    RolePath(name): RolePath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let deleted = account.delete_role(&caller.by(), &name).await;
    deleted.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
