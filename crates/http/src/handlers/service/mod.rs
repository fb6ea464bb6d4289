//! The service half: accounts, people, API keys, roles, audit, webhooks. One file a resource.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod billing;
pub(crate) mod impersonation;
pub(crate) mod invitations;
pub(crate) mod login;
pub(crate) mod members;
pub(crate) mod passwords;
pub(crate) mod roles;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod single_sign_on;
pub(crate) mod usage;
pub(crate) mod webhooks;
pub(crate) mod whoami;

use quartz_api::Limits;
use quartz_service::{Account, Email, Permission, Permissions};

use crate::{
    auth::Caller,
    problem::{Failure, Result, from_store},
    state::App,
};

/// Shorter passwords are guessed.
const PASSWORD_CHARS_MIN: usize = 10;

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

/// An e-mail address.
fn parse_email(what: &'static str, text: &str, limits: &Limits) -> Result<Email> {
    if text.len() > limits.email_bytes {
        return Err(Failure::limit(what, "email_bytes", limits.email_bytes).at(what));
    }
    let detail = "this is no e-mail address of the usual form, name@domain";
    Email::parse(text).ok_or_else(|| Failure::invalid(detail).at(what))
}

/// A password that is to be set.
fn check_password(text: &str, limits: &Limits) -> Result<()> {
    given_password("password", text, limits)?;
    if text.chars().count() < PASSWORD_CHARS_MIN {
        let detail = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        return Err(Failure::invalid(detail).at("password"));
    }
    Ok(())
}

/// A password that is to be compared.
fn given_password(what: &'static str, text: &str, limits: &Limits) -> Result<()> {
    if text.len() > limits.password_bytes {
        return Err(Failure::limit(what, "password_bytes", limits.password_bytes).at(what));
    }
    Ok(())
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
