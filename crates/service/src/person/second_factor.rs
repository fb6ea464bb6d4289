//! A second factor: time-based codes (RFC 6238), and recovery codes for when the device is lost. No code is
//! taken twice.

use totp_rs::{Builder, Secret, Totp};

use super::Visitor;
use crate::{
    Accounts,
    error::{Error, Result},
    rows::person::StoredTotp,
};

const RECOVERY_CODES: usize = 10;
/// Of 32: 80 bits.
const RECOVERY_CHARS: usize = 16;
/// Without what looks alike.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// A second factor that is still to be proved by a first code.
#[derive(Clone)]
pub struct Enrolment {
    /// The secret as people type it into an authenticator: base32.
    pub secret: String,
    /// The same as a link, for a square code: `otpauth://totp/…`.
    pub uri: String,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment(…)")
    }
}

/// Six digits, every 30 seconds, one step of tolerance: what every authenticator does.
fn totp(secret: [u8; 20]) -> Totp {
    Builder::new()
        .with_secret(Secret::new_stack(secret))
        .build_noncompliant()
}

fn step(factor: &StoredTotp, code: &str, now: u64) -> Option<u64> {
    let step = totp(factor.secret).check(code, now / 1000);
    step.filter(|step| *step > factor.last_step)
}

fn recovery(factor: &StoredTotp, code: &str) -> Option<usize> {
    let code: String = code.chars().filter(|c| *c != '-' && *c != ' ').collect();
    if code.len() != RECOVERY_CHARS {
        return None;
    }
    let hash = blake3::hash(code.to_ascii_lowercase().as_bytes());
    // Hashes of blake3 compare in constant time.
    let fits = |stored: &[u8; 32]| blake3::Hash::from(*stored) == hash;
    factor.recovery.iter().position(fits)
}

/// Whether a code would be taken now.
pub(super) fn fits(factor: &StoredTotp, code: Option<&str>, now: u64) -> bool {
    let code = code.unwrap_or_default().trim();
    step(factor, code, now).is_some() || recovery(factor, code).is_some()
}

/// Takes a code, which is none from then on.
pub(super) fn spend(factor: &mut StoredTotp, code: Option<&str>, now: u64) -> Result<()> {
    let code = code.unwrap_or_default().trim();
    if let Some(step) = step(factor, code, now) {
        factor.last_step = step;
        return Ok(());
    }
    let at = recovery(factor, code).ok_or(Error::SecondFactor)?;
    factor.recovery.remove(at);
    Ok(())
}

impl Accounts {
    /// Begins with a second factor; it is asked for once a first code has proved it.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::Credentials`], [`Error::Conflict`] if there is one.
    pub async fn enrol(
        &self,
        visitor: &Visitor,
        cookie: &str,
        password: &str,
    ) -> Result<Enrolment> {
        let (person, _) = self.confirmed(visitor, cookie, password).await?;
        let secret: [u8; 20] = self.ports().random();
        let enrolled = person.change(self.now_millis(), |draft| {
            let mut stored = draft.state.person.clone().ok_or(Error::Session)?;
            if stored.totp.as_ref().is_some_and(|totp| totp.confirmed) {
                let why = "you have a second factor already; take it off first";
                return Err(Error::Conflict(why.to_owned()));
            }
            stored.totp = Some(StoredTotp {
                secret,
                confirmed: false,
                last_step: 0,
                recovery: Vec::new(),
            });
            let email = stored.email.clone();
            draft.put_person(stored);
            Ok(email)
        });
        let email = enrolled.await?;
        let secret = Secret::new_stack(secret).to_base32();
        // Of what an address may hold, only these mean something in a link.
        let label: String = email
            .bytes()
            .map(|byte| match byte {
                b'%' | b'?' | b'#' | b'/' | b'&' => format!("%{byte:02X}"),
                other => char::from(other).to_string(),
            })
            .collect();
        let uri = format!("otpauth://totp/QuartzDB:{label}?secret={secret}&issuer=QuartzDB");
        Ok(Enrolment { secret, uri })
    }

