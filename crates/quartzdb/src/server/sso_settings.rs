//! What an operator says about single sign-on.

use std::{str::FromStr, sync::Arc};

use anyhow::{Context, bail, ensure};
use openidconnect::url::Url;
use quartz_service::{AccountId, SingleSignOn, roles};
use serde::Deserialize;

use super::openid_connect::{OpenIdConnect, check_transport};

/// What the command line, the environment and the configuration file, in its table `oidc`, may say of an
/// identity provider.
#[derive(Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[group(skip)]
pub(crate) struct OidcArgs {
    /// OpenID Connect provider whose people may sign in: its issuer URL
    #[arg(
        id = "oidc_issuer",
        long = "oidc-issuer",
        env = "QUARTZ_OIDC_ISSUER",
        value_name = "URL"
    )]
    issuer: Option<String>,
    /// What the provider calls this server; redirect URI: PUBLIC_URL/v1/auth/sso/callback
    #[arg(
        id = "oidc_client_id",
        long = "oidc-client-id",
        env = "QUARTZ_OIDC_CLIENT_ID",
        value_name = "ID"
    )]
    client_id: Option<String>,
    /// What proves it to the provider; none for a public client
    #[arg(
        id = "oidc_client_secret",
        long = "oidc-client-secret",
        env = "QUARTZ_OIDC_CLIENT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    client_secret: Option<Secret>,
    /// Account that the provider's people are members of [default: root]
    #[arg(
        id = "oidc_account",
        long = "oidc-account",
        env = "QUARTZ_OIDC_ACCOUNT",
        value_name = "ID"
    )]
    account: Option<String>,
    /// Scopes to ask for beside `openid`, separated by commas [default: email,profile]
    #[arg(
        id = "oidc_scopes",
        long = "oidc-scopes",
        env = "QUARTZ_OIDC_SCOPES",
        value_name = "SCOPES",
        value_delimiter = ','
    )]
    scopes: Option<Vec<String>>,
    /// Claim with the groups of a person [default: groups]
    #[arg(
        id = "oidc_groups_claim",
        long = "oidc-groups-claim",
        env = "QUARTZ_OIDC_GROUPS_CLAIM",
        value_name = "CLAIM"
    )]
    groups_claim: Option<String>,
    /// Roles of groups, `group=role`, separated by commas; the first group that somebody is in counts
    #[arg(
        id = "oidc_roles",
        long = "oidc-roles",
        env = "QUARTZ_OIDC_ROLES",
        value_name = "ROLES",
        value_delimiter = ','
    )]
    roles: Option<Vec<String>>,
    /// Role of those who are in none of the groups; without it they do not get in
    #[arg(
        id = "oidc_default_role",
        long = "oidc-default-role",
        env = "QUARTZ_OIDC_DEFAULT_ROLE",
        value_name = "ROLE"
    )]
    default_role: Option<String>,
}

/// A secret text, which does not print itself.
#[derive(Clone, Deserialize)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An identity provider and what its people are here.
#[derive(Clone, Debug)]
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Secret>,
    pub(super) account: AccountId,
    pub(super) scopes: Vec<String>,
    pub(super) groups_claim: String,
    pub(super) roles: Vec<(String, String)>,
    pub(super) default_role: Option<String>,
}

