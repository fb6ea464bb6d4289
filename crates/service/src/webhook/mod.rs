//! Events of an account and where they are sent, in the Standard Webhooks scheme
//! (<https://www.standardwebhooks.com>).
//!
//! An event goes into the outbox in the commit of what happened, a row for each webhook that wants it.
//! Whoever delivers asks for what is due and tells what became of it, so an event may come twice, under
//! the same id, and never not at all before it is given up.

mod address;
mod event;
mod reach;
mod signature;

pub(crate) use self::event::of_action;
pub use self::{
    event::{EVENTS, Notice},
    reach::{OUT_OF_REACH, Reach},
    signature::{secret_text, sign},
};

/// Milliseconds until a delivery is tried again after so many attempts; after the last one it is given
/// up, a day and a half after the event.
const PAUSES: [u64; 9] = [
    5_000, 20_000, 80_000, 320_000, 1_280_000, 5_120_000, 20_480_000, 43_200_000, 61_440_000,
];
/// Events after which a delivery that has ended is forgotten.
pub(crate) const KEPT_EVENTS: u64 = 10_000;

/// When a delivery that has failed so often is tried next; `None`: it is given up.
#[must_use]
pub fn next_attempt(now: u64, attempts: u32) -> Option<u64> {
    let pause = PAUSES.get(attempts.saturating_sub(1) as usize)?;
    Some(now.saturating_add(*pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_and_end() {
        let mut now = 0;
        let mut attempts = 0;
        let mut pause = 0;
        loop {
            attempts += 1;
            let Some(next) = next_attempt(now, attempts) else {
                break;
            };
            assert!(next - now > pause, "{attempts}");
            pause = next - now;
            now = next;
        }
        assert_eq!(attempts, 10);
        assert!(now > 36 * 3_600_000 && now < 48 * 3_600_000, "{now}");
    }
}
