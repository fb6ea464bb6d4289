/// Keeps the `k` highest ranks of a stream, and with them every rank equal to the lowest kept or within a
/// [margin](Margin) below it, so that ties can be broken, and what is rounded be compared more exactly,
/// afterwards.
///
/// Costs O(1) amortised an offer: candidates collect in a buffer that is cut back by selection
/// whenever it has doubled.
pub(crate) struct TopK {
    k: usize,
    candidates: Vec<(f32, u32)>,
    /// Ranks below cannot be among the `k` highest.
    threshold: f32,
    cut_at: usize,
    margin: Margin,
}

/// How far below a rank others are still kept: `absolute + relative * |rank|`. Nothing, by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Margin {
    pub(crate) absolute: f32,
    pub(crate) relative: f32,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            candidates: Vec::new(),
            threshold: f32::NEG_INFINITY,
            cut_at: 2 * k + 64,
            margin: Margin::default(),
        }
    }

    /// Lets the margin be at least this, from now on. What was left out under a narrower one need not
    /// come back, if that was wide enough for all ranks offered until then.
    pub(crate) fn widen(&mut self, margin: Margin) {
        self.margin.absolute = self.margin.absolute.max(margin.absolute);
        self.margin.relative = self.margin.relative.max(margin.relative);
    }

    /// Takes over what another one has kept.
    pub(crate) fn merge(&mut self, other: Self) {
        self.widen(other.margin);
        for (rank, ordinal) in other.candidates {
            self.offer(rank, ordinal);
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
        self.threshold = kth.0 - (self.margin.absolute + self.margin.relative * kth.0.abs());
        let threshold = self.threshold;
        self.candidates.retain(|(rank, _)| *rank >= threshold);
    }

    /// The highest ranks, descending, with all ties at the end and what is within the margin: `k` or more if
    /// that many were offered.
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

        #[test]
        fn keeps_what_is_within_the_margin_also_in_parts(
            ranks in prop::collection::vec(-300..300_i16, 0..400),
            parts in 1..4_usize,
            k in 1..20_usize,
        ) {
            let margins = [Margin { absolute: 7.0, relative: 0.0 }, Margin { absolute: 0.0, relative: 0.25 }];
            for margin in margins {
                let mut top = TopK::new(k);
                for part in 0..parts {
                    let mut some = TopK::new(k);
                    some.widen(margin);
                    for ordinal in (part..ranks.len()).step_by(parts) {
                        some.offer(ranks[ordinal].into(), ordinal as u32);
                    }
                    top.merge(some);
                }
                let mut expected: Vec<_> = ranks.iter().map(|&rank| f32::from(rank)).collect();
                expected.sort_unstable_by(|a, b| b.total_cmp(a));
                if let Some(kth) = expected.get(k - 1).copied() {
                    let lowest = kth - margin.absolute - margin.relative * kth.abs();
                    expected.retain(|&rank| rank >= lowest);
                }
                let found: Vec<_> = top.finish().into_iter().map(|(rank, _)| rank).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
