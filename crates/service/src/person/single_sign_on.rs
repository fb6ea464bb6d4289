//! Single sign-on: an identity provider says who somebody is and in which groups, and groups are roles in
//! one account. What it says is followed at every login.

use std::{fmt, sync::Arc};

use super::{
    Attempt, Email, PersonId, Visitor,
    actor::Person,
    session::{Beginning, SessionInfo},
    sso_attempt::{SsoAttempt, SsoAttempts},
};
use crate::{
    AccountId, Accounts, AuditEntry, Identity, IdentityFault, IdentityProvider,
    error::{Error, Result},
    peers::{AccountAsk, Ask},
    rows::person::{StoredIdentity, StoredPerson},
};

/// The longest name of somebody at a provider (OpenID Connect Core, section 2).
const SUBJECT_BYTES_MAX: usize = 255;

/// An identity provider, and what its groups are here.
pub struct SingleSignOn {
    /// The provider.
    pub provider: Arc<dyn IdentityProvider>,
    /// Those who are away at it.
    pub attempts: SsoAttempts,
    /// The account that its people are members of.
    pub account: AccountId,
    /// Groups with their roles; the first that somebody is in counts.
    pub roles: Vec<(String, String)>,
    /// The role of those who are in none of the groups; without it they do not get in.
    pub default_role: Option<String>,
}

impl SingleSignOn {
    fn role(&self, groups: &[String]) -> Option<&str> {
        let mut roles = self.roles.iter();
        let found = roles.find(|(group, _)| groups.contains(group));
        let role = found.map(|(_, role)| role).or(self.default_role.as_ref());
        role.map(String::as_str)
    }
}

impl fmt::Debug for SingleSignOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleSignOn")
            .field("issuer", &self.provider.issuer())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What a browser brings back from a provider.
#[derive(Clone)]
pub struct SsoAnswer {
    /// The state that went along.
    pub state: String,
    /// The code, or what the provider says why there is none.
    pub code: Result<String, String>,
    /// Who says so, if it says (RFC 9207).
    pub issuer: Option<String>,
}

impl fmt::Debug for SsoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SsoAnswer(…)")
    }
}

impl Accounts {
    /// The identity provider whose people get in, if there is one.
    #[must_use]
    pub fn single_sign_on(&self) -> Option<&SingleSignOn> {
        self.ports().sso.as_deref()
    }

    /// Begins a single sign-on that ends at `return_to`, a path of this server: what the browser keeps
    /// until it comes back, and where it goes.
    ///
    /// # Errors
    /// [`Error::SsoNotConfigured`], [`Error::SsoUnavailable`], [`Error::TooOften`].
    pub async fn begin_sso(&self, visitor: &Visitor, return_to: &str) -> Result<(String, String)> {
        let sso = self.single_sign_on().ok_or(Error::SsoNotConfigured)?;
        self.turnstile()
            .pass(Attempt::Guess, visitor.address, visitor.now_micros)?;
        let (secret, now) = (self.ports().random(), self.now_millis());
        let (kept, attempt) = sso.attempts.begin(secret, now, return_to);
        let url = sso.provider.sign_in_url(attempt.handshake()).await;
        let url = url.map_err(|fault| failed(&fault))?;
        Ok((kept, url))
    }

