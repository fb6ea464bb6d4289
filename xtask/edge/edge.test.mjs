// Faults and restarts on the real runtime: node --test edge.test.mjs
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Miniflare, options } from "./worker.mjs";

const KEY = "qz_root_of_a_test";
const { EDGE_WORKER: worker, EDGE_SCRATCH: scratch } = process.env;
const mails = [];
let mailApi;
let quiet;
let miniflare;

// Takes mail as the API of a mail service does.
async function takeMail(request, response) {
  const pieces = await request.toArray();
  mails.push({ ...JSON.parse(Buffer.concat(pieces)), key: request.headers.authorization });
  response.end("{}");
}

before(async () => {
  mailApi = createServer(takeMail).listen(0, "127.0.0.1");
  await once(mailApi, "listening");
  const vars = {
    QUARTZ_PUBLIC_URL: "https://db.example",
    QUARTZ_SIGN_UP: "true",
    QUARTZ_MAIL_URL: `http://127.0.0.1:${mailApi.address().port}/emails`,
    QUARTZ_MAIL_FROM: "QuartzDB <db@example.com>",
    QUARTZ_MAIL_KEY: "key of the mail service",
    QUARTZ_WEBHOOK_NETWORKS: "127.0.0.0/8",
  };
  const data = join(scratch, "data");
  const settings = options({ worker, data, key: KEY, vars, entry: "entry.test.js" });
  // What the runtime says about faults that are asked for is not for those who run the tests.
  quiet = { ...settings, handleRuntimeStdio: (out, err) => void (out.resume(), err.resume()) };
  miniflare = new Miniflare(quiet);
  await miniflare.ready;
});
after(async () => {
  await miniflare.dispose();
  mailApi.close();
});

function call(method, path, body, headers = {}) {
  const authorization = `Bearer ${KEY}`;
  const json = typeof body === "object" && !(body instanceof ReadableStream);
  const type = json ? { "content-type": "application/json" } : {};
  const init = { method, headers: { authorization, ...type, ...headers } };
  if (body !== undefined) init.body = json ? JSON.stringify(body) : body;
  if (body instanceof ReadableStream) init.duplex = "half";
  return miniflare.dispatchFetch(`http://localhost${path}`, init);
}

async function object(name) {
  const objects = await miniflare.getDurableObjectNamespace("NAMESPACES");
  return objects.get(objects.idFromName(`root/${name}`));
}

async function inside(name, path) {
  return (await object(name)).fetch(`http://localhost${path}`);
}

async function value(namespace, key) {
  return (await call("GET", `/v1/namespaces/${namespace}/kv/${key}`)).text();
}

async function until(what, condition) {
  for (let round = 0; round < 200; round += 1) {
    if (await condition()) return;
    await sleep(50);
  }
  assert.fail(`${what} did not happen`);
}

async function restart() {
  await miniflare.dispose();
  miniflare = new Miniflare(quiet);
  await miniflare.ready;
}

test("the store keeps the promises of Store", async () => {
  const answer = await inside("store", "/test/check-store");
  assert.equal(await answer.text(), "ok");
});

test("what is acknowledged outlives the end of the process", async () => {
  for (const key of ["a", "b"]) {
    const put = await call("PUT", `/v1/namespaces/durable/kv/${key}`, `value of ${key}`);
    assert.equal(put.status, 201);
    await put.arrayBuffer();
  }
  await restart();
  assert.equal(await value("durable", "a"), "value of a");
  assert.equal(await value("durable", "b"), "value of b");
  const list = await (await call("GET", "/v1/namespaces?prefix=durable")).json();
  assert.deepEqual(list.namespaces.map(({ name }) => name), ["durable"]);
});

test("an object that is thrown out of memory comes back whole", async () => {
  const record = { id: "r", vector: [1, 2, 3], metadata: { kind: "x" }, text: "words" };
  const path = "/v1/namespaces/evicted";
  assert.equal((await call("POST", `${path}/upsert`, { records: [record] })).status, 200);
  await inside("evicted", "/test/evict").catch(() => {});
  const query = { vector: [1, 2, 3], filter: { kind: "x" }, include: ["text"] };
  const found = await (await call("POST", `${path}/query`, query)).json();
  assert.deepEqual(found.matches.map(({ id, text }) => [id, text]), [["r", "words"]]);
});

