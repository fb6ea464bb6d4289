//! Which part of the database a request is about, for what forwards requests before the router.

use http::Method;
use percent_encoding::percent_decode_str;
use quartz_api::MAX;
use quartz_service::AccountId;

use crate::extract::check_namespace;

const NAMESPACES: &str = "/v1/namespaces";
const ACCOUNTS: &str = "/v1/accounts";
/// What sessions do in the account that they act in.
const LEAVE: &str = "/v1/auth/leave";

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The namespace of this name, of the account of whoever asks.
    Namespace(String),
    /// The account of whoever asks: its keys, the list of its namespaces.
    Caller,
    /// This account, whoever asks.
    Account(AccountId),
    /// An account that is yet to be.
    NewAccount,
    /// The people, the list of the accounts, whether storage is ready.
    Registry,
    /// Nothing stored: documents, liveness, paths that lead nowhere, names that no namespace can have.
    Nothing,
}

/// What a request to this path, without its query, is about.
///
/// ```
/// use http::Method;
/// use quartz_http::{Subject, subject};
/// let get = |path| subject(&Method::GET, path);
/// let docs = Subject::Namespace("docs".to_owned());
/// assert_eq!(get("/v1/namespaces/docs/kv/a"), docs);
/// assert_eq!(get("/v1/namespaces/d%6Fcs"), docs);
/// assert_eq!(get("/v1/namespaces"), Subject::Caller);
/// assert_eq!(get("/v1/keys"), Subject::Caller);
/// assert_eq!(get("/v1/accounts/acme"), Subject::Account("acme".parse().unwrap()));
/// assert_eq!(get("/v1/accounts"), Subject::Registry);
/// assert_eq!(subject(&Method::POST, "/v1/accounts"), Subject::NewAccount);
/// assert_eq!(get("/v1/auth/session"), Subject::Registry);
/// assert_eq!(get("/v1/namespaces/-/query"), Subject::Nothing);
/// ```
#[must_use]
pub fn subject(method: &Method, path: &str) -> Subject {
    if matches!(path, "/readyz" | "/healthz") {
        return Subject::Registry;
    }
    if let Some(name) = first_below(NAMESPACES, path) {
        return match percent_decode_str(name).decode_utf8() {
            Ok(name) if check_namespace(&name, MAX.namespace_name_bytes).is_ok() => {
                Subject::Namespace(name.into_owned())
            }
            _ => Subject::Nothing,
        };
    }
    if let Some(id) = first_below(ACCOUNTS, path) {
        let id = percent_decode_str(id).decode_utf8();
        let id = id.ok().and_then(|id| id.parse().ok());
        // Where the caller's account is, there is none of another name.
        return id.map_or(Subject::Caller, Subject::Account);
    }
    match path {
        ACCOUNTS if method == Method::POST => Subject::NewAccount,
        ACCOUNTS => Subject::Registry,
        LEAVE => Subject::Caller,
        _ if path.starts_with("/v1/auth/") => Subject::Registry,
        _ if path.starts_with("/v1/") => Subject::Caller,
        _ => Subject::Nothing,
    }
}

/// The first part of a path behind another path.
fn first_below<'a>(above: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(above)?.strip_prefix('/')?;
    rest.split('/').next()
}
