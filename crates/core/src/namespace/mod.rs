//! The namespace actor: one writer, numbered commits, reads on frozen views.
//!
//! A [`Namespace`] is a cheap handle. Writes go through a bounded queue to a [`Writer`], which the host
//! runs as one future: it takes every write that waits, decides them one after another against the
//! pending state, commits them together and answers each. Reads never wait for it: they work on a
//! [`View`], the state of the last commit, which holds every acknowledged write.

mod change;
mod config;
mod group;
mod ids;
mod index;
mod metering;
mod plan;
mod query;
mod state;
mod view;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use arc_swap::ArcSwap;
use futures::{
    SinkExt,
    channel::{mpsc, oneshot},
};

pub use self::{
    change::{
        Action, Change, Contents, Expiry, Idempotency, MetadataLimits, Operation, Outcome, Patch,
        Precondition, Write, Written,
    },
    config::{Config, Description, IndexedFields, Partitions},
    metering::{Metered, hour_of},
    query::{Answer, Effort, Match, Plan, PlanKind, Query, Target},
    view::{Key, ListPage, ListRange, View},
    writer::Writer,
};
pub(crate) use self::{
    ids::IdBlock,
    metering::metered_at_rest,
    state::{State, load_bitmap, next_expiry},
};
use crate::{
    Clock, VectorCache,
    error::{Error, Result},
    keys::meta::Counts,
    processors::Processors,
    store::Store,
    usage,
};

/// Writes that wait at most before callers have to.
const QUEUE_LEN: usize = 1024;

/// A handle on a namespace. Clones share it; when the last one is dropped its [`Writer`] ends.
#[derive(Clone)]
pub struct Namespace(Arc<Handle>);

/// What all clones of a handle share. The writer holds `shared` but not the sending end.
struct Handle {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Pending>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cache: VectorCache,
    processors: Processors,
    state: ArcSwap<State>,
    closed: AtomicBool,
    /// Reads that are to be stored with the next commit.
    reads: usage::Pending,
    /// Usage rows from this hour on may have changed since they were last collected; `u32::MAX`: none.
    metered_from: AtomicU32,
}

/// What waits in the queue.
enum Pending {
    /// In a box: a queue keeps room for one more than is in it.
    Write(Box<Write>, oneshot::Sender<Result<Written>>),
    Close(oneshot::Sender<()>),
}

impl Namespace {
    /// Opens the namespace that `store` holds, or a new one that its first write creates. The host
    /// runs the [`Writer`] until it ends.
    ///
    /// Costs a read of the counters and ordinal sets: a few rows a million records.
    ///
    /// # Errors
    /// When the store fails or holds damaged or newer data.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cache: VectorCache,
    ) -> Result<(Self, Writer)> {
        Self::open_on(Processors::one(), store, clock, cache).await
    }

    /// The same with processors that its queries may share.
    pub(crate) async fn open_on(
        processors: Processors,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cache: VectorCache,
    ) -> Result<(Self, Writer)> {
        let state = State::load(&*store, &cache).await?;
        let shared = Arc::new(Shared {
            store,
            clock,
            cache,
            processors,
            state: ArcSwap::from_pointee(state),
            closed: AtomicBool::new(false),
            reads: usage::Pending::default(),
            metered_from: AtomicU32::new(0),
        });
        let (queue, waiting) = mpsc::channel(QUEUE_LEN);
        let writer = Writer::new(Arc::clone(&shared), waiting);
        Ok((Self(Arc::new(Handle { shared, queue })), writer))
    }

    /// Does a write and answers when it is as durable as it asked for. Dropping the future does not
    /// cancel a write that has begun.
    ///
    /// # Errors
    /// When the write is refused or the store fails; see [`Error`].
    pub async fn write(&self, write: impl Into<Write>) -> Result<Written> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending::Write(Box::new(write.into()), reply);
        self.0
            .queue
            .clone()
            .send(pending)
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// The state of the last commit, at the present time. Costs nothing; holding it may delay the
    /// reclaiming of space.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(
            self.0.shared.state.load_full(),
            self.0.shared.cache.clone(),
            self.0.shared.processors.clone(),
            self.0.shared.clock.now_millis(),
        )
    }

    /// Whether the namespace has been created, by a write or explicitly.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.0.shared.state.load().meta.is_some()
    }

    /// When the namespace was created, milliseconds since 1970; `None` if it does not exist.
    #[must_use]
    pub fn created_at(&self) -> Option<u64> {
        let state = self.0.shared.state.load();
        state.meta.as_ref().map(|meta| meta.created_at)
    }

    /// Sums over the stored records, expired ones that are not yet swept included.
    pub(crate) fn stored_counts(&self) -> Counts {
        self.0
            .shared
            .state
            .load()
            .meta
            .as_ref()
            .map(|meta| meta.counts)
            .unwrap_or_default()
    }

    /// When the next record or idempotency entry expires: the host then writes [`Change::Sweep`].
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        self.0.shared.state.load().next_expiry
    }

    /// Whether the vector index has put something off: the host then writes [`Change::Tend`].
    #[must_use]
    pub fn wants_tending(&self) -> bool {
        let state = self.0.shared.state.load();
        state
            .index
            .as_ref()
            .is_some_and(|index| index.wants_tending(state.vectors.len()))
    }

    /// Ends the writing: what waits before is done, what comes after gets [`Error::Closed`].
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self
            .0
            .queue
            .clone()
            .send(Pending::Close(reply))
            .await
            .is_ok()
        {
            let _ = done.await;
        }
    }

    /// Whether [`close`](Self::close) has ended the writing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.shared.closed.load(Ordering::Acquire)
    }

    /// Whether this handle is the only one.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) <= 1
    }

    /// Whether it has counted what nobody has collected: reads that are in memory only, or rows that
    /// nobody would look for before it is opened again.
    #[must_use]
    pub fn is_uncollected(&self) -> bool {
        let shared = &self.0.shared;
        !shared.reads.is_empty() || shared.metered_from.load(Ordering::Acquire) != u32::MAX
    }
}