for (const fault of ["panic", "exhaust-memory"]) {
  test(`${fault} is a 500 and leaves the next request alone`, async () => {
    const path = `/v1/namespaces/${fault}`;
    assert.equal((await call("PUT", `${path}/kv/before`, "1")).status, 201);
    const answer = await inside(fault, `/test/${fault}`);
    assert.equal(answer.status, 500);
    const problem = await answer.json();
    assert.equal(problem.code, "internal");
    assert.equal(problem.request_id, answer.headers.get("x-request-id"));
    assert.equal(await value(fault, "before"), "1");
    const put = await call("PUT", `${path}/kv/after`, "2");
    assert.equal(put.status, 201);
    assert.equal(put.headers.get("etag"), '"2"');
  });
}

test("a request in flight fails with the panic of another, and only it", async () => {
  const path = "/v1/namespaces/in-flight";
  assert.equal((await call("PUT", `${path}/kv/before`, "1")).status, 201);
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const encode = (line) => new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(encode({ id: "half", text: "t" }));
      await gate;
      controller.close();
    },
  });
  const type = { "content-type": "application/x-ndjson" };
  const importing = call("POST", `${path}/import`, body, type);
  await sleep(300);
  assert.equal((await inside("in-flight", "/test/panic")).status, 500);
  release();
  assert.equal((await importing).status, 500);
  const records = await (await call("GET", `${path}/records`)).json();
  assert.deepEqual(records.records.map(({ id }) => id), ["before"]);
});

test("the alarm removes what has expired", async () => {
  const path = "/v1/namespaces/expiring";
  assert.equal((await call("PUT", `${path}/kv/stays`, "1")).status, 201);
  const rows = await (await inside("expiring", "/test/rows")).json();
  for (const key of ["a", "b", "c"]) {
    assert.equal((await call("PUT", `${path}/kv/${key}?ttl=1`, "gone soon")).status, 201);
  }
  assert.ok((await (await inside("expiring", "/test/rows")).json()) > rows);
  await until("the sweep", async () => {
    return (await (await inside("expiring", "/test/rows")).json()) <= rows;
  });
  assert.equal(await value("expiring", "stays"), "1");
});

test("an alarm that is due while nothing runs comes after the start", async () => {
  const path = "/v1/namespaces/expires-later";
  assert.equal((await call("PUT", `${path}/kv/stays`, "1")).status, 201);
  const rows = await (await inside("expires-later", "/test/rows")).json();
  assert.equal((await call("PUT", `${path}/kv/a?ttl=1`, "gone soon")).status, 201);
  await restart();
  await until("the sweep", async () => {
    return (await (await inside("expires-later", "/test/rows")).json()) <= rows;
  });
});

test("a deleted namespace gives its space back", async () => {
  const path = "/v1/namespaces/deleted";
  const records = Array.from({ length: 1000 }, (_, number) => ({ id: `r${number}`, text: "t" }));
  assert.equal((await call("POST", `${path}/upsert`, { records })).status, 200);
  assert.equal((await call("DELETE", path)).status, 204);
  assert.equal((await call("GET", path)).status, 404);
  const list = await (await call("GET", "/v1/namespaces?prefix=deleted")).json();
  assert.deepEqual(list.namespaces, []);
  await until("the reclaiming", async () => {
    return (await (await inside("deleted", "/test/rows")).json()) <= 1;
  });
});

test("a key that cannot be checked at first loses no write", async () => {
  const created = await (await call("POST", "/v1/accounts", { name: "unchecked" })).json();
  const headers = { authorization: `Bearer ${created.key.key}` };
  await (await inside("unchecked", "/test/uncheck")).text();
  const put = () => call("PUT", "/v1/namespaces/one/kv/a", "1", headers);
  const refused = await put();
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).code, "storage_unavailable");
  assert.equal((await put()).status, 201);
});

// An account with a namespace, one with partitions, and the objects that hold them.
async function account() {
  const created = await (await call("POST", "/v1/accounts", { name: "closes" })).json();
  const headers = { authorization: `Bearer ${created.key.key}` };
  const put = await call("PUT", "/v1/namespaces/one/kv/a", "1", headers);
  assert.equal(put.status, 201);
  const config = { dimension: 2, partitions: 2 };
  assert.equal((await call("PUT", "/v1/namespaces/parted", config, headers)).status, 201);
  const record = { id: "r", vector: [1, 2] };
  const upsert = await call("POST", "/v1/namespaces/parted/upsert", { records: [record] }, headers);
  assert.equal(upsert.status, 200);
  const objects = await miniflare.getDurableObjectNamespace("NAMESPACES");
  const get = (name) => objects.get(objects.idFromName(`${created.account.id}/${name}`));
  const rows = async (name) => (await get(name).fetch("http://localhost/test/rows")).json();
  return { id: created.account.id, headers, rows };
}

