//! What an operator says about single sign-on.

use anyhow::Context;
use openidconnect::url::Url;
use quartz_service::person::{Secret, SsoSettings, SsoTexts};
use serde::Deserialize;

use super::openid_connect::check_transport;

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
    pub(super) fn into_settings(self) -> anyhow::Result<Option<SsoSettings>> {
        let texts = SsoTexts {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            account: self.account,
            scopes: self.scopes,
            groups_claim: self.groups_claim,
            roles: self.roles,
            default_role: self.default_role,
        };
        let settings = texts.check(|setting| format!("--oidc-{setting}"));
        let settings = settings.map_err(anyhow::Error::msg)?;
        if let Some(SsoSettings { issuer, .. }) = &settings {
            let url = Url::parse(issuer).with_context(|| format!("--oidc-issuer: {issuer:?}"))?;
            check_transport(&url).map_err(|error| anyhow::anyhow!("--oidc-issuer: {error}"))?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(issuer: &str) -> OidcArgs {
        OidcArgs {
            issuer: Some(issuer.into()),
            client_id: Some("quartz".into()),
            default_role: Some("reader".into()),
            ..OidcArgs::default()
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
            assert!(args(good).into_settings().is_ok(), "{good}");
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
            assert!(args(bad).into_settings().is_err(), "{bad}");
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
        let oidc = flags.or(file).into_settings().unwrap().unwrap();
        assert_eq!(oidc.issuer, "https://flag.example");
        assert_eq!(oidc.client_id, "file");
        assert_eq!(oidc.roles[0].0, "a,b");
        assert!(toml::from_str::<OidcArgs>("unknown = 1").is_err());
    }
}
