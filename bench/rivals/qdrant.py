"""Qdrant's embedded engine: one HNSW segment over all vectors, with the fields the filters look at.

--only names a filter, or is `qdrant` for no filter. One thread for searches.
"""

import json
import os
import pathlib
import shutil
import time
from importlib.metadata import version

import numpy
import qdrant_edge as qdrant

import measure

EFFORTS = [10, 16, 32, 48, 64, 96, 128, 192, 256]
FIELDS = {
    "near": qdrant.PayloadSchemaType.Integer,
    "dice": qdrant.PayloadSchemaType.Integer,
    "len": qdrant.PayloadSchemaType.Integer,
    "pos": qdrant.PayloadSchemaType.Keyword,
    "cat": qdrant.PayloadSchemaType.Keyword,
}
BATCH = 1000


def payloads(data):
    numbers = {name: numpy.load(data.home / f"{name}.npy") for name in ("near", "dice")}
    path = data.home / "base.jsonl"
    own = [json.loads(line) for line in open(path)] if path.exists() else None
    for row in range(data.rows()):
        payload = {name: int(ranks[row]) for name, ranks in numbers.items()}
        if own:
            payload |= {name: own[row][name] for name in ("len", "pos", "cat")}
        yield payload


def build(data, path):
    config = qdrant.EdgeConfig(
        vectors=qdrant.EdgeVectorParams(size=data.dimension, distance=qdrant.Distance.Dot),
        hnsw_config=qdrant.HnswIndexConfig(
            m=16, ef_construct=100, full_scan_threshold=10_000, max_indexing_threads=os.cpu_count()
        ),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1),
        max_search_threads=1,
    )
    path.mkdir(parents=True)
    shard = qdrant.EdgeShard.create(str(path), config)
    for name, kind in FIELDS.items():
        shard.update(qdrant.UpdateOperation.create_field_index(name, kind))
    points = []
    for row, (vector, payload) in enumerate(zip(data.base(), payloads(data))):
        points.append(qdrant.Point(row, vector.tolist(), payload))
        if len(points) == BATCH:
            shard.update(qdrant.UpdateOperation.upsert_points(points))
            points = []
    if points:
        shard.update(qdrant.UpdateOperation.upsert_points(points))
    while shard.optimize():
        pass
    shard.flush()
    shard.close()


def condition(data, name):
    rule = json.loads((data.home / "filters.json").read_text())[name]
    if "eq" in rule:
        match = qdrant.FieldCondition(key=rule["field"], match=qdrant.MatchValue(rule["eq"]))
    else:
        bounds = qdrant.RangeFloat(gte=rule.get("gte"), lt=rule["lt"])
        match = qdrant.FieldCondition(key=rule["field"], range=bounds)
    return qdrant.Filter(must=[match])


def main():
    args = measure.arguments()
    data = measure.Data(args)
    name = f"qdrant-edge {version('qdrant-edge-py')} m=16 efC=100"
    path = args.cache / f"{name.replace(' ', '-')}-{data.digest()}"
    note = pathlib.Path(f"{path}.json")
    if not note.is_file():
        shutil.rmtree(path, ignore_errors=True)
        started = time.process_time()
        build(data, path)
        seconds = time.process_time() - started
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        note.write_text(json.dumps({"build_cpu_seconds": seconds, "file_bytes": size}))
    if args.build:
        return
    facts = json.loads(note.read_text())
    shard = qdrant.EdgeShard.load(str(path))
    chosen, truth = None, data.truth
    if args.only != "qdrant":
        chosen, truth = condition(data, args.only), data.truth_of(args.only)
        name += f", filter {args.only}"
    points = []
    for ef in EFFORTS:
        requests = [
            qdrant.QueryRequest(
                limit=measure.K,
                query=qdrant.Query.Nearest(row.tolist()),
                filter=chosen,
                params=qdrant.SearchParams(hnsw_ef=ef),
                with_payload=False,
                with_vector=False,
            )
            for row in data.queries
        ]
        # The requests are made beforehand: what is timed is the engine.
        by_query = dict(zip((row.tobytes() for row in data.queries), requests))

        def search(rows):
            found = [shard.query(by_query[row.tobytes()]) for row in rows]
            return [[point.id for point in points] for points in found]

        points.append(measure.point(data, f"ef={ef}", search, truth))
        if points[-1]["recall"] > 0.995:
            break
    measure.emit(name, facts, points)
    shard.close()


if __name__ == "__main__":
    main()
