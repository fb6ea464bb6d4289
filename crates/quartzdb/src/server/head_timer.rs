//! The timer of a connection's heads.
//!
//! hyper asks for a new sleep before each request. Entering every one into the runtime's wheel and
//! taking it out again costs as much as a small answer, so all of a connection's share one entry, which
//! is moved only when it has run out.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// hyper's timer, one for each connection.
pub(super) struct HeadTimer(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

struct HeadSleep {
    entry: Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>,
    deadline: tokio::time::Instant,
}

impl HeadTimer {
    /// A timer for sleeps of about this length.
    pub(super) fn new(length: Duration) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(length)))))
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep {
            entry: Arc::clone(&self.0),
            deadline: deadline.into(),
        })
    }
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        if entry.deadline() > self.deadline {
            entry.as_mut().reset(self.deadline);
        }
        loop {
            ready!(entry.as_mut().poll(context));
            if tokio::time::Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            // It was an earlier head's.
            entry.as_mut().reset(self.deadline);
        }
    }
}

impl Sleep for HeadSleep {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_sleep_ends_at_its_own_deadline() {
        let start = tokio::time::Instant::now();
        let timer = HeadTimer::new(Duration::from_secs(15));
        drop(timer.sleep(Duration::from_secs(15)));
        tokio::time::advance(Duration::from_secs(10)).await;
        timer
            .sleep_until((start + Duration::from_secs(25)).into())
            .await;
        assert!(start.elapsed() >= Duration::from_secs(25));
        timer
            .sleep_until((start + Duration::from_secs(26)).into())
            .await;
        timer
            .sleep_until((start + Duration::from_secs(90)).into())
            .await;
        timer
            .sleep_until((start + Duration::from_secs(95)).into())
            .await;
        let elapsed = start.elapsed().as_secs_f64();
        assert!((95.0..95.1).contains(&elapsed), "{elapsed}");
    }
}
