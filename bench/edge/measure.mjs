// node measure.mjs WORKER TESTED STARTS DATA NATIVE-URL NATIVE-KEY: what `quartz-bench edge` records, as a line of
// JSON. TESTED is the Worker with what only tests call; NATIVE is a server to compare searches with.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, options } from "../../xtask/edge/worker.mjs";
import { search } from "./vectors.mjs";

const [worker, tested, starts, data, nativeUrl, nativeKey] = process.argv.slice(2);
const KEY = "qz_root_of_a_measurement";
const KEYS = 1000;
const CONNECTIONS = 16;
// Who shares the machine changes its speed within seconds, so a round takes one, and is beside one of the rival. A
// process has for its life what chance gave it (where its code and memory lie, what the compilers saw first), which
// is worth a tenth either way; so both are started anew after so many rounds.
const ROUNDS = 4;
// Compilers of the runtime need some thousand calls before they have done their best.
const WARM_SECONDS = 4;
const VECTORS = 50_000;
const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(process.env.EDGE_MODULES, "x"));
const WebSocket = require("ws");
// Both write to memory: a disk that others share would decide otherwise.
const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "quartz-edge-"));

const script = (method) => `
local body = string.rep("x", 1024)
request = function()
  local path = "/v1/namespaces/bench/kv/key-" .. math.random(0, ${KEYS - 1})
  return wrk.format("${method}", path, { ["Authorization"] = "Bearer ${KEY}",
    ["Content-Type"] = "text/plain" }, ${method === "PUT" ? "body" : "nil"})
end
done = function(summary, latency)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), summary.errors.status))
end`;

async function load(url, method, time) {
  const file = join(scratch, `${method}.lua`);
  writeFileSync(file, script(method));
  const wrk = spawn("wrk", ["-t1", `-c${CONNECTIONS}`, `-d${time}s`, "-s", file, url]);
  let said = "";
  wrk.stdout.on("data", (text) => (said += text));
  await once(wrk, "close");
  const result = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(said);
  if (result === null) throw new Error(said);
  const [rate, p50, p99, errors] = result.slice(1).map(Number);
  if (errors > 0) throw new Error(`${errors} requests failed`);
  return { rate, p50_ms: p50 / 1000, p99_ms: p99 / 1000 };
}

async function start(settings) {
  const direct = { unsafeDirectSockets: [{ host: "127.0.0.1" }] };
  const before = performance.now();
  const miniflare = new Miniflare({ ...settings, ...direct });
  await miniflare.ready;
  const url = String(await miniflare.unsafeGetDirectURL()).replace(/\/$/, "");
  await (await fetch(`${url}/livez`)).arrayBuffer();
  return { miniflare, url, start_ms: performance.now() - before };
}

const median = (figures) => figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)];

async function fill(url) {
  for (let key = 0; key < KEYS; key += 1) {
    const headers = { authorization: `Bearer ${KEY}` };
    const path = `${url}/v1/namespaces/bench/kv/key-${key}`;
    const put = await fetch(path, { method: "PUT", headers, body: "x".repeat(1024) });
    if (!put.ok) throw new Error(`${put.status} ${await put.text()}`);
    await put.arrayBuffer();
  }
}

// Adds rounds of both sides on the same runtime, in turns, from a start to its end.
async function addRounds(rounds, started, settings) {
  const sides = { ours: await start(settings.ours), rival: await start(settings.rival) };
  for (const side of ["ours", "rival"]) started[side].push(sides[side].start_ms);
  for (const { url } of Object.values(sides)) {
    await fill(url);
    for (const method of ["GET", "PUT"]) await load(url, method, WARM_SECONDS);
  }
  for (const method of ["GET", "PUT"]) {
    for (let round = 0; round < ROUNDS; round += 1) {
      const ours = await load(sides.ours.url, method, 1);
      const rival = await load(sides.rival.url, method, 1);
      rounds[method].push({ ours, rival, ratio: ours.rate / rival.rate });
    }
  }
  for (const { miniflare } of Object.values(sides)) await miniflare.dispose();
}

async function keyValue() {
  const code = stripTypeScriptTypes(readFileSync(join(here, "rival.ts"), "utf8"));
  writeFileSync(join(scratch, "rival.js"), code);
  const modules = [{ type: "ESModule", path: join(scratch, "rival.js") }];
  const rounds = { GET: [], PUT: [] };
  const started = { ours: [], rival: [] };
  for (let turn = 0; turn < Number(starts); turn += 1) {
    const data = (side) => join(scratch, `${side}-${turn}`);
    const ours = options({ worker, data: data("ours"), key: KEY });
    const rival = options({ worker: scratch, data: data("rival"), key: KEY });
    await addRounds(rounds, started, { ours, rival: { ...rival, modules } });
    for (const side of ["ours", "rival"]) rmSync(data(side), { recursive: true });
  }
  const figures = { start_ms: { ours: median(started.ours), rival: median(started.rival) } };
  for (const [method, all] of Object.entries(rounds)) {
    const of = (side, what) => median(all.map((round) => round[side][what]));
    const side = (name) => ({ rate: of(name, "rate"), p50_ms: of(name, "p50_ms") });
    const ratio = median(all.map((round) => round.ratio));
    figures[method] = { ours: side("ours"), rival: side("rival"), ratio };
  }
  return figures;
}

// Bytes of the isolate's JavaScript, as its debugger tells.
async function heap(miniflare) {
  const inspector = String(await miniflare.getInspectorURL()).replace(/^ws/, "http");
  const targets = await (await fetch(`${inspector}json`)).json();
  const { webSocketDebuggerUrl } = targets.find(({ id }) => id.startsWith("core:user"));
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, "open");
  socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
  const [answer] = await once(socket, "message");
  socket.close();
  return JSON.parse(answer).result;
}

async function vectors() {
  const settings = options({ worker: tested, data: join(scratch, "v"), key: KEY, entry: "entry.test.js" });
  const { miniflare, url } = await start({ ...settings, inspectorPort: 0 });
  const objects = await miniflare.getDurableObjectNamespace("NAMESPACES");
  const inside = async (path) => {
    const object = objects.get(objects.idFromName("root/embeddings"));
    return (await object.fetch(`http://localhost${path}`)).json();
  };
  const edge = await search({ url, key: KEY, data, most: VECTORS });
  const memory = { wasm_bytes: await inside("/test/memory"), ...(await heap(miniflare)) };
  const kernels = {};
  for (const kernel of ["f32", "i8"]) {
    const timed = async (rounds) => {
      const started = performance.now();
      const products = await inside(`/test/kernel?kind=${kernel}&rounds=${rounds}`);
      return { millis: performance.now() - started, products };
    };
    await timed(20_000);
    const idle = await timed(0);
    const busy = await timed(200_000);
    kernels[kernel] = ((busy.millis - idle.millis) * 1e6) / busy.products;
  }
  await miniflare.dispose();
  const native = await search({ url: nativeUrl, key: nativeKey, data, most: VECTORS });
  return { edge, native, memory, kernels };
}

try {
  const figures = { kv: await keyValue(), ...(await vectors()) };
  console.log(JSON.stringify(figures));
} finally {
  rmSync(scratch, { recursive: true });
}
