use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

// What holds a secret does not derive `Debug`: nothing prints it by mistake.

/// Somebody who wants an account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpRequest {
    /// Their e-mail address.
    #[schema(min_length = 3, max_length = 254, format = Email)]
    pub email: String,
    /// The password that they want, 10 to 256 bytes.
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub password: String,
    /// What they call the account, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    pub account_name: String,
}

/// The token of a sign-up's mail.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The token.
    pub token: String,
    /// The password that was given at sign-up.
    #[schema(format = Password)]
    pub password: String,
}

/// Somebody who wants in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Their e-mail address.
    #[schema(format = Email)]
    pub email: String,
    /// Their password.
    #[schema(format = Password)]
    pub password: String,
    /// With a second factor: the code that the authenticator shows, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Id of the account to work in; the first one of theirs if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Somebody who has forgotten their password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// Their e-mail address.
    #[schema(format = Email)]
    pub email: String,
}

/// A new password by the token of a mail.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordRequest {
    /// The token.
    pub token: String,
    /// The new password, 10 to 256 bytes.
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub password: String,
}

/// A new password by the one before.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The password of now.
    #[schema(format = Password)]
    pub current: String,
    /// The new one, 10 to 256 bytes.
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub password: String,
}

/// Somebody who accepts an invitation.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The token of the invitation.
    pub token: String,
    /// Who has a password here: that. Who is new: the password that they want, 10 to 256 bytes.
    #[schema(min_length = 1, max_length = 256, format = Password)]
    pub password: String,
    /// Who has a second factor: a code of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Another account to work in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchRequest {
    /// Its id.
    pub account: String,
}

/// How people can get in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginMethods {
    /// Whether strangers may sign up.
    pub sign_up: bool,
    /// Whether a forgotten password can be replaced by mail.
    pub reset: bool,
    /// Identity providers where people may sign in instead; at most one today.
    pub sso: Vec<SsoMethod>,
}

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SsoMethod {
    /// What it is called: the issuer of OpenID Connect.
    pub issuer: String,
    /// Where a browser begins, a path of this server. `?return_to=` says where it ends.
    pub path: String,
}

/// A session of a browser.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The person's e-mail address.
    pub email: String,
    /// Id of the account that it acts in.
    pub account: String,
    /// The person's role there.
    pub role: String,
    /// What requests that change something send as `Quartz-CSRF`.
    pub csrf_token: String,
    /// When it ends, even if it is used, milliseconds since 1970.
    pub ends_at: u64,
    /// Whether the person has a second factor.
    pub second_factor: bool,
    /// Every account of the person that the session can act in; after a single sign-on, the one.
    pub accounts: Vec<SessionAccount>,
}

/// An account of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionAccount {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The person's role.
    pub role: String,
}

/// The password once more, before something that matters.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolFactorRequest {
    /// The person's password.
    #[schema(format = Password)]
    pub password: String,
}

/// A second factor that waits for its first code.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct FactorEnrolment {
    /// The secret to type into an authenticator, base32.
    pub secret: String,
    /// The same as a link, for a square code.
    pub uri: String,
}

/// The first code of a second factor.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmFactorRequest {
    /// The six digits that the authenticator shows.
    pub code: String,
}

/// Codes for when the device is lost, each good once. Shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    pub recovery_codes: Vec<String>,
}

/// No second factor any more.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFactorRequest {
    /// The person's password.
    #[schema(format = Password)]
    pub password: String,
    /// A code of the second factor, or a recovery code.
    pub code: String,
}
