//! Our side: a namespace in a local store, in a process of its own so that its end closes the store.
//! What it measured it prints as JSON, as the rivals' scripts do.

mod curve;
mod load;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Subcommand;
use futures::executor::{ThreadPool, block_on};
use quartz_core::{
    Clock, VectorCache,
    namespace::{Effort, Namespace},
};
use quartz_engines::{LocalStore, Options};

pub(crate) use self::{
    curve::Speed,
    load::{Loaded, Order},
};

/// Room for everything the sets need.
pub(crate) const CACHE_BYTES: u64 = 8 << 30;

#[derive(Debug, Subcommand)]
pub(crate) enum Ours {
    /// Fill a store and print how fast that went
    Load(load::Args),
    /// Print the curve of a filled store
    Curve(curve::Args),
}

pub(crate) fn run(ours: &Ours) -> anyhow::Result<()> {
    match ours {
        Ours::Load(args) => load::run(args),
        Ours::Curve(args) => curve::run(args),
    }
}

/// A store and the namespace in it; its writer runs on a thread of its own.
struct Opened {
    namespace: Namespace,
    cache: VectorCache,
}

fn open(path: &Path, cache_bytes: u64) -> anyhow::Result<Opened> {
    let store = LocalStore::open(
        path,
        Options {
            cache_bytes: (64 << 20).min(cache_bytes),
            ..Options::default()
        },
    )?;
    let cache = VectorCache::new(cache_bytes);
    let (namespace, writer) = block_on(Namespace::open(
        Arc::new(store),
        Arc::new(SystemClock),
        cache.clone(),
    ))?;
    ThreadPool::builder()
        .pool_size(1)
        .create()?
        .spawn_ok(writer.run());
    Ok(Opened { namespace, cache })
}

struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        let elapsed = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        elapsed.as_millis() as u64
    }
}

/// Reads `exact`, `recall=0.95` or `probes=32`.
fn effort(text: &str) -> Result<Effort, String> {
    let number = |text: &str| format!("{text} is not a number");
    match text.split_once('=') {
        None if text == "exact" => Ok(Effort::Exact),
        Some(("recall", target)) => Ok(Effort::Recall(target.parse().map_err(|_| number(target))?)),
        Some(("probes", count)) => Ok(Effort::Probes(count.parse().map_err(|_| number(count))?)),
        _ => Err("exact, recall=R or probes=N".into()),
    }
}

/// A filled store and its set.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Directory of the store
    pub(crate) store: PathBuf,
    /// Directory of the set
    pub(crate) set: PathBuf,
}
