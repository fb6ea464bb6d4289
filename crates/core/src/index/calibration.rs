use roaring::RoaringBitmap;

use super::{Allowed, Editor, Search, Stop, rotation::mix};
use crate::{
    keys::{
        self,
        calibration::{CLASSES, Row},
    },
    store::{Result, Snapshot, StoreError},
    vector::single,
};

/// How patient a search must be for a recall, learnt from the namespace's own vectors.
///
/// A search that ends when clusters without a find count for enough misses what a more patient one would have found.
/// So one patient search tells what every less patient one finds: each neighbour *needs* more than the most that had
/// come together before it. Searches for vectors of the namespace, each left out of its own answer, are done a few at a
/// time when the index has nothing better to do. As the number of vectors changes, what was found fades, and others
/// take its place.
#[derive(Clone, Debug)]
pub(crate) struct Calibration(Row);

/// The highest patience of each class but the last, which has all others.
const PATIENCE: [u32; CLASSES - 1] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192];
/// How long the searches go on.
const STOP: Stop = Stop {
    deviations: 2.5,
    patience: 256.0,
    probes: usize::MAX,
};
/// Searches for a full calibration, and at a time.
const SEARCHES: u32 = 2048;
const SEARCHES_PER_TURN: u32 = 16;
/// The change of the number of vectors at which what was found fades.
const GROWTH: f64 = 1.125;
/// Indexes of fewer clusters are not calibrated: searches go through half of them anyway.
const CLUSTERS_MIN: usize = 64;
/// Neighbours that the law below counts for: as many as six searches find.
const BELIEVED: f64 = 60.0;
/// Queries are not vectors of the namespace, so the aim is to miss only this share of what may be missed.
const CAUTION: f64 = 0.8;
/// How many neighbours need more than the searches have for each that needs more than the last class: those are not
/// seen. What is missed falls with the inverse of the patience, so of what needs more than 192 a quarter is found by 256.
const UNSEEN: f64 = 3.0;
const PATIENCE_MAX: f64 = 4096.0;

/// What is missed with a patience, as long as nothing is known: a law that held for sentence embeddings.
fn believed_missed(patience: f64) -> f64 {
    1.0 / (patience + 10.0)
}

impl Default for Calibration {
    fn default() -> Self {
        Self(Row {
            vectors: 0,
            searches: 0,
            found: [0; CLASSES],
        })
    }
}

impl Calibration {
    /// How many matches the recall is of.
    pub(crate) const NEIGHBOURS: usize = 10;

