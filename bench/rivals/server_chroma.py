"""Chroma's server over HTTP."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

import chromadb

import measure
import wire

EFFORTS = [20, 30, 50, 100, 200]
BATCH = 1000
SYNC = 1000
NAME = f"chroma {chromadb.__version__} M=16 efC=200"


@contextlib.contextmanager
def server(path):
    port = wire.free_port()
    program = pathlib.Path(sys.executable).with_name("chroma")
    process = subprocess.Popen(
        [program, "run", "--path", path, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/api/v2/heartbeat").read()
                break
            time.sleep(0.1)
        yield chromadb.HttpClient("127.0.0.1", port), url
    finally:
        process.terminate()
        process.wait()


def fill(client, data):
    options = {"space": "ip", "ef_construction": 200, "max_neighbors": 16, "sync_threshold": SYNC}
    collection = client.create_collection("bench", configuration={"hnsw": options})
    base = data.base()
    for start in range(0, len(base), BATCH):
        rows = base[start : start + BATCH]
        ids = [str(start + row) for row in range(len(rows))]
        collection.add(ids=ids, embeddings=rows)
    # The index is brought up to date behind the answer; a query waits for what is not yet in it.
    collection.query(query_embeddings=data.queries[:1], n_results=1)


def point(data, collection, url, ef):
    database = f"{url}/api/v2/tenants/default_tenant/databases/default_database"
    include = ["distances"]
    found = []
    for row in data.queries:
        answer = collection.query(query_embeddings=[row], n_results=measure.K, include=include)
        found.append([int(name) for name in answer["ids"][0]])
    bodies = [
        {"query_embeddings": [row.tolist()], "n_results": measure.K, "include": include}
        for row in data.queries
    ]
    timing = wire.rate(f"{database}/collections/{collection.id}/query", {}, bodies)
    return wire.point(data, f"ef={ef}", found, timing)


def main():
    args = measure.arguments()
    data = measure.Data(args)
    path = args.cache / f"{NAME.replace(' ', '-')}-{data.digest()}"
    note = pathlib.Path(f"{path}.json")
    if not note.is_file():
        shutil.rmtree(path, ignore_errors=True)
        started = time.monotonic()
        with server(path) as (client, _):
            fill(client, data)
        seconds = time.monotonic() - started
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        # Seconds of wall time: the processor's belong to the server.
        note.write_text(json.dumps({"build_cpu_seconds": seconds, "file_bytes": size}))
    if args.build:
        return
    points = []
    for ef in EFFORTS:
        # A server that runs keeps the effort it loaded the index with.
        with server(path) as (client, _):
            client.get_collection("bench").modify(configuration={"hnsw": {"ef_search": ef}})
        with server(path) as (client, url):
            points.append(point(data, client.get_collection("bench"), url, ef))
        if points[-1]["recall"] > 0.993:
            break
    measure.emit(NAME, json.loads(note.read_text()), points)


main()
