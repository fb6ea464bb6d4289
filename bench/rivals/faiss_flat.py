"""Queries a second of faiss IndexFlatIP, one thread, one query a call: DATA_DIR QUERIES."""

import sys
import time

import faiss
import numpy

directory, count = sys.argv[1], int(sys.argv[2])
faiss.omp_set_num_threads(1)


def read(name):
    rows = numpy.load(f"{directory}/{name}.f16.npy").astype(numpy.float32)
    faiss.normalize_L2(rows)
    return rows


index = faiss.IndexFlatIP(384)
index.add(read("base"))
queries = read("queries")[:count]
index.search(queries[:1], 10)
started = time.perf_counter()
for query in queries:
    index.search(query[None], 10)
print(count / (time.perf_counter() - started))