    pub(crate) async fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let key = keys::calibration::key();
        let corrupt = |why| StoreError::corrupt_row(&key, why);
        Ok(match snapshot.get(&key).await? {
            Some(value) => Self(Row::decode(&value).map_err(corrupt)?),
            None => Self::default(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// Searches that it rests on.
    pub(crate) const fn searches(&self) -> u32 {
        self.0.searches
    }

    /// Whether some searches are to be done.
    pub(super) fn is_due(&self, clusters: usize, vectors: u64) -> bool {
        clusters >= CLUSTERS_MIN && (self.0.searches < SEARCHES || self.kept(vectors).is_some())
    }

    /// The share of what was found that is still to count for so many vectors, if some is to fade: the square of the
    /// ratio of their numbers.
    fn kept(&self, vectors: u64) -> Option<f64> {
        let (before, now) = (f64::from(self.0.vectors), vectors as f64);
        let ratio = before.min(now) / before.max(now).max(1.0);
        (ratio * GROWTH < 1.0).then_some(ratio * ratio)
    }

    fn fade(&mut self, vectors: u64, kept: f64) {
        let fade = |count: &mut u32| *count = (f64::from(*count) * kept).round() as u32;
        fade(&mut self.0.searches);
        self.0.found.iter_mut().for_each(fade);
        self.0.vectors = vectors.try_into().unwrap_or(u32::MAX);
    }

    /// The patience that finds this share of the true neighbours.
    ///
    /// Between classes, and beyond the last one, what is missed falls with a power of the patience.
    pub(crate) fn patience(&self, recall: f32) -> f64 {
        let allowed = (1.0 - f64::from(recall)) * CAUTION;
        let (mut patience, mut missed) = (1.0, self.missed(0));
        for (class, &next) in PATIENCE.iter().enumerate().skip(1) {
            let (next, next_missed) = (f64::from(next), self.missed(class));
            if missed <= allowed {
                return patience;
            }
            if next_missed <= allowed {
                let part = (missed / allowed).ln() / (missed / next_missed).ln();
                return patience * (next / patience).powf(part);
            }
            (patience, missed) = (next, next_missed);
        }
        (patience * missed / allowed).min(PATIENCE_MAX)
    }

    /// The share that is missed with the patience of a class; never zero.
    fn missed(&self, class: usize) -> f64 {
        let missed: u32 = self.0.found[class + 1..].iter().sum();
        let all: u32 = self.0.found.iter().sum();
        let unseen = UNSEEN * f64::from(self.0.found[CLASSES - 1]);
        let believed = BELIEVED * believed_missed(f64::from(PATIENCE[class]));
        (f64::from(missed) + unseen + believed) / (f64::from(all) + unseen + BELIEVED)
    }

    fn record(&mut self, needed: f32) {
        let too_little = |patience: &&u32| **patience as f32 <= needed;
        let class = PATIENCE.iter().take_while(too_little).count();
        self.0.found[class] += 1;
    }
}

impl Editor<'_> {
    /// Does a few searches if they are due. They see what the last commit has left.
    pub(crate) async fn calibrate(&mut self, vectors: &RoaringBitmap) -> Result<()> {
        let clusters = self.base.clusters();
        if !self.index.calibration.is_due(clusters, vectors.len()) {
            return Ok(());
        }
        let mut calibration = self.index.calibration.clone();
        if let Some(kept) = calibration.kept(vectors.len()) {
            calibration.fade(vectors.len(), kept);
        }
        let dimension = self.base.rotation.dimension();
        for _ in 0..SEARCHES_PER_TURN {
            let searches = u64::from(calibration.0.searches);
            let number = mix(searches ^ vectors.len()) % vectors.len();
            let Some(ordinal) = vectors.select(number as u32) else {
                break;
            };
            let mut query = single(self.snapshot, ordinal, dimension).await?;
            self.base.metric.prepare(&mut query);
            let itself = RoaringBitmap::from([ordinal]);
            let search = Search {
                index: self.base,
                snapshot: self.snapshot,
                cache: self.cache,
                allowed: Allowed::AllBut(&itself),
            };
            for needed in search.needed(&query, Calibration::NEIGHBOURS, STOP).await? {
                calibration.record(needed);
            }
            calibration.0.searches += 1;
        }
        self.index.calibration = calibration;
        self.calibrated = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_recall_whatever_was_found() {
        let mut calibrations = vec![Calibration::default()];
        for needed in [0.0, 5.0, 300.0] {
            let mut calibration = Calibration::default();
            for _ in 0..2000 {
                calibration.record(needed);
            }
            calibrations.push(calibration);
        }
        for calibration in calibrations {
            let recalls = [0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];
            let patience = recalls.map(|recall| calibration.patience(recall));
            assert!(patience.is_sorted(), "{patience:?}");
            assert!(
                patience
                    .iter()
                    .all(|patience| (1.0..=4096.0).contains(patience))
            );
        }
    }

    #[test]
    fn what_was_found_outweighs_what_was_believed() {
        let mut calibration = Calibration::default();
        // A tenth needs 40, all others nothing.
        for neighbour in 0..2000 {
            calibration.record(if neighbour % 10 == 0 { 40.0 } else { 0.0 });
        }
        assert!(calibration.patience(0.85) < 3.0);
        let patience = calibration.patience(0.95);
        assert!((32.0..=48.0).contains(&patience), "{patience}");
    }
}
