//! Sessions: a person who is signed in at a browser, in one account.

use core::net::IpAddr;
use std::sync::Arc;

use quartz_core::store::Durability;

use super::{
    Visitor,
    actor::{Draft, Person},
    secret::{self, SESSION_PREFIX, Secret, csrf_token},
};
use crate::{
    AccountId, Accounts, Admission, Denial, Grant,
    error::{Error, Result},
    peers::{AccountAsk, Ask},
    rows::session::StoredSession,
};

/// How exactly it is noted when a session was used.
const SEEN_MILLIS: u64 = 5 * 60 * 1000;

/// A session as it is shown to its person.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Their address.
    pub email: String,
    /// The account that the session acts in.
    pub account: AccountId,
    /// What the person may do there.
    pub grant: Arc<Grant>,
    /// What requests that change something must carry.
    pub csrf_token: String,
    /// When it ends, even if it is used.
    pub ends_at: u64,
    /// Whether the person has a second factor.
    pub second_factor: bool,
    /// Every account of the person that the session can act in.
    pub memberships: Vec<Membership>,
}

/// An account that a person is a member of.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its id.
    pub account: AccountId,
    /// What it is called.
    pub name: String,
    /// The person's role.
    pub role: String,
}

/// What a session is to be.
pub(super) struct Beginning {
    /// The account that it acts in.
    pub(super) account: AccountId,
    /// When the person has signed in.
    pub(super) since: u64,
    /// Whether an identity provider has said who it is.
    pub(super) by_provider: bool,
}

impl Accounts {
    /// Lets a session in, whose CSRF token has been looked at.
    pub(crate) fn admit_session(&self, cookie: &str, address: Option<IpAddr>) -> Admission {
        let Some(secret) = secret::parse(SESSION_PREFIX, cookie) else {
            return Admission::Ready(Err(Denial::Session));
        };
        if let Some(person) = self.people().opened(secret.person)
            && !person.is_uncertain()
        {
            match self.session_of(&person, &secret.hash) {
                Err(denial) => return Admission::Ready(Err(denial)),
                Ok(session) => {
                    if let Some(account) = self.opened(session.account)
                        && !account.is_uncertain()
                        && self.is_noted(&session)
                    {
                        let grant = account.session_grant(person.id());
                        return Admission::Ready(self.checked(grant, address));
                    }
                }
            }
        }
        let accounts = self.clone();
        Admission::Pending(Box::pin(async move {
            let denied = |error| match error {
                Error::Store(error) => Denial::Store(error),
                _ => Denial::Session,
            };
            let (person, session) = accounts.session(&secret).await.map_err(denied)?;
            if !accounts.is_noted(&session) {
                accounts.note_use(&person, &secret).await.map_err(denied)?;
            }
            let standing = accounts.standing(session.account, person.id()).await;
            let standing = standing.map_err(denied)?.ok_or(Denial::Session)?;
            match standing.is_suspended {
                true => Err(Denial::Suspended),
                false => accounts.checked(Ok(standing.grant), address),
            }
        }))
    }

    /// The session of a secret and its person.
    async fn session(&self, secret: &Secret) -> Result<(Person, StoredSession)> {
        let person = self.people().open_existing(secret.person).await?;
        let person = person.ok_or(Error::Session)?;
        if person.is_uncertain() {
            person.change(self.now_millis(), |_| Ok(())).await?;
        }
        let session = self.session_of(&person, &secret.hash);
        let session = session.map_err(|_| Error::Session)?;
        Ok((person, session))
    }

    fn session_of(&self, person: &Person, hash: &[u8; 32]) -> Result<StoredSession, Denial> {
        let state = person.state();
        let session = state.session(hash).ok_or(Denial::Session)?;
        let (now, settings) = (self.now_millis(), &self.ports().people);
        let is_over = now
            >= session
                .created_at
                .saturating_add(settings.session_life_millis)
            || now >= session.seen_at.saturating_add(settings.session_idle_millis);
        match is_over {
            true => Err(Denial::Session),
            false => Ok(session.clone()),
        }
    }

    fn is_noted(&self, session: &StoredSession) -> bool {
        self.now_millis() < session.seen_at.saturating_add(SEEN_MILLIS)
    }

    async fn note_use(&self, person: &Person, secret: &Secret) -> Result<()> {
        let now = self.now_millis();
        // What a crash forgets ends a session some minutes early.
        let noted = person.change_with(now, Durability::Memory, |draft| {
            let session = draft.state.session(&secret.hash).ok_or(Error::Session)?;
            let session = StoredSession {
                seen_at: now,
                ..session.clone()
            };
            draft.put_session(secret.hash, session);
            Ok(())
        });
        noted.await
    }

    /// Begins a session by a password in the commit of `edit`, in place of the one that the browser had.
    pub(super) async fn begin(
        &self,
        person: &Person,
        account: AccountId,
        visitor: &Visitor,
        former: Option<&str>,
        edit: impl FnOnce(&mut Draft) -> Result<()>,
    ) -> Result<String> {
        let beginning = Beginning {
            account,
            since: self.now_millis(),
            by_provider: false,
        };
        self.begin_as(beginning, person, visitor, former, edit)
            .await
    }