    /// Ends the enrolment with a first code; the answer is the recovery codes, which are shown this once.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::SecondFactor`] for a wrong code, [`Error::Conflict`] if nothing was begun.
    pub async fn confirm_factor(
        &self,
        visitor: &Visitor,
        cookie: &str,
        code: &str,
    ) -> Result<Vec<String>> {
        let (person, session) = self.signed_in(cookie).await?;
        self.may_guess(visitor, person.id())?;
        let now = self.now_millis();
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| self.recovery_code()).collect();
        let confirmed = person.change(now, |draft| {
            let mut stored = draft.state.person.clone().ok_or(Error::Session)?;
            let begun = stored.totp.as_mut().filter(|totp| !totp.confirmed);
            let Some(factor) = begun else {
                let why = "there is no second factor that waits for its first code";
                return Err(Error::Conflict(why.to_owned()));
            };
            factor.last_step = step(factor, code.trim(), now).ok_or(Error::SecondFactor)?;
            factor.confirmed = true;
            factor.recovery = codes
                .iter()
                .map(|code| blake3::hash(code.as_bytes()).into())
                .collect();
            draft.put_person(stored);
            // Whoever has got in by the password alone is out.
            draft.end_sessions(|hash, _| *hash != session);
            Ok(())
        });
        confirmed.await?;
        Ok(codes.iter().map(|code| grouped(code)).collect())
    }

    /// Takes the second factor off.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::Credentials`], [`Error::SecondFactor`], [`Error::Conflict`] if there is none.
    pub async fn remove_factor(
        &self,
        visitor: &Visitor,
        cookie: &str,
        password: &str,
        code: &str,
    ) -> Result<()> {
        let (person, _) = self.confirmed(visitor, cookie, password).await?;
        let now = self.now_millis();
        let removed = person.change(now, |draft| {
            let mut stored = draft.state.person.clone().ok_or(Error::Session)?;
            let Some(factor) = stored.totp.as_mut().filter(|totp| totp.confirmed) else {
                return Err(Error::Conflict("you have no second factor".to_owned()));
            };
            spend(factor, Some(code), now)?;
            stored.totp = None;
            draft.put_person(stored);
            Ok(())
        });
        removed.await
    }

    fn recovery_code(&self) -> String {
        let random: [u8; RECOVERY_CHARS] = self.ports().random();
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
        random.into_iter().map(letter).collect()
    }
}

/// As people read it: in fours.
fn grouped(code: &str) -> String {
    let mut text = String::new();
    for (at, letter) in code.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor() -> StoredTotp {
        StoredTotp {
            // The one of RFC 6238, appendix B.
            secret: *b"12345678901234567890",
            confirmed: true,
            last_step: 0,
            recovery: vec![blake3::hash(b"abcdefghjkmnpqrs").into()],
        }
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        let mut factor = factor();
        // The last six digits of its eight.
        assert!(fits(&factor, Some("287082"), 59_000));
        assert!(fits(&factor, Some("005924"), 1_234_567_890_000));
        assert!(!fits(&factor, Some("287083"), 59_000));
        for none in [
            None,
            Some(""),
            Some("28708"),
            Some("2870820"),
            Some("x87082"),
        ] {
            assert!(!fits(&factor, none, 59_000), "{none:?}");
        }
        spend(&mut factor, Some("287082"), 59_000).unwrap();
        // Neither that code again nor an older one.
        for now in [30_000, 59_000, 89_000] {
            assert!(!fits(&factor, Some("287082"), now));
        }
        let older = totp(factor.secret).generate(29).to_string();
        assert!(!fits(&factor, Some(&older), 59_000));
    }

    #[test]
    fn a_recovery_code_is_taken_once() {
        let mut factor = factor();
        let code = Some("ABCD-efgh-jkmn-pqrs");
        assert!(fits(&factor, code, 0));
        spend(&mut factor, code, 0).unwrap();
        assert!(!fits(&factor, code, 0));
        assert_eq!(spend(&mut factor, code, 0), Err(Error::SecondFactor));
    }
}
