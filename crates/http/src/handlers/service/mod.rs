//! The service half: accounts, API keys, roles, audit, webhooks. One file a resource.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod billing;
pub(crate) mod impersonation;
pub(crate) mod roles;
pub(crate) mod usage;
pub(crate) mod webhooks;
pub(crate) mod whoami;

use quartz_service::{Account, Permission, Permissions};

use crate::{
    auth::Caller,
    problem::{Failure, Result, from_store},
    state::App,
};

/// The caller's account.
async fn account_of(app: &App, caller: &Caller) -> Result<Account> {
    let id = caller.grant.account;
    let account = app.accounts.open(id).await;
    let account = account.map_err(|error| from_store(&error))?;
    account.ok_or_else(|| Failure::account_not_found(id.as_str()))
}

/// A text that people write.
fn check_text(what: &'static str, text: &str, limit: &'static str, most: usize) -> Result<()> {
    if text.len() > most {
        return Err(Failure::limit(what, limit, most).at(what));
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::invalid(format!("{what} must not hold control characters")).at(what));
    }
    Ok(())
}

/// As [`check_text`], for a name, which is never empty.
fn check_label(what: &'static str, text: &str, limit: &'static str, most: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Failure::invalid(format!("{what} must not be empty")).at(what));
    }
    check_text(what, text, limit, most)
}

fn permissions_from_wire(names: &[String]) -> Result<Permissions> {
    let permission = |(at, name): (usize, &String)| {
        Permission::named(name).ok_or_else(|| {
            let known: Vec<_> = Permission::ALL.iter().map(|one| one.as_str()).collect();
            let detail = format!(
                "there is no permission {name:?}; there are {}",
                known.join(", ")
            );
            Failure::invalid(detail).at(format!("permissions[{at}]"))
        })
    };
    names.iter().enumerate().map(permission).collect()
}

fn permissions_to_wire(permissions: Permissions) -> Vec<String> {
    let mut names: Vec<_> = permissions
        .iter()
        .map(|one| one.as_str().to_owned())
        .collect();
    names.sort_unstable();
    names
}
