use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use quartz_core::{Clock, directory::Directory, namespace::ListRange, store::BoxFuture};
use quartz_http::Host;
use quartz_service::{Entropy, Offload};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

/// The system's clock.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The system's random numbers.
pub(super) struct SystemEntropy;

impl SystemEntropy {
    /// Proves once that the system gives random numbers; from then on it does.
    pub(super) fn new() -> anyhow::Result<Self> {
        getrandom::fill(&mut [0; 32]).context("the system gives no random numbers")?;
        Ok(Self)
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives no random numbers");
    }
}

/// Hashes passwords on threads of their own, no more at once than there are cores: each takes the memory
/// that makes guessing dear.
pub(super) struct OnThreads(Arc<Semaphore>);

impl OnThreads {
    pub(super) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
    }
}

impl Offload for OnThreads {
    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let places = Arc::clone(&self.0);
        Box::pin(async move {
            // The semaphore is never closed.
            let place = places.acquire_owned().await;
            let done = spawn_blocking(move || {
                work();
                drop(place);
            });
            if let Err(error) = done.await {
                tracing::error!(%error, "a password could not be hashed");
            }
        })
    }
}

/// What the router asks of a process with a clock and random numbers.
pub(super) struct NativeHost {
    directory: Directory,
    timeout: Duration,
    stopping: watch::Receiver<bool>,
    started: Instant,
    /// Random, so that ids of different processes differ.
    process: u64,
    requests: AtomicU64,
}

impl NativeHost {
    pub(super) fn new(
        directory: Directory,
        timeout: Duration,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let process = getrandom::u64().context("the system gives no random numbers")?;
        let (started, requests) = (Instant::now(), AtomicU64::new(0));
        Ok(Self {
            directory,
            timeout,
            stopping,
            started,
            process,
            requests,
        })
    }
}

impl Host for NativeHost {
    fn monotonic_micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn unique_id(&self) -> u128 {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        u128::from(self.process) << 64 | u128::from(request)
    }

    fn deadline(&self) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(tokio::time::sleep(self.timeout)))
    }

    fn pause(&self, micros: u64) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(tokio::time::sleep(Duration::from_micros(micros))))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            if *self.stopping.borrow() {
                return Err("the server is stopping".to_owned());
            }
            // A read that goes through to storage.
            let range = ListRange {
                limit: 1,
                ..ListRange::default()
            };
            self.directory
                .list(&range)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }
}
