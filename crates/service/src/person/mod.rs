//! People: an e-mail address, a password, a second factor, sessions at browsers.
//!
//! A person is an actor with a key range of their own, found by their address, and a member of one or more
//! accounts, which say what they may do there ([`Account::members`](crate::Account::members)). Whoever is
//! a member of no account any more is erased.
//!
//! Whether there is a person with an address is never told to a stranger: what would tell is done after
//! the answer, and the answer goes to the address by mail.

mod actor;
mod email;
mod id;
pub(crate) mod invitation_text;
mod letters;
mod membership;
mod password;
mod registry;
mod reset;
mod second_factor;
mod secret;
mod session;
mod settings;
mod sign_in;
mod sign_up;
mod single_sign_on;
mod sso_attempt;
mod sso_settings;
mod turnstile;

use core::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    email::Email,
    id::PersonId,
    password::{PasswordCost, StoredPassword},
    second_factor::Enrolment,
    secret::{SESSION_PREFIX, csrf_holds},
    session::{Membership, SessionInfo},
    settings::PeopleSettings,
    sign_in::SignIn,
    sign_up::SignUp,
    single_sign_on::{SingleSignOn, SsoAnswer},
    sso_attempt::{SSO_LIFE_MILLIS, SsoAttempts},
    sso_settings::{Secret, SsoSettings, SsoTexts},
};
pub(crate) use self::{
    registry::Registry,
    turnstile::{Attempt, Turnstile},
};
use crate::{AccountId, By, Grant, grant::Signed};

/// Where a request comes from that nobody is signed in for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Visitor {
    /// The address, if the host knows.
    pub address: Option<IpAddr>,
    /// The request.
    pub request_id: String,
    /// The time in microseconds, since any moment, never going back.
    pub now_micros: u64,
}

impl Visitor {
    /// The visitor, once it is known who it is.
    pub(crate) fn by(&self, grant: Arc<Grant>) -> By {
        By {
            grant,
            address: self.address,
            request_id: self.request_id.clone(),
        }
    }

    /// The visitor as somebody who is about to be a member of an account.
    pub(crate) fn member(&self, account: AccountId, number: u32, email: &Email) -> By {
        let grant = Grant {
            account,
            key: number,
            member: Some(Signed {
                person: PersonId::of(email),
                email: email.as_str().to_owned(),
            }),
            ..Grant::nothing()
        };
        self.by(grant.into())
    }
}

#[cfg(test)]
mod tests;
