//! Several processors for one query, as long as no other query wants them.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};

use crate::{directory::Spawn, store::BoxFuture};

/// The processors that queries of a host share. Clones share them.
#[derive(Clone)]
pub(crate) struct Processors(Option<Arc<Shared>>);

struct Shared {
    count: usize,
    spawn: Spawn,
    /// Queries that run, and parts of them that run elsewhere.
    running: AtomicUsize,
}

/// A query, or a part of one, that runs until this is dropped.
pub(crate) struct Running<'a>(&'a Processors);

impl Processors {
    /// One: every query runs where it is asked.
    pub(crate) const fn one() -> Self {
        Self(None)
    }

    /// So many, to each of which `spawn` may bring work.
    pub(crate) fn new(count: usize, spawn: Spawn) -> Self {
        Self((count > 1).then(|| {
            Arc::new(Shared {
                count,
                spawn,
                running: AtomicUsize::new(0),
            })
        }))
    }

    pub(crate) fn enter(&self) -> Running<'_> {
        if let Some(shared) = &self.0 {
            shared.running.fetch_add(1, Ordering::Relaxed);
        }
        Running(self)
    }

    /// Runs a part of a query elsewhere; `None` if it was given up there. It ends when nobody waits for it any more.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        part: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let (mut sender, receiver) = oneshot::channel();
        let processors = self.clone();
        let part: BoxFuture<'static, ()> = Box::pin(async move {
            let _running = processors.enter();
            let part = std::pin::pin!(part);
            let done = match select(part, sender.cancellation()).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => return,
            };
            let _ = sender.send(done);
        });
        if let Some(shared) = &self.0 {
            (shared.spawn)(part);
        }
        Box::pin(async { receiver.await.ok() })
    }
}

impl Running<'_> {
    /// Processors on which no other query runs, at least 1. A moment later it may be otherwise.
    pub(crate) fn free(&self) -> usize {
        self.0.0.as_ref().map_or(1, |shared| {
            let others = shared.running.load(Ordering::Relaxed).saturating_sub(1);
            shared.count.saturating_sub(others).max(1)
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(shared) = &self.0.0 {
            shared.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::{ThreadPool, block_on};

    use super::*;

    #[test]
    fn a_query_has_what_others_leave() {
        let processors = Processors::new(3, Arc::new(|_| {}));
        let one = processors.enter();
        assert_eq!(one.free(), 3);
        let (two, three) = (processors.enter(), processors.enter());
        assert_eq!((one.free(), two.free(), three.free()), (1, 1, 1));
        let four = processors.enter();
        assert_eq!(four.free(), 1);
        drop((two, three, four));
        assert_eq!(one.free(), 3);
        assert_eq!(Processors::one().enter().free(), 1);
    }

    #[test]
    fn parts_run_elsewhere_and_end_when_nobody_waits() {
        let pool = ThreadPool::builder().pool_size(1).create().unwrap();
        let processors = Processors::new(2, Arc::new(move |part| pool.spawn_ok(part)));
        assert_eq!(block_on(processors.run(async { 7 })), Some(7));
        // Never ready, and holds what tells that it is gone.
        let (held, gone) = oneshot::channel::<()>();
        let waiting = processors.run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(waiting);
        assert!(block_on(gone).is_err());
        // A host that gives up what it is brought.
        let lost = Processors::new(2, Arc::new(|_| {}));
        assert_eq!(block_on(lost.run(async { 7 })), None);
    }
}