test("a closed account leaves no namespace behind", async () => {
  const { id, headers, rows } = await account();
  assert.ok((await rows("one")) > 0 && (await rows("parted")) > 0);
  assert.equal((await call("DELETE", `/v1/accounts/${id}`, undefined, headers)).status, 204);
  assert.equal((await call("GET", `/v1/accounts/${id}`)).status, 404);
  assert.equal(await rows("one"), 0);
  assert.equal(await rows("parted"), 0);
});

test("the cron trigger finishes a closing that was cut off", async () => {
  const { id, headers, rows } = await account();
  const other = await account();
  await (await inside("unerased", "/test/spare")).text();
  assert.notEqual((await call("DELETE", `/v1/accounts/${id}`, undefined, headers)).status, 204);
  const worker = await miniflare.getWorker();
  assert.equal((await worker.scheduled({ cron: "*/15 * * * *" })).outcome, "ok");
  assert.equal((await call("GET", `/v1/accounts/${id}`)).status, 404);
  assert.equal(await rows("one"), 0);
  assert.equal(await rows("parted"), 0);
  assert.equal((await call("GET", `/v1/accounts/${other.id}`)).status, 200);
  assert.ok((await other.rows("one")) > 0);
});

test("a namespace that is only looked at keeps nothing", async () => {
  assert.equal((await call("GET", "/v1/namespaces/nowhere")).status, 404);
  assert.equal((await call("GET", "/v1/namespaces/nowhere/kv/a")).status, 404);
  assert.equal(await (await inside("nowhere", "/test/rows")).json(), 0);
});

