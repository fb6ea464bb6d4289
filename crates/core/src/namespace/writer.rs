use std::sync::{Arc, atomic::Ordering};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    future::{Either, poll_immediate, select},
};

use super::{
    Pending, Shared, State, Written,
    group::Group,
    index::{Indexed, index},
    metering::{add_rows, hour_of},
    state::next_expiry,
};
use crate::{
    Clock,
    error::{Error, Result},
    index::Parts,
    store::{Batch, BoxFuture, Durability, Overlay, StoreError},
};

/// Writes decided together, at most. Bounds the memory of a commit together with the request limits.
const GROUP_WRITES: usize = 256;
/// A group takes no further write once its pending records weigh this much.
const GROUP_BYTES: usize = 16 << 20;

/// The one writer of a namespace. The host runs [`run`](Self::run) to its end.
///
/// While one group of writes is being committed the next one is decided, on the state that the first
/// will leave. Its commit begins when the first is done, and fails with it.
pub struct Writer {
    shared: Arc<Shared>,
    waiting: mpsc::Receiver<Pending>,
    /// A commit failed, so what the store holds is not certain and the state must be read again.
    uncertain: bool,
}

type Reply = (oneshot::Sender<Result<Written>>, Result<Written>);

/// Writes that are decided and not yet on their way.
struct Decided {
    group: Group,
    durability: Durability,
    replies: Vec<Reply>,
    bytes: usize,
    close: Option<oneshot::Sender<()>>,
}

/// A group on its way.
struct Commit<'a> {
    base: Arc<State>,
    /// What there will be once it is done. Its snapshot is the batch over what there was before.
    state: Arc<State>,
    parts: Parts,
    /// Of its usage rows.
    hour: u32,
    done: BoxFuture<'a, Result<(), StoreError>>,
}

impl Writer {
    pub(super) const fn new(shared: Arc<Shared>, waiting: mpsc::Receiver<Pending>) -> Self {
        Self {
            shared,
            waiting,
            uncertain: false,
        }
    }

    /// Takes writes until the last handle is dropped or the namespace is closed.
    pub async fn run(mut self) {
        // A future of its own, as it is large: most namespaces wait for something to write, and keep no
        // room for that.
        while let Some(write) = self
            .waiting
            .next()
            .await
            .map(|first| Box::pin(self.write(first)))
        {
            write.await;
        }
    }

    /// Decides and commits a write and all that wait with it.
    async fn write(&mut self, first: Pending) {
        if self.uncertain
            && let Err(error) = self.reload().await
            && let Pending::Write(_, reply) = first
        {
            let _ = reply.send(Err(error));
            return;
        }
        let mut decided = self.decided_on(self.shared.state.load_full());
        decided.take(first, &*self.shared.clock).await;
        while !decided.is_full()
            && let Ok(pending) = self.waiting.try_recv()
        {
            decided.take(pending, &*self.shared.clock).await;
        }
        self.commit_all(decided).await;
    }

    fn decided_on(&self, base: Arc<State>) -> Decided {
        Decided {
            group: Group::new(base, self.shared.clock.now_millis()),
            durability: Durability::Memory,
            replies: Vec::new(),
            bytes: 0,
            close: None,
        }
    }

    /// Commits a group, and after it those that gather meanwhile, until none has.
    async fn commit_all(&mut self, mut decided: Decided) {
        let shared = Arc::clone(&self.shared);
        let mut answers = Vec::new();
        loop {
            let Decided {
                group,
                durability,
                replies,
                close,
                ..
            } = decided;
            let (outcome, next) = match begin(&shared, group, durability).await {
                Ok(Some(mut commit)) => {
                    // On its way before anyone is answered, so that the disk does not wait for us.
                    let early = poll_immediate(&mut commit.done).await;
                    answer(std::mem::take(&mut answers));
                    let (outcome, next) = match early {
                        Some(outcome) => (outcome, None),
                        None if close.is_some() => (commit.done.as_mut().await, None),
                        None => self.gather(&mut commit).await,
                    };
                    (self.finish(commit, outcome).await, next)
                }
                Ok(None) => (Ok(()), None),
                Err(error) => (Err(error), None),
            };
            answer(std::mem::take(&mut answers));
            answers = replies;
            let mut closes = vec![close];
            let next = match outcome {
                Ok(()) => next,
                Err(error) => {
                    // A write that was refused may have been refused for what is now not there.
                    if let Some(next) = next {
                        answers.extend(next.replies);
                        closes.push(next.close);
                    }
                    for (_, decided) in &mut answers {
                        *decided = Err(error.clone());
                    }
                    if self.uncertain {
                        // If this fails as well, the next write tries again before it decides.
                        let _ = self.reload().await;
                    }
                    None
                }
            };
            let closing: Vec<_> = closes.into_iter().flatten().collect();
            match next {
                Some(next) if closing.is_empty() => decided = next,
                _ => {
                    answer(answers);
                    if !closing.is_empty() {
                        self.close(closing).await;
                    }
                    return;
                }
            }
        }
    }

