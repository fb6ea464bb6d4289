use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{IssuedInvitation, IssuedKey};

/// Whom a credential stands for and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// The account.
    pub account: String,
    /// Number of the API key; absent for the root key and for a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
    /// E-mail address of the member whose session it is; absent for a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Name of the role.
    pub role: String,
    /// What it may do, ascending by name.
    pub permissions: Vec<String>,
    /// Only namespaces that begin with one of these; empty: all.
    pub prefixes: Vec<String>,
    /// Until when, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its id, which stands in its keys.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Name of its plan.
    pub plan: String,
    /// Why it is suspended, if it is: nobody gets in, nothing is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<String>,
    /// When it was created, milliseconds since 1970.
    pub created_at: u64,
}

/// A page of accounts, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountList {
    /// Accounts, ascending by id.
    pub accounts: Vec<Account>,
    /// Send it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// What people call it, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Name of a plan; the free one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Somebody to invite as its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 3, max_length = 254, format = Email)]
    pub owner_email: Option<String>,
}

/// What came of a new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedAccount {
    /// The account.
    pub account: Account,
    /// A key of its owner.
    pub key: IssuedKey,
    /// The owner's invitation, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<IssuedInvitation>,
}

/// Why and for how long an operator looks into an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonate {
    /// Why, for the account's owner: 1 to 512 bytes.
    #[schema(min_length = 1, max_length = 512)]
    pub reason: String,
    /// How long, up to an hour.
    #[schema(minimum = 1, maximum = 60)]
    pub minutes: u32,
}

/// What to change of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateAccount {
    /// Another name, 1 to 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// Operators only: another plan of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub plan: Option<String>,
    /// Operators only: why nobody gets in from now on; the empty string ends the suspension.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub suspended: Option<String>,
}