    /// As [`begin`](Self::begin), for a session of any kind.
    pub(super) async fn begin_as(
        &self,
        beginning: Beginning,
        person: &Person,
        visitor: &Visitor,
        former: Option<&str>,
        edit: impl FnOnce(&mut Draft) -> Result<()>,
    ) -> Result<String> {
        let now = self.now_millis();
        let cookie = secret::make(SESSION_PREFIX, person.id(), self.ports().random());
        let hash = blake3::hash(cookie.as_bytes()).into();
        let former = former.and_then(|former| secret::parse(SESSION_PREFIX, former));
        let Beginning {
            account,
            since,
            by_provider,
        } = beginning;
        let session = StoredSession {
            account,
            created_at: since,
            seen_at: now,
            address: visitor.address.map(|a| a.to_string()).unwrap_or_default(),
            by_provider,
        };
        let begun = person.change(now, |draft| {
            edit(draft)?;
            if let Some(former) = &former {
                draft.end_session(&former.hash);
            }
            draft.put_session(hash, session);
            Ok(())
        });
        begun.await?;
        // The browser may have been somebody else's.
        if let Some(former) = former.filter(|former| former.person != person.id()) {
            self.end(&former).await?;
        }
        let signed_in = AccountAsk::SignedIn {
            visitor: visitor.clone(),
            person: person.id(),
            how: if by_provider { "single sign-on" } else { "" }.to_owned(),
        };
        self.ask_peer(Ask::Account(account, signed_in)).await?;
        Ok(cookie)
    }

    async fn end(&self, secret: &Secret) -> Result<()> {
        let Some(person) = self.people().open_existing(secret.person).await? else {
            return Ok(());
        };
        let ended = person.change(self.now_millis(), |draft| {
            draft.end_session(&secret.hash);
            Ok(())
        });
        ended.await
    }

    /// What a session is.
    ///
    /// # Errors
    /// [`Error::Session`] if it is over.
    pub async fn session_info(&self, cookie: &str) -> Result<SessionInfo> {
        let secret = secret::parse(SESSION_PREFIX, cookie).ok_or(Error::Session)?;
        let (person, session) = self.session(&secret).await?;
        let state = person.state();
        let stored = state.person.as_ref().ok_or(Error::Session)?;
        let mut memberships = Vec::new();
        let mut grant = None;
        let within = |id: &&AccountId| !session.by_provider || **id == session.account;
        for &id in stored.accounts.iter().filter(within) {
            let Some(standing) = self.standing(id, person.id()).await? else {
                continue;
            };
            memberships.push(Membership {
                account: id,
                name: standing.account_name,
                role: standing.grant.role.clone(),
            });
            if id == session.account {
                grant = Some(standing.grant);
            }
        }
        let life = self.ports().people.session_life_millis;
        Ok(SessionInfo {
            email: stored.email.clone(),
            account: session.account,
            grant: grant.ok_or(Error::Session)?,
            csrf_token: csrf_token(cookie),
            ends_at: session.created_at.saturating_add(life),
            second_factor: stored.totp.as_ref().is_some_and(|totp| totp.confirmed),
            memberships,
        })
    }

    /// Goes over to another account of the person; the session gets another cookie.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the person is no member of it, [`Error::Conflict`] if the session is of
    /// single sign-on, [`Error::Session`].
    pub async fn switch(
        &self,
        visitor: &Visitor,
        cookie: &str,
        account: AccountId,
    ) -> Result<(String, SessionInfo)> {
        let secret = secret::parse(SESSION_PREFIX, cookie).ok_or(Error::Session)?;
        let (person, session) = self.session(&secret).await?;
        if session.by_provider && account != session.account {
            let why = "a session of single sign-on acts in the account of its provider only; log in \
                       with a password to work in another";
            return Err(Error::Conflict(why.to_owned()));
        }
        let state = person.state();
        let stored = state.person.as_ref().ok_or(Error::Session)?;
        let account = self.choose(stored, Some(account)).await?;
        let beginning = Beginning {
            account,
            // It lives no longer than the login allows.
            since: session.created_at,
            by_provider: session.by_provider,
        };
        let next = self.begin_as(beginning, &person, visitor, Some(cookie), |draft| {
            let is_there = draft.state.session(&secret.hash).is_some();
            is_there.then_some(()).ok_or(Error::Session)
        });
        let next = next.await?;
        let info = self.session_info(&next).await?;
        Ok((next, info))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out(&self, cookie: &str) -> Result<()> {
        match secret::parse(SESSION_PREFIX, cookie) {
            Some(secret) => self.end(&secret).await,
            None => Ok(()),
        }
    }

    /// Ends every session of the person whose session it is; one of single sign-on, those in its account.
    ///
    /// # Errors
    /// [`Error::Session`] if it is over.
    pub async fn sign_out_everywhere(&self, cookie: &str) -> Result<()> {
        let secret = secret::parse(SESSION_PREFIX, cookie).ok_or(Error::Session)?;
        let (person, own) = self.session(&secret).await?;
        let ended = person.change(self.now_millis(), |draft| {
            draft.end_sessions(|_, one| !own.by_provider || one.account == own.account);
            Ok(())
        });
        ended.await
    }

    /// The person whose session it is, and the session's hash.
    pub(super) async fn signed_in(&self, cookie: &str) -> Result<(Person, [u8; 32])> {
        let secret = secret::parse(SESSION_PREFIX, cookie).ok_or(Error::Session)?;
        let (person, _) = self.session(&secret).await?;
        Ok((person, secret.hash))
    }
}
