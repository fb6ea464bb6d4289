"""Adds to a set what the measures need: DATA_DIR HOME.

HOME gets links to the set's own files and, computed once:

- order_topic.npy: the rows sorted by the nearest of 200 k-means centres, topic after topic;
- near.npy, dice.npy: two numbers for each row to filter by. `near` is its rank by similarity to one
  row, so a filter on it is correlated with what a query looks for: helpfully for the queries near
  that row, adversely for all others. `dice` is a random rank, correlated with nothing;
- filters.json: the set's own filters, and `near` and `dice` below 10 %, 1 % and 0.1 % of the rows;
- mask_F.npy, gt_F_ids.npy: for each filter the rows it keeps and the true top 10 among them;
- gt_firstN_ids.npy: the true top 10 among the first N rows, for the sizes given as further arguments.
"""

import json
import os
import pathlib
import sys

import faiss
import numpy

import measure

SHARES = {"10": 0.1, "1": 0.01, "01": 0.001}
SEED = 7


def main():
    source, home = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    home.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(os.cpu_count())
    for file in source.iterdir():
        link = home / file.name
        if file.name != "filters.json" and not link.exists():
            link.symlink_to(file)
    base = measure.read(source / "base.f16.npy")
    queries = measure.read(source / "queries.f16.npy")
    count, dimension = base.shape
    random = numpy.random.default_rng(SEED)

    # Trained on a sample, as the order needs topics and no precision.
    sample = base[random.permutation(count)[:50_000]]
    means = faiss.Kmeans(dimension, 200, niter=10, spherical=True, seed=SEED)
    means.train(sample)
    topics = means.index.search(base, 1)[1][:, 0]
    numpy.save(home / "order_topic.npy", numpy.argsort(topics, kind="stable").astype(numpy.int32))

    ranks = {"near": -(base @ base[0]), "dice": random.random(count)}
    filters = {}
    masks = {}
    for field, values in ranks.items():
        rank = numpy.empty(count, dtype=numpy.int32)
        rank[numpy.argsort(values, kind="stable")] = numpy.arange(count)
        numpy.save(home / f"{field}.npy", rank)
        for name, share in SHARES.items():
            filters[field + name] = {"field": field, "lt": round(count * share)}
            masks[field + name] = rank < round(count * share)
    if (source / "filters.json").is_file():
        records = [json.loads(line) for line in open(source / "base.jsonl")]
        for name, rule in json.loads((source / "filters.json").read_text()).items():
            if "field" in rule:
                filters[name] = {k: rule[k] for k in ("field", "eq", "gte", "lt") if k in rule}
                masks[name] = numpy.array([keeps(rule, record) for record in records])
                assert masks[name].sum() == rule["kept"]
    for name, mask in masks.items():
        numpy.save(home / f"mask_{name}.npy", mask)
        if not (home / f"gt_{name}_ids.npy").exists():
            numpy.save(home / f"gt_{name}_ids.npy", truth(base, queries, numpy.flatnonzero(mask)))
    for rows in map(int, sys.argv[3:]):
        ids = truth(base, queries, numpy.arange(rows))
        numpy.save(home / f"gt_first{rows}_ids.npy", ids)
    # Written last: it says that the rest is complete.
    (home / "filters.json").write_text(json.dumps(filters, indent=1))


def keeps(rule, record):
    value = record[rule["field"]]
    if "eq" in rule:
        return value == rule["eq"]
    return rule["gte"] <= value < rule["lt"]


def truth(base, queries, rows):
    kept = base if len(rows) == len(base) else base[rows]
    found = faiss.knn(queries, kept, measure.K, faiss.METRIC_INNER_PRODUCT)[1]
    return rows[found].astype(numpy.int32)


main()