    /// Ends a single sign-on with what the browser has kept and brought back: makes the person a member
    /// with the role of their groups, and begins a session. Gives its cookie, and where the browser goes.
    ///
    /// Who is in no group with a role any more is taken out of the account.
    ///
    /// # Errors
    /// [`Error::SsoAttempt`], [`Error::SsoRefused`], [`Error::SsoFailed`], and as
    /// [`begin_sso`](Self::begin_sso); [`Error::Conflict`] if the last owner is to be none any more.
    pub async fn finish_sso(
        &self,
        visitor: &Visitor,
        kept: Option<&str>,
        answer: SsoAnswer,
        former: Option<&str>,
    ) -> Result<(String, SessionInfo, String)> {
        let sso = self.single_sign_on().ok_or(Error::SsoNotConfigured)?;
        self.turnstile()
            .pass(Attempt::Guess, visitor.address, visitor.now_micros)?;
        let now = self.now_millis();
        let attempt = kept.and_then(|kept| sso.attempts.take(kept, &answer.state, now));
        let attempt = attempt.ok_or(Error::SsoAttempt)?;
        let known = self.identified(sso, &attempt, answer).await;
        let entered = match &known {
            Ok(known) => self.let_in(sso, visitor, known, former).await,
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = &entered {
            let email = known.as_ref().ok().map(|known| &known.email);
            self.note_sso_denial(sso.account, visitor, email, error);
        }
        let (cookie, info) = entered?;
        Ok((cookie, info, attempt.return_to))
    }

    /// Who has signed in at the provider.
    async fn identified(
        &self,
        sso: &SingleSignOn,
        attempt: &SsoAttempt,
        answer: SsoAnswer,
    ) -> Result<Known> {
        if let Some(issuer) = answer.issuer
            && issuer != sso.provider.issuer()
        {
            tracing::warn!(%issuer, "an answer came from another identity provider");
            return Err(Error::SsoFailed);
        }
        let code = answer.code.map_err(|code| {
            let is_one =
                code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let code = if is_one { code.as_str() } else { "an error" };
            Error::SsoRefused(format!("the identity provider lets nobody in: {code}"))
        })?;
        let identity = sso.provider.identify(code, attempt.handshake()).await;
        let identity = identity.map_err(|fault| failed(&fault))?;
        Known::new(sso.provider.issuer(), identity)
    }

    async fn let_in(
        &self,
        sso: &SingleSignOn,
        visitor: &Visitor,
        known: &Known,
        former: Option<&str>,
    ) -> Result<(String, SessionInfo)> {
        let (account, id) = (sso.account, PersonId::of(&known.email));
        let appoint = |role: Option<&str>| {
            let appoint = AccountAsk::Appoint {
                visitor: visitor.clone(),
                email: known.email.clone(),
                role: role.map(str::to_owned),
            };
            self.ask_peer(Ask::Account(account, appoint))
        };
        let person = self.people().open_existing(id).await?;
        let state = person.as_ref().map(Person::state);
        let stored = state.as_ref().and_then(|state| state.person.as_ref());
        let is_bound = match stored {
            Some(stored) => known.check(stored)?,
            None => false,
        };
        let Some(role) = sso.role(&known.groups) else {
            if let Some(person) = person.filter(|_| is_bound) {
                let ended = person.change(self.now_millis(), |draft| {
                    draft.end_sessions(|_, session| session.account == account);
                    Ok(())
                });
                ended.await?;
                appoint(None).await?;
                self.forget_account(vec![id], account).await?;
            }
            let why = "none of your groups has a role here: ask whoever runs the identity provider";
            return Err(Error::SsoRefused(why.to_owned()));
        };
        let person = self.people().open(id).await?;
        // First the person, as in accepting an invitation; here it is also decided whose the address is.
        let is_new_here = self.bind(&person, account, known).await?;
        if let Err(error) = appoint(Some(role)).await {
            if is_new_here {
                self.forget_account(vec![id], account).await?;
            }
            return Err(match error {
                Error::NotFound { what: "role", name } => Error::SsoRefused(format!(
                    "your groups have the role {name:?}, which the account does not: ask the operator"
                )),
                other => other,
            });
        }
        let beginning = Beginning {
            account,
            since: self.now_millis(),
            by_provider: true,
        };
        let begun = self.begin_as(beginning, &person, visitor, former, |_| Ok(()));
        let cookie = begun.await?;
        let info = self.session_info(&cookie).await?;
        Ok((cookie, info))
    }

    /// Notes with a person, who may be new, who they are at the provider; says whether the account is new
    /// to them.
    async fn bind(&self, person: &Person, account: AccountId, known: &Known) -> Result<bool> {
        let now = self.now_millis();
        let bound = person.change(now, |draft| {
            let mut stored = match draft.state.person.clone() {
                Some(stored) => stored,
                None => StoredPerson {
                    email: known.email.as_str().to_owned(),
                    created_at: now,
                    password: None,
                    accounts: Vec::new(),
                    totp: None,
                    identities: Vec::new(),
                },
            };
            let is_bound = known.check(&stored)?;
            let is_new_here = !stored.accounts.contains(&account);
            if !is_bound {
                stored.identities.push(known.identity.clone());
            }
            if is_new_here {
                stored.accounts.push(account);
            }
            if !is_bound || is_new_here {
                draft.put_person(stored);
            }
            Ok(is_new_here)
        });
        bound.await
    }

    fn note_sso_denial(
        &self,
        id: AccountId,
        visitor: &Visitor,
        email: Option<&Email>,
        error: &Error,
    ) {
        let outcome = match error {
            Error::SsoRefused(_) => "sso_refused",
            Error::SsoFailed => "sso_failed",
            Error::Conflict(_) => "conflict",
            Error::TooMany { .. } => "limit_exceeded",
            _ => return,
        };
        let actor = email.map_or_else(|| "sso".to_owned(), |email| format!("person:{email}"));
        let entry = AuditEntry {
            at: self.now_millis(),
            actor: format!("{id}/{actor}"),
            action: "session.create".to_owned(),
            outcome: outcome.to_owned(),
            detail: error.to_string(),
            address: visitor.address.map(|a| a.to_string()).unwrap_or_default(),
            request_id: visitor.request_id.clone(),
            ..AuditEntry::default()
        };
        self.note_denied(id, entry);
    }
}

/// Somebody whom the provider knows, with an address.
struct Known {
    email: Email,
    identity: StoredIdentity,
    groups: Vec<String>,
}

impl Known {
    fn new(issuer: &str, identity: Identity) -> Result<Self> {
        let refused = |why: &str| Error::SsoRefused(why.to_owned());
        let Identity {
            subject,
            email,
            email_verified,
            groups,
        } = identity;
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
            return Err(refused(
                "the identity provider gives you a name that is none",
            ));
        }
        let email = email.and_then(|email| Email::parse(&email));
        let email = email.ok_or_else(|| {
            refused(
                "the identity provider tells no e-mail address of you, or none of the usual form",
            )
        })?;
        if email_verified == Some(false) {
            let why = "the identity provider has not verified your e-mail address: verify it there";
            return Err(refused(why));
        }
        Ok(Self {
            email,
            identity: StoredIdentity {
                issuer: issuer.to_owned(),
                subject,
            },
            groups,
        })
    }

    /// Whether they are bound to the person with their address already, who must not be somebody else.
    fn check(&self, person: &StoredPerson) -> Result<bool> {
        let mut identities = person.identities.iter();
        let bound = identities.find(|one| one.issuer == self.identity.issuer);
        let is_other = bound.is_some_and(|bound| *bound != self.identity);
        if is_other || person.email != self.email.as_str() {
            let why = "your e-mail address was somebody else's at the identity provider, who is here \
                       already: ask an owner of the account to remove that member";
            return Err(Error::SsoRefused(why.to_owned()));
        }
        Ok(bound.is_some())
    }
}

/// What went wrong at the provider: for the log all of it, for the client what it can do about it.
fn failed(fault: &IdentityFault) -> Error {
    match fault {
        IdentityFault::Unavailable(why) => {
            tracing::warn!(why, "the identity provider could not be asked");
            Error::SsoUnavailable
        }
        IdentityFault::Refused(why) => {
            tracing::warn!(why, "a single sign-on did not hold");
            Error::SsoFailed
        }
    }
}
