//! Names in the path.

use axum::{
    RequestPartsExt as _,
    extract::{FromRequestParts, RawPathParams},
};
use http::request::Parts;
use quartz_service::Denial;

use crate::{
    auth::{caller, refused},
    problem::{Failure, Result},
    state::{App, app},
};

/// The name of a namespace, which belongs to the caller's account.
pub(crate) struct Name {
    qualified: String,
    /// Where the part begins that the caller knows.
    own: usize,
    payer: u32,
    most_namespaces: Option<u32>,
    most_units: Option<u64>,
}

impl Name {
    /// The name as the caller knows it.
    pub(crate) fn own(&self) -> &str {
        &self.qualified[self.own..]
    }

    /// The name in the directory, which holds the namespaces of many accounts.
    pub(crate) fn qualified(&self) -> &str {
        &self.qualified
    }

    /// What stands before the names of the account's namespaces.
    pub(crate) fn scope(&self) -> &str {
        &self.qualified[..self.own]
    }

    /// Number of the API key that pays.
    pub(crate) const fn payer(&self) -> u32 {
        self.payer
    }

    /// Namespaces that the account may have.
    pub(crate) const fn most_namespaces(&self) -> Option<u32> {
        self.most_namespaces
    }

    /// Units that the request may cost.
    pub(crate) const fn most_units(&self) -> Option<u64> {
        self.most_units
    }

    /// The name for a request that is many in one.
    pub(crate) fn many_requests(self) -> Self {
        Self {
            most_units: None,
            ..self
        }
    }

    /// A name that the caller reaches.
    fn new(name: &str, parts: &Parts, app: &App) -> Result<Self> {
        check_namespace(name, app.limits.namespace_name_bytes)?;
        let grant = &caller(parts)?.grant;
        if !grant.reaches(name) {
            return Err(refused(Denial::Namespace));
        }
        let mut qualified = grant.account.scope();
        let own = qualified.len();
        qualified.push_str(name);
        let terms = grant.tenant().terms();
        Ok(Self {
            qualified,
            own,
            payer: grant.key,
            most_namespaces: terms.and_then(|terms| terms.namespaces),
            most_units: terms.and_then(|terms| terms.request_units),
        })
    }
}

/// `{ns}`: the name of a namespace.
pub(crate) struct NamespacePath(pub(crate) Name);

/// `{ns}` and `{*key}`: a key is any UTF-8, percent-decoded, slashes and dots as they come.
pub(crate) struct KeyPath {
    /// Name of the namespace.
    pub(crate) namespace: Name,
    /// The key.
    pub(crate) key: String,
}

impl<S: Send + Sync> FromRequestParts<S> for NamespacePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let params = params(parts).await?;
        Ok(Self(Name::new(param(&params, "ns"), parts, &app)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let params = params(parts).await?;
        let namespace = Name::new(param(&params, "ns"), parts, &app)?;
        let key = param(&params, "key");
        check_id("the key", key, app.limits.id_bytes).map_err(|failure| failure.at("key"))?;
        Ok(Self {
            namespace,
            key: key.to_owned(),
        })
    }
}

/// `{id}`: a number.
pub(crate) struct NumberPath(pub(crate) u32);

/// `{id}` and `{event}`: a webhook and the number of an event.
pub(crate) struct DeliveryPath {
    /// Number of the webhook.
    pub(crate) webhook: u32,
    /// Number of the event.
    pub(crate) event: u64,
}

/// `{role}`: the name of a role.
pub(crate) struct RolePath(pub(crate) String);

/// `{account}`: the id of an account.
pub(crate) struct AccountPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for NumberPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let number = param(&params(parts).await?, "id").parse();
        number.map(Self).map_err(|_| {
            Failure::invalid("the id in the path is a whole number below 2^32").at("id")
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let NumberPath(webhook) = NumberPath::from_request_parts(parts, state).await?;
        let event = param(&params(parts).await?, "event").parse();
        let event = event
            .map_err(|_| Failure::invalid("the event in the path is a whole number").at("event"))?;
        Ok(Self { webhook, event })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RolePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let app = app(&parts.extensions)?;
        let params = params(parts).await?;
        let name = param(&params, "role");
        let most = app.limits.role_name_bytes;
        if name.len() > most {
            return Err(Failure::limit("the role's name", "role_name_bytes", most).at("role"));
        }
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(allowed) {
            let detail = "a role's name has 1 to 64 characters of a-z 0-9 _ -";
            return Err(Failure::invalid(detail).at("role"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AccountPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(param(&params(parts).await?, "account").to_owned()))
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

/// The name of a namespace.
pub(crate) fn check_namespace(name: &str, most: usize) -> Result<()> {
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
