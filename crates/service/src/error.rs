use quartz_core::store::StoreError;

use crate::Permission;

/// Why an account did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing of this name.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// What it was called.
        name: String,
    },
    /// It cannot be done in the present state.
    #[error("{0}")]
    Conflict(String),
    /// It would give away more than the caller has.
    #[error("{reason}")]
    Escalation {
        /// The permission that is not the caller's to give, if it is one.
        permission: Option<Permission>,
        /// What was asked for.
        reason: String,
    },
    /// Somebody tries too often.
    #[error("too many attempts; wait {} seconds", wait_micros.div_ceil(1_000_000))]
    TooOften {
        /// Until the next one.
        wait_micros: u64,
    },
    /// Strangers may not make accounts here.
    #[error("sign-up is closed here: ask the operator, or a member of an account, to invite you")]
    SignUpClosed,
    /// There is no way to send mail.
    #[error(
        "this server sends no mail, so it cannot do that; its operator sets QUARTZ_SMTP_URL, on \
         Cloudflare QUARTZ_MAIL_URL"
    )]
    NoMail,
    /// Not this address with this password.
    #[error("the e-mail address or the password is wrong")]
    Credentials,
    /// The password is right, and a code is missing, wrong or used already.
    #[error("send `code` too: the six digits that the authenticator shows now, or a recovery code")]
    SecondFactor,
    /// The token of a mail is none, or was used, or its time is over.
    #[error("the token was used already, has ended, or was never given out; ask for another")]
    Link,
    /// There is no such session, or it has ended.
    #[error("the session has ended: log in")]
    Session,
    /// There is no identity provider.
    #[error("there is no single sign-on here; its operator sets QUARTZ_OIDC_ISSUER")]
    SsoNotConfigured,
    /// The browser did not begin this single sign-on, or too long ago, or has ended it already.
    #[error(
        "this single sign-on was not begun in this browser, was begun too long ago, or has ended \
         already; begin anew at /v1/auth/sso"
    )]
    SsoAttempt,
    /// The provider knows the person, and they may not get in.
    #[error("{0}")]
    SsoRefused(String),
    /// What the provider has sent does not hold.
    #[error(
        "what the identity provider sent could not be verified; the server's log says why, under \
         the request id"
    )]
    SsoFailed,
    /// The provider could not be asked.
    #[error("the identity provider cannot be asked now; the server's log says why; retry")]
    SsoUnavailable,
    /// An account has as many of these as it may.
    #[error("an account has at most {most} {what} (the limit {limit})")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// What the limit is called.
        limit: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A report would add up too much.
    #[error("a report adds up at most {most} rows of usage; ask for a shorter time")]
    LongReport {
        /// How many rows it may.
        most: usize,
    },
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
