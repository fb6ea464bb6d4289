// What Analytics Engine is told of requests; docs/cloudflare.md says how to read it.
const POINTS_PER_SECOND = 20;
const REQUESTS_PER_POINT = 10;
let second;
let inSecond;

// What an answer says in `Quartz-Usage` of one kind of unit.
function units(usage, kind) {
  return Number(new RegExp(`${kind}_units=(\\d+)`).exec(usage)?.[1] ?? 0);
}

// Counts a request where it can be asked for later; without the binding, nowhere. A point costs what a request does:
// when an isolate has many in a second, one in ten of the rest has a point, by chance, which counts for ten. Failures
// are all written.
export function count(env, request, [kind, account], response, started) {
  const { status } = response;
  let weight = 1;
  if (status < 500) {
    const now = Math.floor(started / 1000);
    if (second !== now) [second, inSecond] = [now, 0];
    inSecond += 1;
    if (inSecond > POINTS_PER_SECOND) weight = REQUESTS_PER_POINT;
    if (weight > 1 && Math.random() * weight >= 1) return;
  }
  const usage = response.headers.get("quartz-usage") ?? "";
  const used = ["write", "read", "query"].map((kind) => units(usage, kind));
  env.ANALYTICS?.writeDataPoint({
    indexes: [account ?? ""],
    blobs: [request.method, kind, String(status)],
    doubles: [Date.now() - started, weight, ...used],
  });
}
