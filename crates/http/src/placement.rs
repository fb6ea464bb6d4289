//! Which part of the database a request is about, for what forwards requests before the router.

use percent_encoding::percent_decode_str;
use quartz_api::MAX;

use crate::extract::check_namespace;

const NAMESPACES: &str = "/v1/namespaces";

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The namespace of this name.
    Namespace(String),
    /// What is not in a namespace: their list, the accounts, whether storage is ready.
    Catalog,
    /// Neither: documents, liveness, paths that lead nowhere, names that no namespace can have.
    Nothing,
}

/// What a request to this path, without its query, is about.
///
/// ```
/// use quartz_http::{Subject, subject};
/// let docs = Subject::Namespace("docs".to_owned());
/// assert_eq!(subject("/v1/namespaces/docs/kv/a"), docs);
/// assert_eq!(subject("/v1/namespaces/d%6Fcs"), docs);
/// assert_eq!(subject("/v1/namespaces"), Subject::Catalog);
/// assert_eq!(subject("/v1/keys"), Subject::Catalog);
/// assert_eq!(subject("/v1/namespaces/-/query"), Subject::Nothing);
/// ```
#[must_use]
pub fn subject(path: &str) -> Subject {
    let in_namespace = path
        .strip_prefix(NAMESPACES)
        .is_some_and(|rest| rest.starts_with('/'));
    if matches!(path, "/readyz" | "/healthz") || (path.starts_with("/v1/") && !in_namespace) {
        return Subject::Catalog;
    }
    let rest = path
        .strip_prefix(NAMESPACES)
        .and_then(|rest| rest.strip_prefix('/'));
    let name = rest
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    match percent_decode_str(name).decode_utf8() {
        Ok(name) if check_namespace(&name, MAX.namespace_name_bytes).is_ok() => {
            Subject::Namespace(name.into_owned())
        }
        _ => Subject::Nothing,
    }
}
