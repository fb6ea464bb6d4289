// node bench.mjs WORKER SECONDS: key-value requests through our Worker and through rival.js, on the same
// workerd, keep-alive, 16 connections, one after the other; a line of JSON for each.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, options } from "./worker.mjs";

const [worker, seconds] = process.argv.slice(2);
const KEY = "qz_root_of_a_measurement";
const KEYS = 1000;
const here = dirname(fileURLToPath(import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "quartz-edge-"));

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

function load(url, method) {
  const file = join(scratch, `${method}.lua`);
  writeFileSync(file, script(method));
  const args = ["-t1", "-c16", `-d${seconds}s`, "-s", file, url];
  const { stdout, stderr } = spawnSync("wrk", args, { encoding: "utf8" });
  const result = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(stdout);
  if (result === null) throw new Error(stdout + stderr);
  const [rate, p50, p99, errors] = result.slice(1).map(Number);
  return { rate, p50_ms: p50 / 1000, p99_ms: p99 / 1000, errors };
}

async function measure(name, settings) {
  const miniflare = new Miniflare({ ...settings, unsafeDirectSockets: [{ host: "127.0.0.1" }] });
  await miniflare.ready;
  const url = String(await miniflare.unsafeGetDirectURL());
  for (let key = 0; key < KEYS; key += 1) {
    const path = new URL(`/v1/namespaces/bench/kv/key-${key}`, url);
    const headers = { authorization: `Bearer ${KEY}` };
    const put = await fetch(path, { method: "PUT", headers, body: "x".repeat(1024) });
    if (!put.ok) throw new Error(`${put.status} ${await put.text()}`);
  }
  for (const method of ["GET", "PUT"]) {
    console.log(JSON.stringify({ name, method, ...load(url, method) }));
  }
  await miniflare.dispose();
}

const ours = options({ worker, data: join(scratch, "ours"), key: KEY });
const rival = {
  ...options({ worker: here, data: join(scratch, "rival"), key: KEY }),
  modules: [{ type: "ESModule", path: join(here, "rival.js") }],
};
for (const round of [1, 2]) {
  await measure(`rival ${round}`, { ...rival });
  await measure(`quartz ${round}`, { ...ours });
}
rmSync(scratch, { recursive: true });
