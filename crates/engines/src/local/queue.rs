//! The bounded queue in front of the committer, and the future a caller waits on.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::channel::oneshot;
use quartz_core::store::{Batch, Durability, Result, StoreError};

/// Commits that may wait, and their bytes; further callers wait outside.
const MOST_JOBS: usize = 4096;
const MOST_BYTES: usize = 64 << 20;

/// One commit on its way.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) durability: Durability,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    outside: Vec<Waker>,
    closed: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.jobs.len() < MOST_JOBS && self.bytes < MOST_BYTES
    }

    fn push(&mut self, job: Job) {
        if self.closed {
            let closed = StoreError::Unavailable("the store is closed".to_owned());
            let _ = job.answer.send(Err(closed));
        } else {
            self.bytes += job.batch.size_bytes();
            self.jobs.push_back(job);
        }
    }
}

impl Queue {
    /// The commit is on its way when this returns, or at the latest when the future is polled to the
    /// end or dropped.
    pub(super) fn submit(self: &Arc<Self>, batch: Batch, durability: Durability) -> Submission {
        let (answer, receiver) = oneshot::channel();
        let mut submission = Submission {
            queue: Arc::clone(self),
            outside: Some(Job {
                batch,
                durability,
                answer,
            }),
            receiver,
        };
        submission.enter(None);
        submission
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// Takes up to `bytes` of what waits, at least one commit, into `group`. Waits at most `patience`
    /// for the first. `false` when the queue is closed and empty.
    pub(super) fn drain(&self, group: &mut Vec<Job>, bytes: usize, patience: Duration) -> bool {
        let mut state = self.state();
        if state.jobs.is_empty() && !state.closed {
            state = self
                .arrived
                .wait_timeout_while(state, patience, |state| {
                    state.jobs.is_empty() && !state.closed
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let mut taken = 0;
        while taken < bytes
            && let Some(job) = state.jobs.pop_front()
        {
            taken += job.batch.size_bytes();
            group.push(job);
        }
        state.bytes -= taken;
        let outside = std::mem::take(&mut state.outside);
        let open = !(state.closed && state.jobs.is_empty() && group.is_empty());
        drop(state);
        outside.into_iter().for_each(Waker::wake);
        open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit's answer to come. Dropping it does not take the commit back.
pub(super) struct Submission {
    queue: Arc<Queue>,
    outside: Option<Job>,
    receiver: oneshot::Receiver<Result<()>>,
}

impl Submission {
    /// Gets into the queue if there is room; else leaves the waker. Without one, and with room for
    /// none, the job stays outside.
    fn enter(&mut self, waker: Option<&Waker>) {
        let mut state = self.queue.state();
        if state.has_room() || state.closed {
            if let Some(job) = self.outside.take() {
                state.push(job);
                drop(state);
                self.queue.arrived.notify_one();
            }
        } else if let Some(waker) = waker {
            state.outside.push(waker.clone());
        }
    }
}

impl Future for Submission {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.outside.is_some() {
            self.enter(Some(context.waker()));
            if self.outside.is_some() {
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.receiver).poll(context).map(|answer| {
            answer.unwrap_or_else(|_| {
                Err(StoreError::Unavailable(
                    "the committer has stopped".to_owned(),
                ))
            })
        })
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if let Some(job) = self.outside.take() {
            self.queue.state().push(job);
            self.queue.arrived.notify_one();
        }
    }
}