// The token of the next mail, which is to somebody and about something.
async function token(to, subject) {
  await until(`a mail to ${to}`, () => mails.length > 0);
  const mail = mails.shift();
  assert.deepEqual(
    [mail.to, mail.from, mail.subject, mail.key],
    [[to], "QuartzDB <db@example.com>", subject, "Bearer key of the mail service"],
  );
  return mail.text.match(/https:\/\/db\.example\/console\/\w+#(\S+)/)?.[1];
}

// A request without a key.
function open(method, path, body, headers = {}) {
  const init = { method, headers: { "content-type": "application/json", ...headers } };
  if (body !== undefined) init.body = JSON.stringify(body);
  return miniflare.dispatchFetch(`http://localhost${path}`, init);
}

async function session(answer) {
  assert.equal(answer.status, 200);
  const set = answer.headers.get("set-cookie");
  assert.match(set, /^__Host-quartz_session=qzs_[^;]+; Path=\/;.*HttpOnly; SameSite=Lax; Secure$/);
  return { cookie: set.split(";")[0], "quartz-csrf": (await answer.json()).csrf_token };
}

test("a stranger signs up, and sets a new password, by the links in mails", async () => {
  const email = "ann@example.com";
  const password = "correct horse battery";
  const wanted = { email, password, account_name: "Acme" };
  assert.equal((await open("POST", "/v1/auth/sign-up", wanted)).status, 202);
  const confirmed = { token: await token(email, "Confirm your e-mail address"), password };
  const first = await session(await open("POST", "/v1/auth/verify", confirmed));
  const put = (headers) => open("PUT", "/v1/namespaces/of-a-person/kv/a", "x", headers);
  assert.equal((await put(first)).status, 201);
  const forged = await put({ cookie: first.cookie });
  assert.deepEqual([forged.status, (await forged.json()).code], [403, "csrf_token_invalid"]);
  await restart();
  const whoami = await (await open("GET", "/v1/whoami", undefined, first)).json();
  assert.deepEqual([whoami.member, whoami.role], [email, "owner"]);

  assert.equal((await open("POST", "/v1/auth/reset", { email })).status, 202);
  const renewed = { token: await token(email, "Set a new password"), password: "staple of a horse" };
  assert.equal((await open("POST", "/v1/auth/password", renewed)).status, 204);
  await token(email, "Your password was changed");
  const login = { email, password: renewed.password };
  const second = await session(await open("POST", "/v1/auth/login", login));
  assert.equal((await open("GET", "/v1/auth/session", undefined, first)).status, 401);
  assert.equal((await open("GET", "/v1/auth/session", undefined, second)).status, 200);
  const before = await open("POST", "/v1/auth/login", { email, password });
  assert.equal((await before.json()).code, "credentials_invalid");
  assert.deepEqual(mails, []);
});

// A tenant whose webhook leads to a port of this machine, at which nobody listens yet, and who has failed to
// get a first message there.
async function waiting() {
  const port = await new Promise((resolve) => {
    const taken = createServer().listen(0, "127.0.0.1", () => {
      const { port } = taken.address();
      taken.close(() => resolve(port));
    });
  });
  const { headers, log } = await tenantWith(`http://127.0.0.1:${port}/hook`);
  const key = { name: "k", role: "reader" };
  assert.equal((await call("POST", "/v1/keys", key, headers)).status, 201);
  await until("the first attempt", async () => (await log()).attempts === 1);
  return { port, log };
}

async function tenantWith(url) {
  const created = await (await call("POST", "/v1/accounts", { name: "listens" })).json();
  const headers = { authorization: `Bearer ${created.key.key}` };
  assert.equal((await call("POST", "/v1/webhooks", { url }, headers)).status, 201);
  const log = async () => {
    const path = "/v1/webhooks/1/deliveries";
    return (await (await call("GET", path, undefined, headers)).json()).deliveries[0];
  };
  return { headers, log };
}

// Takes one message at a port.
async function listen(port) {
  const types = [];
  const receiver = createServer(async (request, response) => {
    types.push(JSON.parse(Buffer.concat(await request.toArray())).type);
    response.writeHead(204).end();
  });
  await once(receiver.listen(port, "127.0.0.1"), "listening");
  return { types, close: () => receiver.close() };
}

test("a message that nobody took is sent again after a restart", async () => {
  const { port, log } = await waiting();
  await restart();
  const { types, close } = await listen(port);
  await until("the message", async () => (await log()).status === "delivered");
  assert.deepEqual(types, ["key.created"]);
  close();
});

// The binding of this machine shows nobody what is written to it.
const POINTS = `export default () => ({
  writeDataPoint: (point) => console.log("POINT " + JSON.stringify(point)),
});`;

test("of many requests in a second one in ten is a point, which counts for ten", async () => {
  const data = join(scratch, "points");
  const { analyticsEngineDatasets, ...front } = options({ worker, data, key: KEY });
  assert.deepEqual(Object.keys(analyticsEngineDatasets), ["ANALYTICS"]);
  const { log, cf, host, port, defaultPersistRoot, ...own } = front;
  let said = "";
  const counted = new Miniflare({
    ...{ log, cf, host, port, defaultPersistRoot },
    handleRuntimeStdio: (out, err) => void (out.on("data", (text) => (said += text)), err.resume()),
    workers: [
      { ...own, name: "front", wrappedBindings: { ANALYTICS: "points" } },
      { name: "points", modules: true, script: POINTS },
    ],
  });
  try {
    const headers = { authorization: `Bearer ${KEY}` };
    const ask = async () => {
      const answer = await counted.dispatchFetch(url, { headers });
      await answer.text();
      return answer.status;
    };
    const space = "http://localhost/v1/namespaces/counted";
    await counted.dispatchFetch(space, { method: "PUT", headers, body: "{}" });
    const url = `${space}/kv/key`;
    await counted.dispatchFetch(url, { method: "PUT", headers, body: "x".repeat(3000) });
    const statuses = await Promise.all(Array.from({ length: 400 }, ask));
    assert.deepEqual(new Set(statuses), new Set([200]));
  } finally {
    await counted.dispose();
  }
  const points = Array.from(said.matchAll(/POINT (.*)/g), ([, point]) => JSON.parse(point));
  const [, put] = points.splice(0, 2);
  assert.deepEqual(put.blobs, ["PUT", "namespace", "201"]);
  assert.deepEqual(put.doubles.slice(2), [3, 0, 0]);
  assert.deepEqual(points[0].blobs, ["GET", "namespace", "200"]);
  assert.ok(points.every(({ doubles }) => doubles[3] === 1));
  const weights = points.map(({ doubles }) => doubles[1]);
  assert.deepEqual(new Set(weights), new Set([1, 10]));
  assert.ok(points.length < 300, `${points.length} points`);
  const told = weights.reduce((sum, weight) => sum + weight, 0);
  assert.ok(told > 120 && told < 1000, `${told} requests`);
});

test("a webhook does not lead inside, whatever it is called", async () => {
  for (const url of [
    "https://10.0.0.1/",
    "http://[::1]:8000/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://2852039166/latest",
    "http://example.com/",
  ]) {
    const { headers, log } = await tenantWith(url);
    assert.equal((await call("POST", "/v1/webhooks/1/test", undefined, headers)).status, 202);
    await until("the refusal", async () => (await log()).answer?.includes("webhook_networks"));
  }
});

test("what was refused is in the log though the object ends", async () => {
  const made = await call("POST", "/v1/keys", { name: "reads", role: "reader" });
  const { key } = await made.json();
  const headers = { authorization: `Bearer ${key}` };
  const refused = await call("GET", "/v1/members", undefined, headers);
  assert.equal(refused.status, 403);
  // The alarm comes within three seconds.
  await sleep(5_000);
  await restart();
  const { entries } = await (await call("GET", "/v1/audit?limit=1000")).json();
  assert.ok(entries.some(({ outcome }) => outcome === "permission_denied"), JSON.stringify(entries));
});

test("cookies insist on TLS where it was come over, if nobody says where browsers come", async () => {
  const bindings = { QUARTZ_ROOT_KEY: KEY };
  const { defaultPersistRoot, durableObjectsPersist, ...settings } = quiet;
  const other = new Miniflare({ ...settings, bindings });
  const send = (scheme, method, path, headers, body) =>
    other.dispatchFetch(`${scheme}://localhost${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
  try {
    const invited = { email: "ann@example.com", role: "reader" };
    const root = { authorization: `Bearer ${KEY}` };
    const { token } = await (await send("http", "POST", "/v1/invitations", root, invited)).json();
    const password = "correct horse";
    const cookie = (answer) => answer.headers.get("set-cookie");
    const secure = cookie(await send("https", "POST", "/v1/auth/accept", {}, { token, password }));
    assert.match(secure, /^__Host-quartz_session=.*; Secure$/);
    const login = { email: invited.email, password };
    // What a client says of it does not count.
    const lie = { "x-forwarded-proto": "https" };
    const plain = cookie(await send("http", "POST", "/v1/auth/login", lie, login));
    assert.match(plain, /^quartz_session=/);
    assert.doesNotMatch(plain, /Secure/);
    for (const [scheme, set] of [
      ["https", secure],
      ["http", plain],
    ]) {
      const held = { cookie: set.split(";")[0] };
      const session = await send(scheme, "GET", "/v1/auth/session", held);
      assert.equal(session.status, 200, scheme);
      const who = await send(scheme, "GET", "/v1/whoami", held);
      assert.equal(who.status, 200, scheme);
    }
  } finally {
    await other.dispose();
  }
});

const oidc = { QUARTZ_OIDC_ISSUER: "https://id.example", QUARTZ_OIDC_CLIENT_ID: "quartz" };
for (const [vars, missing] of [
  [{ QUARTZ_MAIL_KEY: "" }, "QUARTZ_MAIL_URL needs QUARTZ_MAIL_KEY, which is not set"],
  [{ QUARTZ_OIDC_CLIENT_ID: "x" }, "QUARTZ_OIDC_CLIENT_ID needs QUARTZ_OIDC_ISSUER, the provider"],
  [oidc, "QUARTZ_OIDC_ISSUER needs QUARTZ_OIDC_ROLES or QUARTZ_OIDC_DEFAULT_ROLE"],
  [
    { ...oidc, QUARTZ_OIDC_ROLES: "a=reader", QUARTZ_OIDC_ISSUER: "http://id.example" },
    "an identity provider is spoken to over https, over http only on this machine",
  ],
]) {
  test(`a setting that is wrong is named in the log: ${missing}`, async () => {
    let said = "";
    const hear = (stream) => stream.on("data", (piece) => (said += piece));
    const { defaultPersistRoot, durableObjectsPersist, ...settings } = quiet;
    const bindings = { ...settings.bindings, ...vars };
    const handleRuntimeStdio = (out, err) => void (hear(out), hear(err));
    const other = new Miniflare({ ...settings, bindings, handleRuntimeStdio });
    try {
      const answer = await other.dispatchFetch("http://localhost/v1/auth/methods");
      assert.deepEqual([answer.status, (await answer.json()).code], [500, "internal"]);
      await until("the message", () => said.includes(missing));
    } finally {
      await other.dispose();
    }
  });
}
