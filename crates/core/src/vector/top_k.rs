/// Keeps the `k` highest ranks of a stream, and with them every rank equal to the lowest kept, so
/// that ties can be broken afterwards.
///
/// Costs O(1) amortised an offer: candidates collect in a buffer that is cut back by selection
/// whenever it has doubled.
pub(crate) struct TopK {
    k: usize,
    candidates: Vec<(f32, u32)>,
    /// Ranks below cannot be among the `k` highest.
    threshold: f32,
    cut_at: usize,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            candidates: Vec::new(),
            threshold: f32::NEG_INFINITY,
            cut_at: 2 * k + 64,
        }
    }

    pub(crate) fn offer(&mut self, rank: f32, ordinal: u32) {
        // -0.0 and 0.0 are one rank.
        let rank = rank + 0.0;
        if rank < self.threshold {
            return;
        }
        self.candidates.push((rank, ordinal));
        if self.candidates.len() >= self.cut_at {
            self.cut();
            // Many ties at the threshold must not make every offer a cut.
            self.cut_at = (2 * self.candidates.len()).max(2 * self.k + 64);
        }
    }

    fn cut(&mut self) {
        if self.candidates.len() <= self.k {
            return;
        }
        let descending = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0);
        let (_, kth, _) = self
            .candidates
            .select_nth_unstable_by(self.k - 1, descending);
        self.threshold = kth.0;
        let threshold = self.threshold;
        self.candidates.retain(|(rank, _)| *rank >= threshold);
    }

    /// The highest ranks, descending, with all ties at the end: `k` or more if that many were offered.
    pub(crate) fn finish(mut self) -> Vec<(f32, u32)> {
        self.cut();
        self.candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        self.candidates
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_sorting(ranks in prop::collection::vec(0..30_u8, 0..400), k in 1..20_usize) {
            let mut top = TopK::new(k);
            for (ordinal, &rank) in ranks.iter().enumerate() {
                top.offer(rank.into(), ordinal as u32);
            }
            let mut sorted = ranks.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let kth = sorted.get(k - 1).copied().unwrap_or(0);
            let expected: Vec<_> =
                sorted.into_iter().take_while(|&rank| rank >= kth).map(f32::from).collect();
            let found: Vec<_> = top.finish().into_iter().map(|(rank, _)| rank).collect();
            assert_eq!(found, expected);
        }
    }
}
