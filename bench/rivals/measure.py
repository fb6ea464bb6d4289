"""A set of vectors with its queries and truth, and how every rival is timed on it.

A rival's script prints one line of JSON for each index: its parameters, what it took to build, and
the points of its curve, each an effort with the recall and the speed it gave.
"""

import argparse
import hashlib
import json
import pathlib
import time

import numpy

K = 10
# The fastest round counts, of as many as a second takes and at least three: a neighbour on the machine can only slow a
# round down. We have as long.
ROUNDS = 3
SECONDS = 1.0


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("cache", type=pathlib.Path, help="where built indexes are kept")
    parser.add_argument("--only", help="comma-separated names of the indexes to use")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--build", action="store_true", help="build what is missing, and no more")
    return parser.parse_args()


def read(path):
    """The vectors of a file as float32 rows of length 1."""
    rows = numpy.load(path).astype(numpy.float32)
    for start in range(0, len(rows), 100_000):
        part = rows[start : start + 100_000]
        part /= numpy.linalg.norm(part, axis=1, keepdims=True)
    return rows


class Data:
    def __init__(self, args):
        self.path = args.data / "base.f16.npy"
        self.home = args.data
        self.queries = read(args.data / "queries.f16.npy")[: args.queries]
        self.truth = self.truth_of("all")
        self.dimension = self.queries.shape[1]

    def truth_of(self, name):
        return numpy.load(self.home / f"gt_{name}_ids.npy")[: len(self.queries), :K]

    def base(self):
        return read(self.path)

    def rows(self):
        return numpy.load(self.path, mmap_mode="r").shape[0]

    def digest(self):
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:8]


def recall(found, truth):
    hits = sum(len(numpy.intersect1d(a, b)) for a, b in zip(found, truth))
    return hits / truth.size


def point(data, effort, search, truth=None):
    """One point of a curve. `search` answers a matrix of queries, one query after the other."""
    truth = data.truth if truth is None else truth
    found = search(data.queries)
    rate = 0
    begun, rounds = time.perf_counter(), 0
    while rounds < ROUNDS or time.perf_counter() - begun < SECONDS:
        rounds += 1
        started = time.perf_counter()
        search(data.queries)
        rate = max(rate, len(data.queries) / (time.perf_counter() - started))
    times = []
    for row in range(len(data.queries)):
        query = data.queries[row : row + 1]
        started = time.perf_counter()
        search(query)
        times.append((time.perf_counter() - started) * 1e6)
    p50, p99 = numpy.percentile(times, [50, 99])
    return {
        "effort": effort,
        "recall": recall(found, truth),
        "rate": rate,
        "p50_us": p50,
        "p99_us": p99,
    }


def cached(args, data, name, build, save):
    """The file of a built index and what building took; builds it if it is not there yet."""
    args.cache.mkdir(parents=True, exist_ok=True)
    path = args.cache / f"{name}-{data.digest()}"
    note = path.with_name(path.name + ".json")
    if not note.is_file():
        base = data.base()
        started = time.process_time()
        index = build(base)
        seconds = time.process_time() - started
        save(index, str(path))
        size = path.stat().st_size
        note.write_text(json.dumps({"build_cpu_seconds": seconds, "file_bytes": size}))
    return str(path), json.loads(note.read_text())


def emit(name, facts, points):
    print(json.dumps({"name": name, **facts, "points": points}), flush=True)
