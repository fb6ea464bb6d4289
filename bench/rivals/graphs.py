"""Graph libraries: hnswlib, usearch, faiss HNSW. One thread for searches, two for builds."""

import os

import faiss
import hnswlib
import usearch
from usearch.index import Index

import measure

EFFORTS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768]
THREADS = os.cpu_count()


def hnswlib_index(data, links):
    name = f"hnswlib {hnswlib_version()} M={links} efC=200"

    def build(base):
        index = hnswlib.Index("ip", data.dimension)
        index.init_index(len(base), M=links, ef_construction=200, random_seed=1)
        index.add_items(base, num_threads=THREADS)
        return index

    def load(path):
        index = hnswlib.Index("ip", data.dimension)
        index.load_index(path)
        return index

    def search(index, ef):
        index.set_ef(ef)
        return lambda rows: index.knn_query(rows, measure.K, num_threads=1)[0]

    return name, build, lambda index, path: index.save_index(path), load, search


def hnswlib_version():
    from importlib.metadata import version

    return version("hnswlib")


def usearch_index(data):
    # Of its number formats the fastest here: f32 has half the speed, i8 stops at a recall of 0.955.
    name = f"usearch {usearch.__version__} f16 M=16 efC=200"

    def build(base):
        index = Index(
            ndim=data.dimension, metric="ip", dtype="f16", connectivity=16, expansion_add=200
        )
        index.add(None, base, threads=THREADS)
        return index

    def search(index, ef):
        index.expansion_search = ef

        def run(rows):
            keys = index.search(rows, measure.K, threads=1).keys
            return keys.reshape(len(rows), -1)

        return run

    return name, build, lambda index, path: index.save(path), Index.restore, search


def faiss_index(data, links):
    name = f"faiss {faiss.__version__} HNSW{links} efC=200"

    def build(base):
        index = faiss.IndexHNSWFlat(data.dimension, links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        faiss.omp_set_num_threads(THREADS)
        index.add(base)
        faiss.omp_set_num_threads(1)
        return index

    def search(index, ef):
        index.hnsw.efSearch = ef
        return lambda rows: index.search(rows, measure.K)[1]

    return name, build, faiss.write_index, faiss.read_index, search


INDEXES = {
    "hnswlib": lambda data: hnswlib_index(data, 16),
    "hnswlib-32": lambda data: hnswlib_index(data, 32),
    "usearch": usearch_index,
    "faiss-hnsw": lambda data: faiss_index(data, 32),
}


def main():
    args = measure.arguments()
    data = measure.Data(args)
    faiss.omp_set_num_threads(1)
    for key in args.only.split(",") if args.only else INDEXES:
        name, build, save, load, search = INDEXES[key](data)
        path, facts = measure.cached(args, data, name.replace(" ", "-"), build, save)
        if args.build:
            continue
        index = load(path)
        points = []
        for ef in EFFORTS:
            points.append(measure.point(data, f"ef={ef}", search(index, ef)))
            if points[-1]["recall"] > 0.993:
                break
        measure.emit(name, facts, points)


if __name__ == "__main__":
    main()
