//! Rate and concurrency: who has to wait. In memory, without locks; each host counts for itself.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// A token bucket as one number, the time at which it is full again (GCRA).
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

/// How a bucket is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

/// What a bucket says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The rate it was asked under.
    pub rate: Rate,
    /// Requests that could come now.
    pub remaining: u32,
    /// Microseconds until one more could, if none could now.
    pub wait_micros: u64,
}

impl Bucket {
    /// Takes a token at `now` (microseconds, never going back).
    ///
    /// # Errors
    /// When there is none: how long to wait.
    pub fn take(&self, rate: Rate, now: u64) -> Result<Allowance, Allowance> {
        let step = 1_000_000 / u64::from(rate.per_second.max(1));
        let step = step.max(1);
        let taken = self.take_each(step, rate.burst, now);
        let allowance = |remaining, wait_micros| Allowance {
            rate,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            wait_micros,
        };
        match taken {
            Ok(remaining) => Ok(allowance(remaining, 0)),
            Err(wait_micros) => Err(allowance(0, wait_micros)),
        }
    }

    /// Takes a token of those that come one each `step` microseconds; says how many are left.
    ///
    /// # Errors
    /// When there is none: how many microseconds to wait.
    pub fn take_each(&self, step: u64, burst: u32, now: u64) -> Result<u64, u64> {
        let room = step * u64::from(burst.max(1));
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now) + step;
            let ahead = next - now;
            if ahead > room {
                return Err(ahead - room);
            }
            let swapped =
                self.0
                    .compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed);
            match swapped {
                Ok(_) => return Ok((room - ahead) / step),
                Err(other) => full_at = other,
            }
        }
    }
}

/// When refusals are answered. Who comes again at once after each one would otherwise make the server do
/// nothing but refuse, at the cost of its neighbours.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// Microseconds between two answers once those of the burst are given.
    const STEP: u64 = 5_000;
    /// Answers that are given at once. Who has made a few requests too many does not notice anything.
    const BURST: u64 = 50;
    /// The longest wait, microseconds. So many connections as wait then are answered one by one each second.
    const LONGEST: u64 = 1_000_000;

    /// How many microseconds the refusal of a request at `now` is to wait.
    pub fn wait(&self, now: u64) -> u32 {
        let free = Self::STEP * Self::BURST;
        let next = |full_at: u64| {
            let next = full_at.max(now) + Self::STEP;
            // Nobody waits longer, so there is no need to remember more.
            next.min(now + free + Self::LONGEST)
        };
        let update = |full_at| Some(next(full_at));
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        let (Ok(before) | Err(before)) = before;
        // At most a second.
        next(before).saturating_sub(now + free) as u32
    }
}

/// A rate of one's own: as many at once as in a second. Clones share the bucket.
#[derive(Clone, Debug)]
pub struct OwnRate {
    rate: Rate,
    bucket: Arc<Bucket>,
}

impl OwnRate {
    /// So many requests a second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            rate: Rate {
                per_second,
                burst: per_second,
            },
            bucket: Arc::default(),
        }
    }

    /// How many.
    #[must_use]
    pub const fn per_second(&self) -> u32 {
        self.rate.per_second
    }

    /// Takes a token at `now`, as [`Bucket::take`].
    ///
    /// # Errors
    /// When there is none: how long to wait.
    pub fn take(&self, now: u64) -> Result<Allowance, Allowance> {
        self.bucket.take(self.rate, now)
    }
}

/// Requests that are served at the moment.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<AtomicU32>);

/// One request of a crowd; leaves when dropped.
#[derive(Debug)]
pub struct InCrowd(Crowd);

impl Crowd {
    /// Joins, unless there are `most` already.
    #[must_use]
    pub fn join(&self, most: u32) -> Option<InCrowd> {
        // The counter may overshoot for a moment; nobody gets in above the limit.
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let place = InCrowd(self.clone());
        (before < most).then_some(place)
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::default();
        let remaining: Vec<_> = (0..3)
            .map(|_| bucket.take(RATE, 0).unwrap().remaining)
            .collect();
        assert_eq!(remaining, [2, 1, 0]);
        assert_eq!(bucket.take(RATE, 0).unwrap_err().wait_micros, 100_000);
        assert_eq!(bucket.take(RATE, 40_000).unwrap_err().wait_micros, 60_000);
        bucket.take(RATE, 100_000).unwrap();
        bucket.take(RATE, 100_000).unwrap_err();
        assert_eq!(bucket.take(RATE, 10_000_000).unwrap().remaining, 2);
    }

    #[test]
    fn a_crowd_has_an_end() {
        let crowd = Crowd::default();
        let first = crowd.join(2).unwrap();
        let second = crowd.join(2).unwrap();
        assert!(crowd.join(2).is_none());
        drop(first);
        let third = crowd.join(2).unwrap();
        assert!(crowd.join(2).is_none());
        drop((second, third));
        assert!(crowd.join(1).is_some());
    }

    #[test]
    fn refusals_are_paced() {
        let pace = Pace::default();
        let waits: Vec<_> = (0..52).map(|_| pace.wait(7)).collect();
        assert!(waits[..50].iter().all(|&wait| wait == 0));
        assert_eq!(waits[50..], [5_000, 10_000]);
        // Time goes on, and who waits for an answer before asking again is answered as quickly.
        assert_eq!(pace.wait(10_007), 5_000);
        for _ in 0..1_000 {
            assert!(pace.wait(10_007) <= 1_000_000);
        }
        assert_eq!(pace.wait(10_007), 1_000_000);
        assert_eq!(pace.wait(2_000_000), 0);
    }

    proptest! {
        /// In any stretch of time, at most the burst and what the rate gives in it.
        #[test]
        fn never_more_than_the_rate(
            gaps in prop::collection::vec(0..200_000_u64, 1..200),
            per_second in 1..1000_u32, burst in 1..50_u32,
        ) {
            let bucket = Bucket::default();
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                taken += u64::from(bucket.take(Rate { per_second, burst }, now).is_ok());
                let step = (1_000_000 / u64::from(per_second)).max(1);
                prop_assert!(taken <= u64::from(burst) + now / step);
            }
        }
    }
}
