use super::View;
use crate::{
    error::{Error, Result},
    filter::{self, Filter},
    record::{Parts, Record},
    vector::{Candidates, TopK, scan},
};

/// A nearest-neighbour query.
#[derive(Clone, Debug)]
pub struct Query {
    /// What to look near.
    pub target: Target,
    /// Most matches, at least 1.
    pub top_k: usize,
    /// Only records that match.
    pub filter: Option<Filter>,
    /// Parts of each match to read.
    pub parts: Parts,
}

/// What to look near.
#[derive(Clone, Debug)]
pub enum Target {
    /// This vector.
    Vector(Vec<f32>),
    /// The vector of this record, which is left out of the answer.
    Record(String),
}

/// What a query found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Best first; equal scores ascend by id.
    pub matches: Vec<Match>,
    /// The version that was searched.
    pub version: u64,
    /// How.
    pub plan: Plan,
}

/// A record near the query.
#[derive(Clone, Debug)]
pub struct Match {
    /// The record, with the parts asked for.
    pub record: Record,
    /// See [`Metric`](crate::Metric).
    pub score: f32,
}

/// How a query was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The plan that ran.
    pub kind: PlanKind,
    /// Whether the matches are the true nearest neighbours.
    pub exact: bool,
    /// Vectors compared.
    pub scanned: u64,
}

/// The ways to answer a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// Compare every vector.
    Scan,
    /// Let the filter choose the candidates and compare each.
    FilterFirst,
}

impl View {
    /// The records nearest to the query's target. Compares every candidate with full precision, so
    /// the cost is linear in the number of candidates: about 0.1 µs each at 384 dimensions once their
    /// blocks are in memory.
    ///
    /// # Errors
    /// When the target cannot be compared, the filter names a field that is not indexed, or the
    /// store fails.
    pub async fn query(&self, query: &Query) -> Result<Answer> {
        let version = self.version();
        let config = self.config();
        let kind = if query.filter.is_some() {
            PlanKind::FilterFirst
        } else {
            PlanKind::Scan
        };
        let mut candidates = match &query.filter {
            Some(filter) => filter::select(filter, &self.state).await? & &*self.state.vectors,
            None => (*self.state.vectors).clone(),
        };
        candidates -= self.state.expired(self.now).await?;
        let target = match &query.target {
            Target::Vector(vector) => {
                config
                    .metric
                    .check(vector)
                    .map_err(|reason| Error::Vector {
                        operation: None,
                        reason,
                    })?;
                vector.clone()
            }
            Target::Record(id) => {
                let record = self
                    .get(
                        id,
                        Parts {
                            vector: true,
                            ..Parts::NONE
                        },
                    )
                    .await?;
                let missing = || Error::NoRecord {
                    operation: None,
                    id: id.clone(),
                };
                let vector = record.ok_or_else(missing)?.vector;
                let own = self.row(id).await?.ok_or_else(missing)?.ordinal;
                candidates.remove(own);
                vector.ok_or_else(|| Error::NoVector { id: id.clone() })?
            }
        };
        if let Some(expected) = config.dimension
            && expected as usize != target.len()
        {
            return Err(Error::Dimension {
                operation: None,
                expected,
                actual: target.len(),
            });
        }

        let mut top = TopK::new(query.top_k);
        let search = Candidates {
            snapshot: &*self.state.snapshot,
            blocks: &self.state.blocks,
            cache: &self.cache,
            metric: config.metric,
            ordinals: &candidates,
        };
        scan(&target, &search, &mut top).await?;

        let mut ranked = Vec::new();
        for (rank, ordinal) in top.finish() {
            ranked.push((rank, self.id(ordinal).await?));
        }
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        ranked.truncate(query.top_k);
        let mut matches = Vec::with_capacity(ranked.len());
        for (rank, id) in ranked {
            let score = config.metric.score(rank);
            let record = if query.parts == Parts::NONE {
                Record {
                    id,
                    ..Record::default()
                }
            } else {
                self.get(&id, query.parts)
                    .await?
                    .ok_or_else(|| missing_record(&id))?
            };
            matches.push(Match { record, score });
        }
        let plan = Plan {
            kind,
            exact: true,
            scanned: candidates.len(),
        };
        Ok(Answer {
            matches,
            version,
            plan,
        })
    }
}

fn missing_record(id: &str) -> crate::store::StoreError {
    crate::store::StoreError::corrupt_row(&crate::keys::record::key(id), "missing")
}
