//! Names in the path.

use axum::{
    RequestPartsExt as _,
    extract::{FromRequestParts, RawPathParams},
};
use http::request::Parts;

use crate::{
    problem::{Failure, Result},
    state::App,
};

/// `{ns}`: the name of a namespace.
pub(crate) struct NamespacePath(pub(crate) String);

/// `{ns}` and `{*key}`: a key is any UTF-8, percent-decoded, slashes and dots as they come.
pub(crate) struct KeyPath {
    /// Name of the namespace.
    pub(crate) namespace: String,
    /// The key.
    pub(crate) key: String,
}

impl FromRequestParts<App> for NamespacePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let params = params(parts).await?;
        let name = param(&params, "ns");
        check_namespace(name, app.limits.namespace_name_bytes)?;
        Ok(Self(name.to_owned()))
    }
}

impl FromRequestParts<App> for KeyPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let params = params(parts).await?;
        let namespace = param(&params, "ns");
        check_namespace(namespace, app.limits.namespace_name_bytes)?;
        let key = param(&params, "key");
        check_id("the key", key, app.limits.id_bytes).map_err(|failure| failure.at("key"))?;
        Ok(Self {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
        })
    }
}

async fn params(parts: &mut Parts) -> Result<RawPathParams> {
    parts.extract::<RawPathParams>().await.map_err(|_| {
        Failure::invalid("the path must be UTF-8, percent-encoded where necessary").at("key")
    })
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params
        .iter()
        .find(|(other, _)| *other == name)
        .map_or("", |(_, value)| value)
}

/// An id of a record, whatever it is called where it stands.
pub(crate) fn check_id(what: &str, id: &str, most: usize) -> Result<()> {
    if id.is_empty() {
        return Err(Failure::invalid(format!("{what} must not be empty")));
    }
    if id.len() > most {
        return Err(Failure::limit(what, "id_bytes", most));
    }
    Ok(())
}

fn check_namespace(name: &str, most: usize) -> Result<()> {
    if name.len() > most {
        return Err(
            Failure::limit("the namespace's name", "namespace_name_bytes", most).at("namespace"),
        );
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphanumeric)
        || !name.bytes().all(allowed)
    {
        return Err(Failure::invalid(
            "a namespace's name has 1 to 128 characters of A-Z a-z 0-9 . _ - and begins with a \
             letter or digit",
        )
        .at("namespace"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces() {
        for name in ["a", "A-b_c.9", "0", &"x".repeat(128)] {
            assert!(check_namespace(name, 128).is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "a b",
            "ä",
            "a/b",
            &"x".repeat(129),
        ] {
            assert!(check_namespace(name, 128).is_err(), "{name}");
        }
    }
}
