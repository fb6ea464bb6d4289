"""Makes a set of synthetic embeddings: DIRECTORY ROWS DIMENSION.

A mixture that is built to be as awkward as real sentence embeddings, not as tidy as a textbook's:

- A tree of topics, three levels deep (30, 900 and 18,000 of them), so that there are clusters at every
  scale and none stands alone. Every level moves a topic away from its parent, in directions whose
  variances fall like 1/i^0.6 (anisotropic: a few directions carry much); there is a common mean.
  At every level the sizes of the topics fall like a power law.
- Inside a topic: 48 directions, half of them shared by all and half the middle level's own, with
  variances that fall like 1/i^0.5. A row's distance from its centre varies by a log-normal factor,
  so that topics overlap and have outliers.
- Every row lies somewhere on the way from one topic to another, as texts are about several things.
- A little isotropic noise, then length 1.

The queries are further draws of the same mixture. The figures that say how hard a set is (local
intrinsic dimension, nearest similarities, share of the lists that an inverted file has to look at)
were brought near those of the real set. The seed is fixed: the same call makes the same set.

Files as in the real set: base.f16.npy, queries.f16.npy, gt_all_ids.npy, gt_all_sim.npy.
"""

import os
import pathlib
import sys

import faiss
import numpy

SEED = 20261125
QUERIES = 500
TRUTH = 100
BRANCHES = [30, 30, 20]
MOVES = [0.6, 0.6, 0.5]
LOCAL = 48
SPREAD = 0.85
NOISE = 0.25


def decay(count, power):
    """Standard deviations whose squares fall like 1/i^power and add up to 1."""
    variances = numpy.arange(1, count + 1) ** -power
    return numpy.sqrt(variances / variances.sum()).astype(numpy.float32)


class Mixture:
    def __init__(self, dimension, random):
        self.random = random
        self.dimension = dimension
        basis = numpy.linalg.qr(random.standard_normal((dimension, dimension)))[0].T.astype("f4")
        scales = decay(dimension, 0.6)
        self.weights = numpy.ones(1)
        self.centres = 0.25 * self.direction()[None]
        for branches, move in zip(BRANCHES, MOVES):
            sizes = (numpy.arange(branches) + 3.0) ** -0.8
            self.weights = numpy.outer(self.weights, sizes / sizes.sum()).ravel()
            self.centres = numpy.repeat(self.centres, branches, axis=0)
            self.centres += move * (self.normal(len(self.centres), dimension) * scales) @ basis
        # Directions of length about 1.
        families = BRANCHES[0] * BRANCHES[1]
        self.own = self.normal(families, LOCAL // 2, dimension) / dimension**0.5
        self.shared = self.normal(LOCAL // 2, dimension) / dimension**0.5
        order = random.permuted(numpy.tile(numpy.arange(LOCAL), (families, 1)), axis=1)
        self.scales = decay(LOCAL, 0.5)[order]

    def normal(self, *shape):
        return self.random.standard_normal(shape, dtype=numpy.float32)

    def direction(self):
        vector = self.normal(self.dimension)
        return vector / numpy.linalg.norm(vector)

    def draw(self, count):
        random = self.random
        topics = random.choice(len(self.weights), count, p=self.weights)
        others = random.choice(len(self.weights), count, p=self.weights)
        share = random.random(count, dtype=numpy.float32)
        radius = SPREAD * random.lognormal(0, 0.3, count).astype(numpy.float32)
        rows = self.centres[topics]
        rows += share[:, None] * (self.centres[others] - rows)
        families = topics // BRANCHES[2]
        local = self.normal(count, LOCAL) * self.scales[families] * radius[:, None]
        half = LOCAL // 2
        rows += local[:, :half] @ self.shared
        order = numpy.argsort(families, kind="stable")
        bounds = numpy.searchsorted(families[order], numpy.arange(len(self.own) + 1))
        for family, (start, end) in enumerate(zip(bounds, bounds[1:])):
            members = order[start:end]
            rows[members] += local[members, half:] @ self.own[family]
        rows += self.normal(count, self.dimension) * (NOISE / self.dimension**0.5)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def main():
    directory, count, dimension = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(SEED)
    mixture = Mixture(dimension, random)
    queries = mixture.draw(QUERIES).astype(numpy.float16)
    base = numpy.lib.format.open_memmap(
        directory / "base.f16.npy", "w+", numpy.float16, (count, dimension)
    )
    faiss.omp_set_num_threads(os.cpu_count())
    found = faiss.ResultHeap(QUERIES, TRUTH, keep_max=True)
    probes = unit(queries)
    for start in range(0, count, 50_000):
        end = min(start + 50_000, count)
        base[start:end] = mixture.draw(end - start)
        scores, ids = faiss.knn(probes, unit(base[start:end]), TRUTH, faiss.METRIC_INNER_PRODUCT)
        found.add_result(scores, ids + start)
    found.finalize()
    base.flush()
    numpy.save(directory / "gt_all_sim.npy", found.D)
    numpy.save(directory / "gt_all_ids.npy", found.I.astype(numpy.int32))
    numpy.save(directory / "queries.f16.npy", queries)


def unit(halves):
    rows = numpy.asarray(halves, dtype=numpy.float32)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