impl OidcArgs {
    /// What is said here, and else there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            issuer: self.issuer.or(other.issuer),
            client_id: self.client_id.or(other.client_id),
            client_secret: self.client_secret.or(other.client_secret),
            account: self.account.or(other.account),
            scopes: self.scopes.or(other.scopes),
            groups_claim: self.groups_claim.or(other.groups_claim),
            roles: self.roles.or(other.roles),
            default_role: self.default_role.or(other.default_role),
        }
    }

    /// Checks it as a whole.
    pub(super) fn into_oidc(self) -> anyhow::Result<Option<Oidc>> {
        let Some(issuer) = self.issuer else {
            let is_alone = self.client_id.is_some() || self.client_secret.is_some();
            ensure!(
                !is_alone,
                "--oidc-client-id needs --oidc-issuer, the provider"
            );
            return Ok(None);
        };
        let url = Url::parse(&issuer).with_context(|| format!("--oidc-issuer: {issuer:?}"))?;
        check_transport(&url).map_err(|error| anyhow::anyhow!("--oidc-issuer: {error}"))?;
        let client_id = self.client_id;
        let client_id = client_id.context("--oidc-issuer needs --oidc-client-id")?;
        let account = match self.account {
            None => AccountId::ROOT,
            Some(id) => id
                .parse()
                .map_err(|_| anyhow::anyhow!("--oidc-account: {id:?} is no id of an account"))?,
        };
        let roles = self.roles.unwrap_or_default();
        let roles = roles.iter().map(|text| group_and_role(text));
        let roles = roles.collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(role) = &self.default_role {
            check_role("--oidc-default-role", role)?;
        }
        if roles.is_empty() && self.default_role.is_none() {
            bail!("--oidc-issuer needs --oidc-roles or --oidc-default-role: nobody would get in");
        }
        let default_scopes = || vec!["email".to_owned(), "profile".to_owned()];
        Ok(Some(Oidc {
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

impl Oidc {
    /// Single sign-on by it, for browsers that reach this server at `public_url`.
    pub(super) fn single_sign_on(&self, public_url: &str) -> anyhow::Result<Arc<SingleSignOn>> {
        Ok(Arc::new(SingleSignOn {
            provider: Arc::new(OpenIdConnect::new(self, public_url)?),
            account: self.account,
            roles: self.roles.clone(),
            default_role: self.default_role.clone(),
        }))
    }
}

/// `group=role`; a group may hold the sign itself, as names of directories do.
fn group_and_role(text: &str) -> anyhow::Result<(String, String)> {
    let parts = text.rsplit_once('=');
    let parts = parts.map(|(group, role)| (group.trim(), role.trim()));
    match parts {
        Some((group, role)) if !group.is_empty() => {
            check_role("--oidc-roles", role)?;
            Ok((group.to_owned(), role.to_owned()))
        }
        _ => bail!("--oidc-roles reads group=role,group=role: {text:?}"),
    }
}

/// A role that members can have; whether the account has it shows at a login.
fn check_role(what: &str, role: &str) -> anyhow::Result<()> {
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let is_name = !role.is_empty() && role.bytes().all(sound);
    ensure!(is_name, "{what}: {role:?} is no name of a role");
    ensure!(
        role != roles::OPERATOR.name,
        "{what}: nobody is made an {role}: that is who has the root key"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(issuer: &str, roles: &[&str]) -> OidcArgs {
        OidcArgs {
            issuer: Some(issuer.into()),
            client_id: Some("quartz".into()),
            client_secret: Some("hush".parse().unwrap()),
            roles: Some(roles.iter().map(|&role| role.into()).collect()),
            ..OidcArgs::default()
        }
    }

    #[test]
    fn a_provider_is_whole_or_not_there() {
        assert!(OidcArgs::default().into_oidc().unwrap().is_none());
        let good = args("https://id.example", &["staff = reader", "cn=a,ou=b=admin"]);
        let good = good.into_oidc().unwrap().unwrap();
        assert_eq!(good.account, AccountId::ROOT);
        assert_eq!(good.groups_claim, "groups");
        assert_eq!(good.scopes, ["email", "profile"]);
        assert_eq!(good.roles[0], ("staff".to_owned(), "reader".to_owned()));
        assert_eq!(good.roles[1], ("cn=a,ou=b".to_owned(), "admin".to_owned()));
        assert!(!format!("{good:?}").contains("hush"));
        let without_client = OidcArgs {
            client_id: None,
            ..args("https://id.example", &["a=reader"])
        };
        assert!(without_client.into_oidc().is_err());
        let without_issuer = OidcArgs {
            issuer: None,
            ..args("", &["a=reader"])
        };
        assert!(without_issuer.into_oidc().is_err());
        assert!(args("https://id.example", &[]).into_oidc().is_err());
        let with_default = OidcArgs {
            default_role: Some("reader".into()),
            ..args("https://id.example", &[])
        };
        assert!(with_default.into_oidc().is_ok());
        for roles in [
            ["staff"],
            ["=reader"],
            ["staff="],
            ["staff=Reader"],
            ["staff=operator"],
        ] {
            let answer = args("https://id.example", &roles).into_oidc();
            assert!(answer.is_err(), "{roles:?}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for good in [
            "https://id.example",
            "http://127.0.0.1:9",
            "http://127.8.8.8",
            "http://[::1]:9/realm",
            "http://localhost:9",
        ] {
            assert!(args(good, &["a=reader"]).into_oidc().is_ok(), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://10.0.0.1",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://[::2]",
            "ftp://localhost",
            "id.example",
        ] {
            assert!(args(bad, &["a=reader"]).into_oidc().is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_override_the_file() {
        let file: OidcArgs = toml::from_str(
            "issuer = \"https://file.example\"\nclient_id = \"file\"\nroles = [\"a,b=reader\"]\n",
        )
        .unwrap();
        let flags = OidcArgs {
            issuer: Some("https://flag.example".into()),
            ..OidcArgs::default()
        };
        let oidc = flags.or(file).into_oidc().unwrap().unwrap();
        assert_eq!(oidc.issuer, "https://flag.example");
        assert_eq!(oidc.client_id, "file");
        assert_eq!(oidc.roles[0].0, "a,b");
        assert!(toml::from_str::<OidcArgs>("unknown = 1").is_err());
    }
}
