//! How often somebody may try: from an address, for an e-mail address, and all together. In memory, for
//! each host by itself.

use core::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::PersonId;
use crate::{
    error::{Error, Result},
    throttle::Bucket,
};

/// Addresses and people that are remembered; whoever is forgotten begins anew, under the common bound.
const REMEMBERED: usize = 65_536;
const SECOND: u64 = 1_000_000;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// A new account.
    SignUp = 0,
    /// A mail to somebody who has forgotten their password.
    Reset = 1,
    /// A password or a code.
    Guess = 2,
}

/// So many at once, then one each so many microseconds.
struct Pace {
    burst: u32,
    each_micros: u64,
}

const fn pace(burst: u32, each_micros: u64) -> Pace {
    Pace { burst, each_micros }
}

impl Attempt {
    const fn pace_of_one(self) -> Pace {
        match self {
            Self::SignUp => pace(10, 600 * SECOND),
            Self::Reset => pace(10, 120 * SECOND),
            Self::Guess => pace(100, SECOND),
        }
    }

    const fn pace_of_all(self) -> Pace {
        match self {
            Self::SignUp => pace(300, 5 * SECOND),
            Self::Reset => pace(300, SECOND),
            // Each costs a core some hundredths of a second.
            Self::Guess => pace(400, SECOND / 20),
        }
    }
}

/// Guesses of the password of one person.
const GUESSES: Pace = pace(10, 30 * SECOND);
/// Mails to one address.
const MAILS: Pace = pace(4, 600 * SECOND);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Address(Attempt, Option<IpAddr>),
    Guesses(PersonId),
    Mails(PersonId),
}

/// Counts attempts.
pub(crate) struct Turnstile {
    each: Cache<Whose, Arc<Bucket>>,
    all: [Bucket; 3],
}

impl Turnstile {
    pub(crate) fn new() -> Self {
        Self {
            each: Cache::new(REMEMBERED),
            all: Default::default(),
        }
    }

    /// Lets an attempt through, or says how long to wait.
    pub(crate) fn pass(&self, attempt: Attempt, address: Option<IpAddr>, now: u64) -> Result<()> {
        let address = address.map(neighbourhood);
        self.take(
            Whose::Address(attempt, address),
            &attempt.pace_of_one(),
            now,
        )?;
        let Pace { burst, each_micros } = attempt.pace_of_all();
        wait(self.all[attempt as usize].take_each(each_micros, burst, now))
    }

    /// Lets a guess of a person's password through.
    pub(crate) fn guess(&self, person: PersonId, now: u64) -> Result<()> {
        self.take(Whose::Guesses(person), &GUESSES, now)
    }

    /// Whether a person may be sent one more mail.
    pub(crate) fn may_mail(&self, person: PersonId, now: u64) -> bool {
        self.take(Whose::Mails(person), &MAILS, now).is_ok()
    }

    fn take(&self, whose: Whose, pace: &Pace, now: u64) -> Result<()> {
        let bucket = self
            .each
            .get_or_insert_with(&whose, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let Ok(bucket) = bucket;
        wait(bucket.take_each(pace.each_micros, pace.burst, now))
    }
}

fn wait(taken: Result<u64, u64>) -> Result<()> {
    match taken {
        Ok(_) => Ok(()),
        Err(wait_micros) => Err(Error::TooOften { wait_micros }),
    }
}

/// Who has one address of IPv6 has 2^64 of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Email;

    #[test]
    fn one_address_runs_out_before_all_do() {
        let turnstile = Turnstile::new();
        let from = |address: &str, now| {
            let address = Some(address.parse().unwrap());
            turnstile.pass(Attempt::SignUp, address, now).is_ok()
        };
        assert_eq!((0..50).filter(|_| from("10.0.0.1", 0)).count(), 10);
        assert!(from("10.0.0.2", 0));
        // The whole network of an IPv6 address is one.
        assert_eq!(
            (0..50)
                .filter(|i| from(&format!("2001:db8::{i}"), 0))
                .count(),
            10
        );
        assert!(from("10.0.0.1", 600 * SECOND));
        assert!(!from("10.0.0.1", 600 * SECOND));
        let passed = (0..=255)
            .flat_map(|a| (0..4).map(move |b| format!("10.1.{b}.{a}")))
            .filter(|address| from(address, 600 * SECOND))
            .count();
        // From anywhere: the burst, and what the time has given.
        assert!((250..=300).contains(&passed), "{passed}");
    }

    #[test]
    fn guesses_of_one_person_run_out_from_everywhere() {
        let turnstile = Turnstile::new();
        let ann = PersonId::of(&Email::parse("ann@example.com").unwrap());
        let passed = (0..50).filter(|_| turnstile.guess(ann, 0).is_ok()).count();
        assert_eq!(passed, 10);
        let Err(Error::TooOften { wait_micros }) = turnstile.guess(ann, 0) else {
            panic!("it passed");
        };
        assert_eq!(wait_micros, 30 * SECOND);
        assert!(turnstile.guess(ann, 30 * SECOND).is_ok());
    }
}
