// Loads real embeddings into one namespace, then asks for the neighbours of others and compares with the ground truth.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const BATCH = 500;
const QUERIES = 500;
const TOP = 10;

// The shape and bytes of a NumPy array.
function npy(data, name) {
  const file = readFileSync(join(data, name));
  const length = file.readUInt16LE(8);
  const header = file.toString("latin1", 10, 10 + length);
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header).slice(1).map(Number);
  const kind = /'descr': '<(\w+)'/.exec(header)[1];
  return { shape, kind, bytes: file.subarray(10 + length) };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}

// Rows of a half-precision array as base64 of single precision.
function vectors({ shape: [rows, columns], bytes }) {
  return {
    rows,
    at(row) {
      const vector = new Float32Array(columns);
      for (let column = 0; column < columns; column += 1) {
        vector[column] = half(bytes.readUInt16LE(2 * (row * columns + column)));
      }
      return Buffer.from(vector.buffer).toString("base64");
    },
  };
}

export async function search({ url, key, data, most }) {
  const post = async (endpoint, body) => {
    const response = await fetch(`${url}/v1/namespaces/embeddings/${endpoint}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.json();
  };
  const base = vectors(npy(data, "base.f16.npy"));
  const count = Math.min(most, base.rows);
  let started = performance.now();
  for (let from = 0; from < count; from += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - from) }, (_, at) => from + at);
    const records = rows.map((row) => ({ id: String(row), vector: base.at(row) }));
    await post("upsert", { records });
  }
  const loadSeconds = (performance.now() - started) / 1000;

  const queries = vectors(npy(data, "queries.f16.npy"));
  const truth = npy(data, "gt_all_ids.npy");
  const [, width] = truth.shape;
  const wide = truth.kind === "i8";
  const neighbour = (query, rank) => {
    const at = query * width + rank;
    return wide ? Number(truth.bytes.readBigInt64LE(8 * at)) : truth.bytes.readInt32LE(4 * at);
  };
  let found = 0;
  let expected = 0;
  let plan;
  const millis = [];
  for (let query = 0; query < Math.min(QUERIES, queries.rows); query += 1) {
    const vector = queries.at(query);
    started = performance.now();
    const answer = await post("query", { vector, top_k: TOP });
    millis.push(performance.now() - started);
    plan = answer.plan;
    // The nearest of those that were loaded.
    const nearest = [];
    for (let rank = 0; rank < width && nearest.length < TOP; rank += 1) {
      if (neighbour(query, rank) < count) nearest.push(String(neighbour(query, rank)));
    }
    const ids = new Set(answer.matches.map(({ id }) => id));
    found += nearest.filter((id) => ids.has(id)).length;
    expected += nearest.length;
  }
  millis.sort((a, b) => a - b);
  const at = (share) => Number(millis[Math.floor(share * millis.length)].toFixed(2));
  return {
    vectors: count,
    load_seconds: Number(loadSeconds.toFixed(1)),
    recall: Number((found / expected).toFixed(4)),
    p50_ms: at(0.5),
    p95_ms: at(0.95),
    plan,
  };
}
