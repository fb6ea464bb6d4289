use std::sync::{Arc, atomic::Ordering};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
};

use super::{
    Pending, Shared, State, Write, Written,
    group::Group,
    index::{Indexed, index},
    state::next_expiry,
};
use crate::{
    error::{Error, Result},
    store::{Durability, StoreError},
};

/// Writes decided together, at most. Bounds the memory of a commit together with the request limits.
const GROUP_WRITES: usize = 256;
/// A group takes no further write once its pending records weigh this much.
const GROUP_BYTES: usize = 16 << 20;

/// The one writer of a namespace. The host runs [`run`](Self::run) to its end.
pub struct Writer {
    shared: Arc<Shared>,
    waiting: mpsc::Receiver<Pending>,
    /// A commit failed, so what the store holds is not certain and the state must be read again.
    uncertain: bool,
}

type Reply = (oneshot::Sender<Result<Written>>, Result<Written>);

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
        while let Some(first) = self.waiting.next().await {
            let mut next = Some(first);
            let mut writes = Vec::new();
            let mut close = None;
            let mut bytes = 0;
            while let Some(pending) = next.take() {
                match pending {
                    Pending::Write(write, reply) => {
                        bytes += write.weight();
                        writes.push((write, reply));
                    }
                    Pending::Close(done) => {
                        close = Some(done);
                        break;
                    }
                }
                if writes.len() < GROUP_WRITES && bytes < GROUP_BYTES {
                    next = self.waiting.try_recv().ok();
                }
            }
            if !writes.is_empty() {
                self.write(writes).await;
            }
            if let Some(done) = close {
                self.shared.closed.store(true, Ordering::Release);
                self.waiting.close();
                while let Some(pending) = self.waiting.next().await {
                    match pending {
                        Pending::Write(_, reply) => drop(reply.send(Err(Error::Closed))),
                        Pending::Close(done) => drop(done.send(())),
                    }
                }
                let _ = done.send(());
            }
        }
    }

    /// Decides and commits a group of writes and answers each.
    async fn write(&mut self, writes: Vec<(Write, oneshot::Sender<Result<Written>>)>) {
        if self.uncertain
            && let Err(error) = self.reload().await
        {
            for (_, reply) in writes {
                let _ = reply.send(Err(error.clone()));
            }
            return;
        }
        let base = self.shared.state.load_full();
        let mut group = Group::new(&base, self.shared.clock.now_millis());
        let mut durability = Durability::Memory;
        let mut replies: Vec<Reply> = Vec::with_capacity(writes.len());
        for (write, reply) in writes {
            durability = durability.max(write.durability);
            let decided = group.decide(write).await;
            replies.push((reply, decided));
        }
        if let Err(error) = self.commit(&base, group, durability).await {
            // A write that was refused may have been refused for what is now not there.
            for (_, decided) in &mut replies {
                *decided = Err(error.clone());
            }
        }
        if self.uncertain {
            // If this fails as well, the next write tries again before it decides anything.
            let _ = self.reload().await;
        }
        for (reply, decided) in replies {
            let _ = reply.send(decided);
        }
    }

    async fn commit(
        &mut self,
        base: &State,
        group: Group<'_>,
        durability: Durability,
    ) -> Result<()> {
        let Some(Indexed {
            batch,
            mut state,
            pages,
            expiries_changed,
        }) = index(base, group, &self.shared.cache).await?
        else {
            return Ok(());
        };
        if let Err(error) = self.shared.store.commit(batch, durability).await {
            self.uncertain = !matches!(error, StoreError::Full(_));
            return Err(error.into());
        }
        // The commit is done; if the new state cannot be read now, it is read before the next one.
        self.uncertain = true;
        state.snapshot = self.shared.store.snapshot().await?;
        if expiries_changed {
            // What is committed is acknowledged; an expiry that cannot be read is due until it can.
            state.next_expiry = next_expiry(&*state.snapshot).await.unwrap_or(Some(0));
        }
        pages.publish(base, &state, &self.shared.cache);
        self.shared.state.store(Arc::new(state));
        self.uncertain = false;
        Ok(())
    }

    async fn reload(&mut self) -> Result<()> {
        let state = State::load(&*self.shared.store, &self.shared.cache).await?;
        self.shared.state.store(Arc::new(state));
        self.uncertain = false;
        Ok(())
    }
}
