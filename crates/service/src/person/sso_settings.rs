//! What an operator says about single sign-on, on any host.

use std::{fmt, sync::Arc};

use serde::Deserialize;

use super::{SingleSignOn, SsoAttempts};
use crate::{AccountId, IdentityProvider, roles};

/// What an operator says, as texts.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in SsoSettings")]
pub struct SsoTexts {
    pub issuer: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub account: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub groups_claim: Option<String>,
    pub roles: Option<Vec<String>>,
    pub default_role: Option<String>,
}

/// An identity provider and what its people are here.
#[derive(Clone, Debug)]
pub struct SsoSettings {
    /// The provider's URL, which is also what it is called.
    pub issuer: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// What proves it to the provider.
    pub client_secret: Option<Secret>,
    /// The account that the provider's people are members of.
    pub account: AccountId,
    /// What to ask for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the groups of a person.
    pub groups_claim: String,
    /// Groups with their roles; the first that somebody is in counts.
    pub roles: Vec<(String, String)>,
    /// The role of those who are in none of the groups.
    pub default_role: Option<String>,
}

/// A secret text, which does not print itself.
#[derive(Clone, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SsoTexts {
    /// Checks them as a whole; `None` if there is no provider. Whether the issuer is a URL that may be gone to is
    /// the host's to say. `called` is what the host calls a setting.
    ///
    /// # Errors
    /// What is missing or makes no sense, for the operator.
    pub fn check(self, called: fn(&str) -> String) -> Result<Option<SsoSettings>, String> {
        let Some(issuer) = self.issuer else {
            if self.client_id.is_some() || self.client_secret.is_some() {
                let (id, issuer) = (called("client-id"), called("issuer"));
                return Err(format!("{id} needs {issuer}, the provider"));
            }
            return Ok(None);
        };
        let needs = |what: &str| format!("{} needs {what}", called("issuer"));
        let client_id = self.client_id.ok_or_else(|| needs(&called("client-id")))?;
        let account = match self.account {
            None => AccountId::ROOT,
            Some(id) => {
                let parsed = id.parse();
                parsed
                    .map_err(|_| format!("{}: {id:?} is no id of an account", called("account")))?
            }
        };
        let roles = self.roles.unwrap_or_default();
        let roles = roles
            .iter()
            .map(|text| group_and_role(&called("roles"), text));
        let roles = roles.collect::<Result<Vec<_>, _>>()?;
        match &self.default_role {
            Some(role) => check_role(&called("default-role"), role)?,
            None if roles.is_empty() => {
                let one = format!("{} or {}", called("roles"), called("default-role"));
                return Err(needs(&format!("{one}: nobody would get in")));
            }
            None => {}
        }
        let default_scopes = || vec!["email".to_owned(), "profile".to_owned()];
        Ok(Some(SsoSettings {
            issuer,
            client_id,
            client_secret: self.client_secret,
            account,
            scopes: self.scopes.unwrap_or_else(default_scopes),
            groups_claim: self.groups_claim.unwrap_or_else(|| "groups".to_owned()),
            roles,
            default_role: self.default_role,
        }))
    }
}

impl SsoSettings {
    /// Single sign-on by the provider.
    #[must_use]
    pub fn single_sign_on(
        &self,
        provider: Arc<dyn IdentityProvider>,
        attempts: SsoAttempts,
    ) -> SingleSignOn {
        SingleSignOn {
            provider,
            attempts,
            account: self.account,
            roles: self.roles.clone(),
            default_role: self.default_role.clone(),
        }
    }
}

/// `group=role`; a group may hold the sign itself, as names of directories do.
fn group_and_role(setting: &str, text: &str) -> Result<(String, String), String> {
    let parts = text.rsplit_once('=');
    let parts = parts.map(|(group, role)| (group.trim(), role.trim()));
    match parts {
        Some((group, role)) if !group.is_empty() => {
            check_role(setting, role)?;
            Ok((group.to_owned(), role.to_owned()))
        }
        _ => Err(format!("{setting} reads group=role,group=role: {text:?}")),
    }
}

/// A role that members can have; whether the account has it shows at a login.
fn check_role(setting: &str, role: &str) -> Result<(), String> {
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if role.is_empty() || !role.bytes().all(sound) {
        return Err(format!("{setting}: {role:?} is no name of a role"));
    }
    if role == roles::OPERATOR.name {
        let why = "that is who has the root key";
        return Err(format!("{setting}: nobody is made an {role}: {why}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(roles: &[&str]) -> SsoTexts {
        SsoTexts {
            issuer: Some("https://id.example".into()),
            client_id: Some("quartz".into()),
            client_secret: Some("hush".into()),
            roles: Some(roles.iter().map(|&role| role.into()).collect()),
            ..SsoTexts::default()
        }
    }

    fn check(texts: SsoTexts) -> Result<Option<SsoSettings>, String> {
        texts.check(|setting| format!("oidc-{setting}"))
    }

    #[test]
    fn a_provider_is_whole_or_not_there() {
        assert!(check(SsoTexts::default()).unwrap().is_none());
        let good = check(texts(&["staff = reader", "cn=a,ou=b=admin"]));
        let good = good.unwrap().unwrap();
        assert_eq!(good.account, AccountId::ROOT);
        assert_eq!(good.groups_claim, "groups");
        assert_eq!(good.scopes, ["email", "profile"]);
        assert_eq!(good.roles[0], ("staff".to_owned(), "reader".to_owned()));
        assert_eq!(good.roles[1], ("cn=a,ou=b".to_owned(), "admin".to_owned()));
        assert!(!format!("{good:?}").contains("hush"));
        let without_client = SsoTexts {
            client_id: None,
            ..texts(&["a=reader"])
        };
        let why = check(without_client).unwrap_err();
        assert_eq!(why, "oidc-issuer needs oidc-client-id");
        let without_issuer = SsoTexts {
            issuer: None,
            ..texts(&["a=reader"])
        };
        assert!(check(without_issuer).is_err());
        assert!(check(texts(&[])).is_err());
        let with_default = SsoTexts {
            default_role: Some("reader".into()),
            ..texts(&[])
        };
        assert!(check(with_default).is_ok());
        for roles in [
            ["staff"],
            ["=reader"],
            ["staff="],
            ["staff=Reader"],
            ["staff=operator"],
        ] {
            assert!(check(texts(&roles)).is_err(), "{roles:?}");
        }
    }
}
