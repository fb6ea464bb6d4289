//! Signing in with a password, and for those who have it, a second factor.

use super::{
    Attempt, Email, PersonId, Visitor, actor::Person, password::StoredPassword, second_factor,
    session::SessionInfo,
};
use crate::{
    AccountId, Accounts, AuditEntry,
    error::{Error, Result},
    rows::person::StoredPerson,
};

/// Who wants in.
#[derive(Clone)]
pub struct SignIn {
    /// Their address.
    pub email: Email,
    /// Their password.
    pub password: String,
    /// A code of their second factor.
    pub code: Option<String>,
    /// The account that they want to work in; the first one of theirs if not said.
    pub account: Option<AccountId>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    /// Begins a session; the answer is the value of its cookie. `former` is the cookie that the browser
    /// had: that session ends, so nobody can prepare one and let somebody else sign in to it.
    ///
    /// # Errors
    /// [`Error::Credentials`], [`Error::SecondFactor`], [`Error::TooOften`].
    pub async fn sign_in(
        &self,
        visitor: &Visitor,
        wanted: SignIn,
        former: Option<&str>,
    ) -> Result<(String, SessionInfo)> {
        let id = PersonId::of(&wanted.email);
        self.may_guess(visitor, id)?;
        let person = self.people().open_existing(id).await?;
        let state = person.as_ref().map(Person::state);
        let stored = state.as_ref().and_then(|state| state.person.as_ref());
        let stored = stored.filter(|stored| stored.email == wanted.email.as_str());
        let password = stored.and_then(|stored| stored.password.as_ref());
        let opens = StoredPassword::opens(password, self.ports(), &wanted.password).await;
        let (Some(person), Some(stored), Some(password), true) = (&person, stored, password, opens)
        else {
            self.note_failure(visitor, stored, "credentials_invalid");
            return Err(Error::Credentials);
        };
        if let Some(totp) = &stored.totp
            && totp.confirmed
            && !second_factor::fits(totp, wanted.code.as_deref(), self.now_millis())
        {
            self.note_failure(visitor, Some(stored), "second_factor_required");
            return Err(Error::SecondFactor);
        }
        let account = self.choose(stored, wanted.account).await?;
        // What was hashed at another cost is hashed anew while the password is at hand.
        let renewed = match password.cost == self.ports().people.password_cost {
            true => None,
            false => StoredPassword::make(self.ports(), &wanted.password).await,
        };
        let now = self.now_millis();
        let cookie = self.begin(person, account, visitor, former, |draft| {
            // What was checked may have changed since.
            let mut stored = draft.state.person.clone().ok_or(Error::Credentials)?;
            if stored.password.as_ref() != Some(password) {
                return Err(Error::Credentials);
            }
            let mut is_changed = renewed.is_some();
            stored.password = renewed.or(stored.password);
            if let Some(totp) = stored.totp.as_mut().filter(|totp| totp.confirmed) {
                second_factor::spend(totp, wanted.code.as_deref(), now)?;
                is_changed = true;
            }
            if is_changed {
                draft.put_person(stored);
            }
            Ok(())
        });
        let cookie = cookie.await?;
        let info = self.session_info(&cookie).await?;
        Ok((cookie, info))
    }

    /// Counts an attempt to guess something of a person.
    pub(super) fn may_guess(&self, visitor: &Visitor, person: PersonId) -> Result<()> {
        let turnstile = self.turnstile();
        turnstile.pass(Attempt::Guess, visitor.address, visitor.now_micros)?;
        turnstile.guess(person, visitor.now_micros)
    }

    /// The account to work in: the one that is wanted, or the first that the person is a member of.
    pub(super) async fn choose(
        &self,
        person: &StoredPerson,
        wanted: Option<AccountId>,
    ) -> Result<AccountId> {
        let id = Email::parse(&person.email).map(|email| PersonId::of(&email));
        for &account in &person.accounts {
            if wanted.is_some_and(|wanted| wanted != account) {
                continue;
            }
            if let Some(id) = id
                && self.standing(account, id).await?.is_some()
            {
                return Ok(account);
            }
        }
        Err(Error::NotFound {
            what: "account",
            name: wanted.map(|wanted| wanted.to_string()).unwrap_or_default(),
        })
    }

    /// Notes a failed attempt for the logs of the person's accounts. That costs a microsecond, which tells nobody
    /// beside a hash of milliseconds whether there is such a person.
    fn note_failure(&self, visitor: &Visitor, person: Option<&StoredPerson>, code: &'static str) {
        let Some(person) = person else { return };
        for &id in &person.accounts {
            let entry = AuditEntry {
                at: self.now_millis(),
                actor: format!("{id}/person:{}", person.email),
                action: "session.create".to_owned(),
                outcome: code.to_owned(),
                address: visitor
                    .address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
                request_id: visitor.request_id.clone(),
                ..AuditEntry::default()
            };
            self.note_denied(id, entry);
        }
    }
}
