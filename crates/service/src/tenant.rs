use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::{
    Denial,
    throttle::{Allowance, Bucket, Crowd, InCrowd, Pace, Rate},
};

/// What the requests of an account share in a process: how many there are, how fast they come, and what
/// the account's plan says to that. An account without limits has no terms, and costs a look.
#[derive(Debug, Default)]
pub struct Tenant {
    terms: ArcSwapOption<Terms>,
    bucket: Bucket,
    crowd: Crowd,
    pace: Pace,
}

/// What a plan says about requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How fast they may come.
    pub rate: Option<Rate>,
    /// How many may be served at the same time.
    pub concurrent_requests: Option<u32>,
    /// Units that one request may cost.
    pub request_units: Option<u64>,
    /// How many namespaces there may be.
    pub namespaces: Option<u32>,
    /// Why no more may be written and searched.
    pub halt: Option<Halt>,
    /// The month, since 1970, that this is about.
    pub month: u32,
}

/// Why an account may not write or query any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It has used what its plan includes.
    Included,
    /// It has spent its budget.
    Budget,
    /// It holds as many bytes as its plan allows.
    Storage,
    /// It holds as many vectors as its plan allows.
    Vectors,
}

/// A request that is being served.
#[derive(Debug, Default)]
pub struct Turn {
    /// What is left of the rate, if there is one.
    pub allowance: Option<Allowance>,
    _place: Option<InCrowd>,
}

/// What a request does, as far as a halted account is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reads, and what manages the account: always possible.
    Free,
    /// Searches: ends with the budget.
    Query,
    /// Adds to what is held: ends with the budget and when the plan's space is full.
    Write,
}

impl Tenant {
    pub(crate) fn tell(&self, terms: Terms) {
        let unlimited = Terms {
            month: terms.month,
            ..Terms::default()
        };
        let terms = (terms != unlimited).then(|| Arc::new(terms));
        self.terms.store(terms);
    }

    /// What the plan says now, if it says anything.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        self.terms.load().as_deref().copied()
    }

    /// How many microseconds the answer to a request that came too fast at `now_micros` is held back.
    #[must_use]
    pub fn refusal_wait(&self, now_micros: u64) -> u32 {
        self.pace.wait(now_micros)
    }

    /// Lets a request in at `now_micros`, a time that never goes back; `month` says the
    /// month since 1970. It counts until the
    /// turn is dropped.
    ///
    /// # Errors
    /// Why it has to wait or cannot be done.
    pub fn enter(
        &self,
        work: Work,
        now_micros: u64,
        month: impl FnOnce() -> u32,
    ) -> Result<Turn, Denial> {
        let terms = self.terms.load();
        let Some(terms) = terms.as_deref() else {
            return Ok(Turn::default());
        };
        if let Some(halt) = terms.halt
            && halt.stops(work, month() == terms.month)
        {
            return Err(Denial::Halted(halt));
        }
        let allowance = match terms.rate {
            None => None,
            Some(rate) => Some(self.bucket.take(rate, now_micros).map_err(Denial::Rate)?),
        };
        let place = match terms.concurrent_requests {
            None => None,
            Some(most) => Some(self.crowd.join(most).ok_or(Denial::Crowded(most))?),
        };
        Ok(Turn {
            allowance,
            _place: place,
        })
    }
}

impl Halt {
    /// Whether it stops such work, in the month that it is about or in another.
    const fn stops(self, work: Work, same_month: bool) -> bool {
        match (self, work) {
            (_, Work::Free) | (Self::Storage | Self::Vectors, Work::Query) => false,
            (Self::Included | Self::Budget, _) => same_month,
            (Self::Storage | Self::Vectors, Work::Write) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_stops_what_it_is_about() {
        let tenant = Tenant::default();
        tenant.tell(Terms {
            halt: Some(Halt::Budget),
            month: 5,
            ..Terms::default()
        });
        assert!(tenant.enter(Work::Free, 0, || 5).is_ok());
        for work in [Work::Query, Work::Write] {
            assert_eq!(
                tenant.enter(work, 0, || 5).unwrap_err(),
                Denial::Halted(Halt::Budget)
            );
            // A new month begins with nothing spent.
            assert!(tenant.enter(work, 0, || 6).is_ok());
        }
        tenant.tell(Terms {
            halt: Some(Halt::Storage),
            ..Terms::default()
        });
        assert!(tenant.enter(Work::Query, 0, || 0).is_ok());
        assert!(tenant.enter(Work::Write, 0, || 9).is_err());
        tenant.tell(Terms::default());
        assert_eq!(tenant.terms(), None);
        assert!(tenant.enter(Work::Write, 0, || 0).is_ok());
    }

    #[test]
    fn a_turn_is_given_back() {
        let tenant = Tenant::default();
        tenant.tell(Terms {
            concurrent_requests: Some(1),
            rate: Some(Rate {
                per_second: 1,
                burst: 3,
            }),
            ..Terms::default()
        });
        let turn = tenant.enter(Work::Free, 0, || 0).unwrap();
        assert_eq!(turn.allowance.unwrap().remaining, 2);
        assert_eq!(
            tenant.enter(Work::Free, 0, || 0).unwrap_err(),
            Denial::Crowded(1)
        );
        drop(turn);
        assert!(tenant.enter(Work::Free, 0, || 0).is_ok());
        assert!(matches!(
            tenant.enter(Work::Free, 0, || 0),
            Err(Denial::Rate(_))
        ));
    }
}
