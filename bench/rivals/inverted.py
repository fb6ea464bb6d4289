"""faiss's inverted files with short codes and a refinement: PQ fast scan, RaBitQ fast scan.

Queries come one at a time, as an application sends them: a batch would let faiss share work
between them. One thread for searches, two for builds.
"""

import os

import faiss
import numpy

import measure

PROBES = [16, 24, 32, 48, 64, 96, 128, 192, 256]
FACTORS = [4, 10]


def lists(rows):
    """How many lists: two sizes around the usual 2 to 4 √n, powers of two."""
    power = 1 << round(numpy.log2(2.8 * rows**0.5))
    return [power // 2, power]


def indexes(data):
    for count in lists(data.rows()):
        yield f"IVF{count},PQ{data.dimension // 2}x4fs,RFlat"
        yield f"IVF{count},RaBitQfs,RFlat"


def build(data, description):
    def run(base):
        index = faiss.index_factory(data.dimension, description, faiss.METRIC_INNER_PRODUCT)
        faiss.omp_set_num_threads(os.cpu_count())
        index.train(base)
        index.add(base)
        faiss.omp_set_num_threads(1)
        return index

    return run


def searcher(data, index, parameters=None):
    """Searches row by row with nothing of Python's in between but the call."""
    ids = numpy.empty((len(data.queries), measure.K), dtype=numpy.int64)
    distances = numpy.empty(measure.K, dtype=numpy.float32)

    def run(rows):
        distance = faiss.swig_ptr(distances)
        pointers = [(faiss.swig_ptr(row), faiss.swig_ptr(out)) for row, out in zip(rows, ids)]
        for query, out in pointers:
            index.search_c(1, query, measure.K, distance, out, parameters)
        return ids[: len(rows)]

    return run


def main():
    args = measure.arguments()
    data = measure.Data(args)
    faiss.omp_set_num_threads(1)
    for description in indexes(data):
        if args.only and not any(part in description for part in args.only.split(",")):
            continue
        name = f"faiss {faiss.__version__} {description}"
        path, facts = measure.cached(
            args, data, name.replace(" ", "-"), build(data, description), faiss.write_index
        )
        if args.build:
            continue
        index = faiss.read_index(path)
        refines = description.endswith("RFlat")
        inner = faiss.extract_index_ivf(index.base_index if refines else index)
        search = searcher(data, index)
        points = []
        for factor in FACTORS if refines else [1]:
            if refines:
                index.k_factor = factor
            for probes in PROBES:
                inner.nprobe = probes
                found = measure.point(data, f"nprobe={probes} k_factor={factor}", search)
                points.append(found)
                if found["recall"] > 0.993:
                    break
        measure.emit(name, facts, points)


if __name__ == "__main__":
    main()
