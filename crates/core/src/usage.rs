//! What requests use, in units that a plan has prices for, and where it is counted.
//!
//! A write is counted in the commit that makes it durable: never without it, never twice. Reads are
//! counted in memory and go with the next commit or flush; a crash loses what was not yet flushed, in
//! the payer's favour. Rows hold the sum of an hour, so whoever collects them may read them any number
//! of times.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a record that one write unit pays for.
pub const WRITE_UNIT_BYTES: u64 = 1024;
/// Bytes of an answer that one read unit pays for.
pub const READ_UNIT_BYTES: u64 = 4096;
/// Matches that one query unit pays for.
pub const QUERY_UNIT_MATCHES: u64 = 100;

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that did what they asked for.
    pub requests: u64,
    /// For each record created, changed or deleted: one, and one more for each further 1,024 bytes that
    /// it then has.
    pub write_units: u64,
    /// For each answer of records: one for each 4,096 bytes begun, at least one.
    pub read_units: u64,
    /// For each query: one for each 100 matches begun that it asked for.
    pub query_units: u64,
}

impl Usage {
    /// A request whose answer has this many bytes of records.
    #[must_use]
    pub fn read(bytes: u64) -> Self {
        Self {
            requests: 1,
            read_units: bytes.div_ceil(READ_UNIT_BYTES).max(1),
            ..Self::default()
        }
    }

    /// A query for this many matches.
    #[must_use]
    pub fn query(top_k: u64) -> Self {
        Self {
            requests: 1,
            query_units: top_k.div_ceil(QUERY_UNIT_MATCHES).max(1),
            ..Self::default()
        }
    }

    /// A write of this many units.
    #[must_use]
    pub fn write(units: u64) -> Self {
        Self {
            requests: 1,
            write_units: units,
            ..Self::default()
        }
    }

    /// Adds what `other` counts.
    pub const fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.write_units = self.write_units.saturating_add(other.write_units);
        self.read_units = self.read_units.saturating_add(other.read_units);
        self.query_units = self.query_units.saturating_add(other.query_units);
    }

    /// The greater of each count.
    #[must_use]
    pub fn most(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.max(other.requests),
            write_units: self.write_units.max(other.write_units),
            read_units: self.read_units.max(other.read_units),
            query_units: self.query_units.max(other.query_units),
        }
    }

    /// What is in this and not in `earlier`, which counted less of the same.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            write_units: self.write_units.saturating_sub(earlier.write_units),
            read_units: self.read_units.saturating_sub(earlier.read_units),
            query_units: self.query_units.saturating_sub(earlier.query_units),
        }
    }
}

/// Usage of one namespace and hour by payer.
pub(crate) type ByPayer = Vec<(u32, Usage)>;

/// Adds to the payer's sum. There are few payers, so a list is the fastest map.
pub(crate) fn charge(sums: &mut ByPayer, payer: u32, usage: Usage) {
    match sums.iter_mut().find(|(other, _)| *other == payer) {
        Some((_, sum)) => sum.add(usage),
        None => sums.push((payer, usage)),
    }
}

/// Reads that no commit has taken along yet.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<ByPayer>);

impl Pending {
    pub(crate) fn charge(&self, payer: u32, usage: Usage) {
        charge(&mut self.sums(), payer, usage);
    }

    pub(crate) fn take(&self) -> ByPayer {
        std::mem::take(&mut *self.sums())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sums().is_empty()
    }

    fn sums(&self) -> MutexGuard<'_, ByPayer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_begin_at_one() {
        assert_eq!(Usage::read(0).read_units, 1);
        assert_eq!(Usage::read(4096).read_units, 1);
        assert_eq!(Usage::read(4097).read_units, 2);
        assert_eq!(Usage::query(0).query_units, 1);
        assert_eq!(Usage::query(101).query_units, 2);
    }

    #[test]
    fn sums_are_by_payer() {
        let pending = Pending::default();
        pending.charge(1, Usage::read(1));
        pending.charge(2, Usage::query(1));
        pending.charge(1, Usage::read(1));
        let taken = pending.take();
        assert_eq!(taken.len(), 2);
        assert_eq!(taken[0].1.requests, 2);
        assert!(pending.is_empty());
        assert_eq!(taken[0].1.since(&Usage::read(1)), Usage::read(1));
    }
}
