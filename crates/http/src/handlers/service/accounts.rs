use axum::Extension;
use http::StatusCode;
use quartz_api as wire;
use quartz_api::{AccountList, CreateAccount, CreatedAccount, ErrorCode, UpdateAccount};
use quartz_service::{
    Account, AccountId, Namespaces, NewAccount, NewKey, Permission, peers::Description,
    roles::OWNER,
};

use super::{api_keys::issued_to_wire, check_label, check_text, invitations::invite, parse_email};
use crate::{
    auth::Caller,
    cursor::List,
    extract::{AccountPath, Json, QueryString, WalkParams, page_limit},
    handlers::Reply,
    openapi::{AccountParams, refuses},
    problem::{Failure, Result, from_service, from_store},
    state::App,
};

refuses!(ListRefusals: InvalidRequest LimitExceeded CursorInvalid);
refuses!(CreateRefusals: InvalidRequest LimitExceeded PlanNotFound BodyTooLarge UnsupportedMediaType);
refuses!(OneRefusals: InvalidRequest AccountNotFound);
refuses!(UpdateRefusals: InvalidRequest LimitExceeded AccountNotFound PlanNotFound Conflict BodyTooLarge UnsupportedMediaType);
refuses!(CloseRefusals: InvalidRequest AccountNotFound Conflict);

const LIST: List<'_> = List {
    endpoint: "accounts",
    namespace: "",
    prefix: "",
};

/// List accounts
///
/// Ascending by id. For operators of the server.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "list_accounts",
    tag = "Accounts",
    params(WalkParams),
    responses((status = 200, description = "A page of accounts.", body = AccountList), ListRefusals),
)]
pub(crate) async fn list_accounts(
    Extension(app): Extension<App>,
    QueryString(params): QueryString<WalkParams>,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    let after =
        match &params.cursor {
            None => None,
            Some(cursor) => Some(LIST.after(cursor)?.parse().map_err(|_| {
                Failure::invalid("the cursor does not name an account").at("cursor")
            })?),
        };
    let page = app.accounts.list(after, limit).await;
    let (accounts, next) = page.map_err(from_service)?;
    Reply::json(&AccountList {
        accounts: accounts.into_iter().map(to_wire).collect(),
        next_cursor: next.map(|id| LIST.cursor(id.as_str())),
    })
}

/// Create an account
///
/// With a key of its owner, whose text is shown this once, and an invitation of an owner, if `owner_email`
/// is given. For operators of the server.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "create_account",
    tag = "Accounts",
    request_body(content = CreateAccount, example = json!({"name": "Acme"})),
    responses((status = 201, description = "The account and its first key.", body = CreatedAccount), CreateRefusals),
)]
pub(crate) async fn create_account(
    Extension(app): Extension<App>,
    caller: Caller,
    Json { value: request, .. }: Json<CreateAccount>,
) -> Result<Reply> {
    check_label("name", &request.name, "label_bytes", app.limits.label_bytes)?;
    let owner = request.owner_email.as_deref();
    let owner = owner.map(|email| parse_email("owner_email", email, &app.limits));
    let owner = owner.transpose()?;
    let by = caller.by();
    let new = NewAccount {
        name: request.name,
        plan: request.plan,
        owner: None,
    };
    let account = app.accounts.create(&by, new).await.map_err(from_service)?;
    let key = NewKey {
        name: OWNER.name.to_owned(),
        role: OWNER.name.to_owned(),
        prefixes: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
        requests_per_second: None,
    };
    let issued = account.create_key(&by, key).await.map_err(from_service)?;
    let invitation = match owner {
        None => None,
        Some(email) => Some(invite(&app, &account, &by, &email, OWNER.name).await?),
    };
    let created = CreatedAccount {
        account: to_wire(account.description()),
        key: issued_to_wire(issued),
        invitation,
    };
    Ok(Reply::json(&created)?.status(StatusCode::CREATED))
}