    /// Decides what arrives until the commit is done.
    async fn gather(
        &mut self,
        commit: &mut Commit<'_>,
    ) -> (Result<(), StoreError>, Option<Decided>) {
        let mut next: Option<Decided> = None;
        loop {
            if next.as_ref().is_some_and(Decided::is_full) {
                return (commit.done.as_mut().await, next);
            }
            let arrived = match select(&mut commit.done, self.waiting.next()).await {
                Either::Left((outcome, _)) => return (outcome, next),
                Either::Right((arrived, _)) => arrived,
            };
            let Some(pending) = arrived else {
                return (commit.done.as_mut().await, next);
            };
            let decided = match next.take() {
                Some(decided) => decided,
                None => self.decided_on(Arc::clone(&commit.state)),
            };
            next.insert(decided)
                .take(pending, &*self.shared.clock)
                .await;
        }
    }

    /// Publishes what was committed.
    async fn finish(&mut self, commit: Commit<'_>, outcome: Result<(), StoreError>) -> Result<()> {
        if let Err(error) = outcome {
            self.uncertain = !matches!(error, StoreError::Full(_));
            return Err(error.into());
        }
        // If the new state cannot be read now, it is read before the next commit.
        self.uncertain = true;
        let snapshot = self.shared.store.snapshot().await?;
        let state = State {
            snapshot,
            ..Arc::unwrap_or_clone(commit.state)
        };
        if let Some(index) = &state.index {
            let base = commit.base.index.as_deref();
            commit.parts.publish(base, index, &self.shared.cache);
        }
        self.shared.state.store(Arc::new(state));
        self.shared
            .metered_from
            .fetch_min(commit.hour, Ordering::AcqRel);
        self.uncertain = false;
        Ok(())
    }

    /// Refuses what still waits and all that comes.
    async fn close(&mut self, closing: Vec<oneshot::Sender<()>>) {
        self.shared.closed.store(true, Ordering::Release);
        self.waiting.close();
        while let Some(pending) = self.waiting.next().await {
            match pending {
                Pending::Write(_, reply) => drop(reply.send(Err(Error::Closed))),
                Pending::Close(done) => drop(done.send(())),
            }
        }
        for done in closing {
            let _ = done.send(());
        }
    }

    async fn reload(&mut self) -> Result<()> {
        let state = State::load(&*self.shared.store, &self.shared.cache).await?;
        self.shared.state.store(Arc::new(state));
        self.uncertain = false;
        Ok(())
    }
}

impl Decided {
    async fn take(&mut self, pending: Pending, clock: &dyn Clock) {
        match pending {
            Pending::Write(write, reply) => {
                self.bytes += write.weight();
                self.durability = self.durability.max(write.durability);
                // A group may have begun long before this write came.
                self.group.now = self.group.now.max(clock.now_millis());
                let decided = self.group.decide(*write).await;
                self.replies.push((reply, decided));
            }
            Pending::Close(done) => self.close = Some(done),
        }
    }

    fn is_full(&self) -> bool {
        self.replies.len() >= GROUP_WRITES || self.bytes >= GROUP_BYTES || self.close.is_some()
    }
}

/// Turns a group into a commit; `None` if it changes nothing.
async fn begin(
    shared: &Shared,
    mut group: Group,
    durability: Durability,
) -> Result<Option<Commit<'_>>> {
    let base = Arc::clone(&group.base);
    let (used, now) = (std::mem::take(&mut group.used), group.now);
    let indexed = index(group, &shared.cache).await?;
    // Usage alone is no reason to wait for the disk.
    let durability = match &indexed {
        Some(_) => durability,
        None => Durability::Memory,
    };
    let is_usage_only = indexed.is_none();
    let Indexed {
        mut batch,
        mut state,
        parts,
        expiries_changed,
    } = match indexed {
        Some(indexed) => indexed,
        None if base.meta.is_some() => Indexed {
            batch: Batch::default(),
            state: State::clone(&base),
            parts: Parts::default(),
            expiries_changed: false,
        },
        None => return Ok(None),
    };
    // All groups before this one are committed, so the published snapshot holds them.
    let below = Arc::clone(&shared.state.load().snapshot);
    add_rows(shared, &*below, used, now, &mut batch).await?;
    if is_usage_only && batch.is_empty() {
        return Ok(None);
    }
    state.snapshot = Arc::new(Overlay::new(below, &batch));
    if expiries_changed {
        // What is committed is acknowledged; an expiry that cannot be read is due until it can.
        state.next_expiry = next_expiry(&*state.snapshot).await.unwrap_or(Some(0));
    }
    Ok(Some(Commit {
        base,
        state: Arc::new(state),
        parts,
        hour: hour_of(now),
        done: shared.store.commit(batch, durability),
    }))
}

fn answer(replies: Vec<Reply>) {
    for (reply, decided) in replies {
        let _ = reply.send(decided);
    }
}
