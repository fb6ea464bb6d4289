//! What an index gives for what effort, and the speed at a recall between two points.

use serde::{Deserialize, Serialize};

/// An index, ours or a rival's, with everything measured on it in one go.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Curve {
    /// The index and its parameters.
    pub(crate) name: String,
    /// Processor seconds that building it took, whenever that was.
    #[serde(default)]
    pub(crate) build_cpu_seconds: f64,
    /// Size of its file or, of ours, of its pages.
    #[serde(default)]
    pub(crate) file_bytes: u64,
    /// One for each effort.
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Point {
    pub(crate) effort: String,
    /// Share of the true top 10 that was found.
    pub(crate) recall: f64,
    /// Queries a second, one after the other.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Of ours, a query on average: clusters probed, codes scanned, vectors compared in eight bits and in full.
    #[serde(default)]
    pub(crate) clusters: f64,
    #[serde(default)]
    pub(crate) codes: f64,
    #[serde(default)]
    pub(crate) refined: f64,
    #[serde(default)]
    pub(crate) reranked: f64,
}

/// A speed that was read off a curve at a recall.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) recall: f64,
    pub(crate) rate: f64,
    /// The measured point that it is nearest to, of those that reach the recall.
    pub(crate) point: Point,
}

impl Curve {
    /// Takes the points of a second measurement of the same efforts that are faster.
    pub(crate) fn keep_faster(&mut self, other: &Self) {
        for (point, other) in self.points.iter_mut().zip(&other.points) {
            if other.rate > point.rate {
                *point = other.clone();
            }
        }
    }

    /// Queries a second at this recall: log-linear between the two best points around it. A curve that
    /// lies above it altogether gives its fastest point; one that never gets there gives nothing.
    pub(crate) fn at(&self, recall: f64) -> Option<Reading> {
        let above = self
            .points
            .iter()
            .filter(|point| point.recall >= recall)
            .max_by(|a, b| a.rate.total_cmp(&b.rate))?;
        let below = self
            .points
            .iter()
            .filter(|point| point.recall < recall && point.rate > above.rate)
            .max_by(|a, b| a.recall.total_cmp(&b.recall));
        let (recall, rate) = match below {
            Some(below) => {
                let share = (recall - below.recall) / (above.recall - below.recall);
                let log = below.rate.ln() + share * (above.rate.ln() - below.rate.ln());
                (recall, log.exp())
            }
            None => (above.recall, above.rate),
        };
        Some(Reading {
            name: self.name.clone(),
            recall,
            rate,
            point: above.clone(),
        })
    }
}

/// The fastest of several indexes at this recall.
pub(crate) fn best<'a>(
    curves: impl IntoIterator<Item = &'a Curve>,
    recall: f64,
) -> Option<Reading> {
    curves
        .into_iter()
        .filter_map(|curve| curve.at(recall))
        .max_by(|a, b| a.rate.total_cmp(&b.rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        let points = points
            .iter()
            .map(|&(recall, rate)| Point {
                recall,
                rate,
                ..Point::default()
            })
            .collect();
        Curve {
            name: "curve".into(),
            build_cpu_seconds: 0.0,
            file_bytes: 0,
            points,
        }
    }

    #[test]
    fn the_rate_lies_between_the_bracketing_points() {
        let curve = curve(&[
            (0.90, 8000.0),
            (0.94, 4000.0),
            (0.96, 1000.0),
            (0.99, 500.0),
        ]);
        let reading = curve.at(0.95).unwrap();
        assert!((reading.rate - 2000.0).abs() < 1e-6, "{reading:?}");
        assert_eq!(reading.recall, 0.95);
        assert!(curve.at(0.999).is_none());
    }

    #[test]
    fn a_curve_above_the_recall_gives_its_fastest_point() {
        let curve = curve(&[(0.99, 700.0), (0.98, 900.0)]);
        let reading = curve.at(0.95).unwrap();
        assert_eq!((reading.recall, reading.rate), (0.98, 900.0));
    }

    #[test]
    fn a_slower_point_of_less_recall_does_not_count() {
        let curve = curve(&[(0.949, 100.0), (0.94, 1500.0), (0.96, 1000.0)]);
        let rate = curve.at(0.95).unwrap().rate;
        assert!((1000.0..1500.0).contains(&rate), "{rate}");
    }
}
