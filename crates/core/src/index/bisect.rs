use super::sketch::Sketch;

/// Rounds of Lloyd's algorithm at most; few clusters of this size need more.
const ROUNDS: usize = 8;
/// The smaller side gets at least one in this many.
const SMALLEST_SHARE: usize = 4;

/// Cuts vectors in two by balanced 2-means: for each, whether it is on the second side. Both sides get
/// at least a quarter, so that a cluster never grows back by the next few inserts.
///
/// The seeds are the vector farthest from the mean and the one farthest from that. Centroids are
/// sketches, so every comparison is exact and the cut is the same on every machine. Costs at most ten passes
/// over the vectors.
pub(crate) fn bisect(vectors: &[&Sketch]) -> Vec<bool> {
    let mean = mean(vectors.iter().copied());
    let first = farthest(vectors, &mean);
    let mut centres = [first, farthest(vectors, first)].map(Clone::clone);
    let mut second = vec![false; vectors.len()];
    for _ in 0..ROUNDS {
        let leaning = leanings(vectors, &centres);
        let sides: Vec<bool> = leaning.iter().map(|&leaning| leaning > 0.0).collect();
        let sizes = [false, true].map(|side| sides.iter().filter(|&&other| other == side).count());
        if sides == second || sizes.contains(&0) {
            break;
        }
        second = sides;
        centres = [false, true].map(|side| {
            let members = vectors
                .iter()
                .zip(&second)
                .filter(|(_, other)| **other == side);
            self::mean(members.map(|(vector, _)| *vector))
        });
    }
    balance(&leanings(vectors, &centres))
}

/// The sketch of the mean of some vectors.
pub(crate) fn mean<'a>(vectors: impl Iterator<Item = &'a Sketch>) -> Sketch {
    let (mut sum, mut count) = (Vec::new(), 0.0_f32);
    for vector in vectors {
        sum.resize(vector.codes.len(), 0.0);
        for (sum, &code) in sum.iter_mut().zip(&vector.codes) {
            *sum += f32::from(code) * vector.scale;
        }
        count += 1.0;
    }
    for component in &mut sum {
        *component /= count;
    }
    Sketch::new(&sum)
}

/// Squared distance to a centre, but for the squared length of the vector itself.
fn partial_distance(vector: &Sketch, centre: &Sketch) -> f32 {
    centre.squared_norm - 2.0 * vector.dot(centre)
}

fn farthest<'a>(vectors: &[&'a Sketch], centre: &Sketch) -> &'a Sketch {
    let distance = |vector: &Sketch| vector.squared_norm + partial_distance(vector, centre);
    let mut farthest = vectors[0];
    for vector in vectors {
        if distance(vector) > distance(farthest) {
            farthest = vector;
        }
    }
    farthest
}

/// How much nearer each vector is to the second centre.
fn leanings(vectors: &[&Sketch], [first, second]: &[Sketch; 2]) -> Vec<f32> {
    vectors
        .iter()
        .map(|vector| partial_distance(vector, first) - partial_distance(vector, second))
        .collect()
}

/// Cuts where the leaning changes sign, or as near to it as the smallest share allows; in the middle if it never does,
/// as among equal vectors, so that a heap of them takes no more cuts than it must.
fn balance(leanings: &[f32]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..leanings.len()).collect();
    order.sort_by(|&a, &b| leanings[a].total_cmp(&leanings[b]));
    let natural = order.partition_point(|&at| leanings[at] <= 0.0);
    let smallest = leanings
        .len()
        .div_ceil(SMALLEST_SHARE)
        .min(leanings.len() / 2);
    let cut = match natural {
        0 => leanings.len() / 2,
        all if all == leanings.len() => leanings.len() / 2,
        natural => natural.clamp(smallest, leanings.len() - smallest),
    };
    let mut second = vec![false; leanings.len()];
    for &at in &order[cut..] {
        second[at] = true;
    }
    second
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(components: &[f32]) -> Sketch {
        let mut padded = components.to_vec();
        padded.resize(64, 0.0);
        Sketch::new(&padded)
    }

    #[test]
    fn two_heaps_are_told_apart() {
        let vectors: Vec<_> = (0..40)
            .map(|at| sketch(&[if at < 15 { 1.0 } else { -1.0 }, at as f32 / 100.0]))
            .collect();
        let sides = bisect(&vectors.iter().collect::<Vec<_>>());
        assert!(sides[..15].iter().all(|side| *side == sides[0]));
        assert!(sides[15..].iter().all(|side| *side != sides[0]));
    }

    proptest! {
        #[test]
        fn both_sides_get_a_quarter(
            vectors in prop::collection::vec(prop::collection::vec(-1.0..1.0_f32, 3), 2..150),
            same in any::<bool>(),
        ) {
            let vectors: Vec<_> = vectors
                .iter()
                .map(|components| sketch(if same { &[1.0, 2.0, 3.0] } else { components }))
                .collect();
            let sides = bisect(&vectors.iter().collect::<Vec<_>>());
            let second = sides.iter().filter(|side| **side).count();
            let smaller = second.min(sides.len() - second);
            assert!(smaller >= sides.len() / 4 && smaller > 0);
        }
    }
}
