//! Another password: by a mail for those who have forgotten it, by the old one for those who have not.

use super::{
    Attempt, Email, PersonId, Visitor, letters,
    password::StoredPassword,
    secret::{self, LINK_PREFIX},
};
use crate::{
    Accounts,
    error::{Error, Result},
    rows::link::{Purpose, StoredLink},
};

/// How long a link to a new password is good.
const LINK_MILLIS: u64 = 60 * 60 * 1000;

impl Accounts {
    /// Sends a link by mail that sets a new password, if there is a person with this address. The answer is
    /// the same if not, and it comes before anything is looked up.
    ///
    /// # Errors
    /// [`Error::NoMail`], [`Error::TooOften`].
    pub fn request_reset(&self, visitor: &Visitor, email: Email) -> Result<()> {
        let ports = self.ports();
        if ports.mail.is_none() {
            return Err(Error::NoMail);
        }
        let now = visitor.now_micros;
        self.turnstile()
            .pass(Attempt::Reset, visitor.address, now)?;
        if !self.turnstile().may_mail(PersonId::of(&email), now) {
            return Ok(());
        }
        let accounts = self.clone();
        (ports.spawn)(Box::pin(async move {
            if let Err(error) = accounts.send_reset(&email).await {
                tracing::warn!(%error, "a link to a new password could not be made");
            }
        }));
        Ok(())
    }

    async fn send_reset(&self, email: &Email) -> Result<()> {
        let Some(person) = self.people().open_existing(PersonId::of(email)).await? else {
            return Ok(());
        };
        let is_there = |email: &Email| {
            let state = person.state();
            state
                .person
                .as_ref()
                .is_some_and(|stored| stored.email == email.as_str())
        };
        if !is_there(email) {
            return Ok(());
        }
        let ports = self.ports();
        let token = secret::make(LINK_PREFIX, person.id(), ports.random());
        let hash = blake3::hash(token.as_bytes()).into();
        let link = StoredLink {
            purpose: Purpose::Reset,
            expires_at: self.now_millis().saturating_add(LINK_MILLIS),
        };
        let changed = person.change(self.now_millis(), |draft| {
            draft.put_link(hash, link);
            Ok(())
        });
        changed.await?;
        self.mail(letters::reset(&ports.people, email, &token));
        Ok(())
    }

    /// Sets a new password by the token of a mail, and ends every session. A second factor stays.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::TooOften`].
    pub async fn reset_password(
        &self,
        visitor: &Visitor,
        token: &str,
        password: &str,
    ) -> Result<()> {
        let secret = secret::parse(LINK_PREFIX, token).ok_or(Error::Link)?;
        self.may_guess(visitor, secret.person)?;
        let person = self.people().open_existing(secret.person).await?;
        let person = person.ok_or(Error::Link)?;
        let now = self.now_millis();
        let good = |state: &super::actor::State| {
            let link = state.link(&secret.hash, now);
            link.is_some_and(|link| link.purpose == Purpose::Reset)
        };
        if !good(&person.state()) {
            return Err(Error::Link);
        }
        let password = StoredPassword::make(self.ports(), password).await;
        let changed = person.change(now, |draft| {
            let stored = draft.state.person.clone();
            let (true, Some(mut stored)) = (good(&draft.state), stored) else {
                return Err(Error::Link);
            };
            stored.password = password;
            let email = stored.email.clone();
            draft.put_person(stored);
            draft.end_sessions(|_, _| true);
            draft.drop_links(|_, link| link.purpose == Purpose::Reset);
            Ok(email)
        });
        let email = changed.await?;
        self.tell_of_change(&email);
        Ok(())
    }

    /// Sets a new password by the old one, and ends every other session.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::Credentials`], [`Error::TooOften`].
    pub async fn change_password(
        &self,
        visitor: &Visitor,
        cookie: &str,
        current: &str,
        password: &str,
    ) -> Result<()> {
        let (person, session) = self.confirmed(visitor, cookie, current).await?;
        let password = StoredPassword::make(self.ports(), password).await;
        let changed = person.change(self.now_millis(), |draft| {
            let mut stored = draft.state.person.clone().ok_or(Error::Session)?;
            stored.password = password;
            let email = stored.email.clone();
            draft.put_person(stored);
            draft.end_sessions(|hash, _| *hash != session);
            draft.drop_links(|_, link| link.purpose == Purpose::Reset);
            Ok(email)
        });
        let email = changed.await?;
        self.tell_of_change(&email);
        Ok(())
    }

    /// The person of a session who has said their password once more.
    pub(super) async fn confirmed(
        &self,
        visitor: &Visitor,
        cookie: &str,
        password: &str,
    ) -> Result<(super::actor::Person, [u8; 32])> {
        let (person, session) = self.signed_in(cookie).await?;
        self.may_guess(visitor, person.id())?;
        let state = person.state();
        let stored = state.person.as_ref().and_then(|one| one.password.as_ref());
        match StoredPassword::opens(stored, self.ports(), password).await {
            true => Ok((person, session)),
            false => Err(Error::Credentials),
        }
    }

    fn tell_of_change(&self, email: &str) {
        if let Some(email) = Email::parse(email) {
            self.mail(letters::password_changed(&self.ports().people, &email));
        }
    }
}
