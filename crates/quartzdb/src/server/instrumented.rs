use std::{sync::Arc, time::Instant};

use quartz_core::store::{Batch, BoxFuture, Durability, Result, Snapshot, Store};

/// A store whose commits are counted and timed.
pub(super) struct InstrumentedStore<S>(pub(super) S);

impl<S: Store> Store for InstrumentedStore<S> {
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        let (bytes, started) = (batch.size_bytes(), Instant::now());
        Box::pin(async move {
            let committed = self.0.commit(batch, durability).await;
            match &committed {
                Ok(()) => {
                    metrics::counter!("quartz_store_commits_total").increment(1);
                    metrics::counter!("quartz_store_commit_bytes_total").increment(bytes as u64);
                    metrics::histogram!("quartz_store_commit_seconds").record(started.elapsed());
                }
                Err(error) => {
                    metrics::counter!("quartz_store_commit_failures_total").increment(1);
                    tracing::error!(%error, "a commit failed");
                }
            }
            committed
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        self.0.snapshot()
    }

    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }
}