/// Describe an account
///
/// Your own; operators, any.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account}",
    operation_id = "get_account",
    tag = "Accounts",
    params(AccountParams),
    responses((status = 200, description = "The account.", body = wire::Account), OneRefusals),
)]
pub(crate) async fn get_account(
    Extension(app): Extension<App>,
    caller: Caller,
    AccountPath(id): AccountPath,
) -> Result<Reply> {
    Reply::json(&to_wire(reached(&app, &caller, &id).await?.description()))
}

/// Change an account
///
/// Its name; operators, also whether it is suspended.
#[utoipa::path(
    patch,
    path = "/v1/accounts/{account}",
    operation_id = "update_account",
    tag = "Accounts",
    params(AccountParams),
    request_body(content = UpdateAccount, example = json!({"name": "Acme Incorporated"})),
    responses((status = 200, description = "The account as it is now.", body = wire::Account), UpdateRefusals),
)]
pub(crate) async fn update_account(
    Extension(app): Extension<App>,
    caller: Caller,
    AccountPath(id): AccountPath,
    Json { value: request, .. }: Json<UpdateAccount>,
) -> Result<Reply> {
    if let Some(name) = &request.name {
        check_label("name", name, "label_bytes", app.limits.label_bytes)?;
    }
    if let Some(reason) = &request.suspended {
        let most = app.limits.description_bytes;
        check_text("suspended", reason, "description_bytes", most)?;
        operator(&caller)?;
    }
    if let Some(plan) = &request.plan {
        check_text("plan", plan, "role_name_bytes", app.limits.role_name_bytes)?;
        operator(&caller)?;
    }
    let account = reached(&app, &caller, &id).await?;
    let by = caller.by();
    if let Some(plan) = &request.plan {
        let set = account.set_plan(&by, &app.accounts.plans(), plan).await;
        set.map_err(from_service)?;
    }
    if let Some(name) = &request.name {
        account.rename(&by, name).await.map_err(from_service)?;
    }
    if let Some(reason) = &request.suspended {
        let reason = Some(&**reason).filter(|reason| !reason.is_empty());
        account.suspend(&by, reason).await.map_err(from_service)?;
    }
    Reply::json(&to_wire(account.description()))
}

/// Close an account
///
/// Erases everything: namespaces, keys, usage, the audit log, and the people who are in no other account. Export first what you want to keep.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{account}",
    operation_id = "close_account",
    tag = "Accounts",
    params(AccountParams),
    responses((status = 204, description = "It is gone."), CloseRefusals),
)]
pub(crate) async fn close_account(
    Extension(app): Extension<App>,
    caller: Caller,
    AccountPath(id): AccountPath,
) -> Result<Reply> {
    let account = reached(&app, &caller, &id).await?;
    let id = account.id();
    drop(account);
    let namespaces = Namespaces {
        directory: &app.directory,
        elsewhere: &|name| app.host.erase(name),
    };
    let closed = app.accounts.close(&caller.by(), id, &namespaces).await;
    closed.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// An account that the caller may see. Others are not told from those that are not there.
pub(super) async fn reached(app: &App, caller: &Caller, id: &str) -> Result<Account> {
    let not_found = || Failure::account_not_found(id);
    let wanted: AccountId = id.parse().map_err(|_| not_found())?;
    if wanted != caller.grant.account && operator(caller).is_err() {
        return Err(not_found());
    }
    let account = app.accounts.open(wanted).await;
    account
        .map_err(|error| from_store(&error))?
        .ok_or_else(not_found)
}

fn operator(caller: &Caller) -> Result<()> {
    let allowed = caller.grant.allows(Permission::Operate);
    allowed.map_err(|_| {
        let detail = format!("this takes the permission {}", Permission::Operate);
        Failure::new(ErrorCode::PermissionDenied, detail)
    })
}

fn to_wire(account: Description) -> wire::Account {
    wire::Account {
        id: account.id.to_string(),
        name: account.name,
        plan: account.plan,
        suspended: account.suspended,
        created_at: account.created_at,
    }
}
