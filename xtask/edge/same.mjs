// node same.mjs URL KEY URL KEY: the same 500 requests to two servers, whose answers must be equal byte for
// byte, apart from request ids and times. The requests come from a fixed seed.
import assert from "node:assert/strict";

const [leftUrl, leftKey, rightUrl, rightKey] = process.argv.slice(2);
const COUNT = 500;
const COMPARED = ["content-type", "etag", "quartz-version", "idempotency-replayed", "allow"];
const WORDS = ["red", "green", "blue", "violet"];

// A fixed pseudo-random sequence (mulberry32).
let state = 20260730;
function random(below) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
}

const pick = (list) => list[random(list.length)];
const id = () => `r${random(60)}`;
const vector = () => Array.from({ length: 8 }, () => (random(2001) - 1000) / 1000);
const metadata = () => ({ color: pick(WORDS), size: random(100), tags: [pick(WORDS), "all"] });
const filter = () => pick([{ color: pick(WORDS) }, { size: { $lt: random(100) } }, { tags: pick(WORDS) }]);
const records = () =>
  Array.from({ length: 1 + random(8) }, () => ({
    id: id(),
    vector: vector(),
    metadata: metadata(),
    value: { number: random(1000) },
  }));

const SPACE = "/v1/namespaces/same";
const post = (endpoint, body) => ({ method: "POST", path: `${SPACE}/${endpoint}`, body });
const KINDS = [
  () => post("upsert", { records: records() }),
  () => post("upsert", { records: records(), condition: filter() }),
  () => post("query", { vector: vector(), top_k: 1 + random(20), include: ["metadata", "vector"] }),
  () => post("query", { vector: vector(), filter: filter(), include: ["value"] }),
  () => post("query", { id: id(), top_k: 5 }),
  () => post("query", { vector: [1, 2, 3] }),
  () => post("fetch", { ids: [id(), id(), "nothing"], include: ["vector", "metadata", "value"] }),
  () => post("update", { id: id(), metadata: { color: pick(WORDS), size: null } }),
  () => post("update", { filter: filter(), metadata: { seen: random(9) } }),
  () => post("delete", { ids: [id()], dry_run: random(2) === 0 }),
  () => post("delete", { filter: filter(), dry_run: true }),
  () => post("batch", { operations: [{ op: "check", id: id(), if_absent: true }, { op: "put", id: id(), value: 1 }] }),
  () => post("upsert", { records: [{ id: "", bogus: 1 }] }),
  () => ({ method: "PUT", path: `${SPACE}/kv/${id()}`, text: `value ${random(1000)}` }),
  () => ({ method: "PUT", path: `${SPACE}/kv/${id()}`, text: "x", headers: { "if-none-match": "*" } }),
  () => ({ method: "GET", path: `${SPACE}/kv/${id()}` }),
  () => ({ method: "HEAD", path: `${SPACE}/kv/${id()}` }),
  () => ({ method: "DELETE", path: `${SPACE}/kv/${id()}` }),
  () => ({ method: "GET", path: `${SPACE}/kv?limit=${1 + random(20)}` }),
  () => ({ method: "GET", path: `${SPACE}/records?limit=7&include=vector,value` }),
  () => ({ method: "GET", path: `${SPACE}/export` }),
  () => ({ method: "GET", path: SPACE }),
  () => ({ method: "POST", path: `${SPACE}/kv/${id()}` }),
];

async function send(base, key, { method, path, body, text, headers = {} }) {
  const all = { authorization: `Bearer ${key}`, ...headers };
  if (body !== undefined) all["content-type"] = "application/json";
  if (text !== undefined) all["content-type"] = "text/plain";
  const init = { method, headers: all, body: text ?? (body && JSON.stringify(body)) };
  const response = await fetch(base + path, init);
  const told = COMPARED.map((name) => [name, response.headers.get(name)]);
  const bytes = Buffer.from(await response.arrayBuffer()).toString("latin1");
  // What is not the same for two requests to one server either.
  const comparable = bytes
    .replace(/"request_id":"[^"]*"/, '"request_id":""')
    .replace(/"created_at":\d+/, '"created_at":0');
  return { status: response.status, headers: told, body: comparable };
}

const config = { method: "PUT", path: SPACE, body: { dimension: 8, metric: pick(["cosine", "dot"]) } };
for (let number = 0; number < COUNT; number += 1) {
  const request = number === 0 ? config : pick(KINDS)();
  const left = await send(leftUrl, leftKey, request);
  const right = await send(rightUrl, rightKey, request);
  assert.deepEqual(right, left, `request ${number}: ${JSON.stringify(request)}`);
}
console.log(`${COUNT} answers are the same`);
