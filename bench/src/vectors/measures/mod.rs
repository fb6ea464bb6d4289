//! The measures, each with its bar.

mod budget;
mod changes;
mod cold;
mod filters;
mod growth;
mod http;
mod insert;
mod large;
mod memory;
mod speed;
mod target;

use super::Bench;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measure {
    /// Queries a second on the real set, one thread
    Speed,
    /// Queries a second and latencies with a million vectors, one thread
    Large,
    /// Time of a query with ten times the vectors
    Growth,
    /// Memory of the index
    Memory,
    /// Vectors written a second, durable and searchable
    Insert,
    /// Queries with filters
    Filters,
    /// Recall after updates and deletes, and after topic-sorted insertion
    Changes,
    /// A cache that holds a tenth
    Budget,
    /// Whether the asked recall is kept
    Target,
    /// Over HTTP beside servers
    Http,
    /// From the start of the server to the first answer
    Cold,
}

impl Measure {
    pub(super) const ALL: [Self; 11] = [
        Self::Speed,
        Self::Large,
        Self::Growth,
        Self::Memory,
        Self::Insert,
        Self::Filters,
        Self::Changes,
        Self::Budget,
        Self::Target,
        Self::Http,
        Self::Cold,
    ];

    pub(super) fn run(self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        match self {
            Self::Speed => speed::run(bench),
            Self::Large => large::run(bench),
            Self::Growth => growth::run(bench),
            Self::Memory => memory::run(bench),
            Self::Insert => insert::run(bench),
            Self::Filters => filters::run(bench),
            Self::Changes => changes::run(bench),
            Self::Budget => budget::run(bench),
            Self::Target => target::run(bench),
            Self::Http => http::run(bench),
            Self::Cold => cold::run(bench),
        }
    }
}
