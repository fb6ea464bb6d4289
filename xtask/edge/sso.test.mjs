// Single sign-on on the real runtime, against a provider that signs whatever it is told: node --test sso.test.mjs
import assert from "node:assert/strict";
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import { Miniflare, options } from "./worker.mjs";

const { EDGE_WORKER: worker } = process.env;
const SECRET = "a secret of the client, long enough to sign with";
const PUBLIC = "https://db.example";
let provider;
let miniflare;

// An Ed25519 key (RFC 8410), and what is published of it.
function key(number) {
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([head, Buffer.alloc(32, number)]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function published(number) {
  return { ...createPublicKey(key(number)).export({ format: "jwk" }), kid: String(number) };
}

// What the provider says, and what it was asked.
async function startProvider() {
  const started = { keys: [published(1)], tokens: {}, userinfo: {}, asked: [] };
  const answers = {
    "/.well-known/openid-configuration": () => started.metadata,
    "/jwks": () => ({ keys: started.keys }),
    "/token": () => started.tokens,
    "/userinfo": () => started.userinfo,
  };
  started.server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    started.asked.push({ path: request.url, headers: request.headers, body });
    if (started.redirect === request.url) {
      response.writeHead(302, { location: "/elsewhere" }).end();
      return;
    }
    const answer = answers[request.url]?.() ?? { error: "not_found" };
    response.writeHead(answer.error === undefined ? 200 : 400, { "content-type": "application/json" });
    if (started.endless === request.url) response.write(" ");
    else response.end(JSON.stringify(answer));
  }).listen(0, "127.0.0.1");
  await once(started.server, "listening");
  const issuer = `http://127.0.0.1:${started.server.address().port}`;
  started.issuer = issuer;
  started.metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["none", "HS256", "EdDSA"],
  };
  return started;
}

beforeEach(async () => {
  provider = await startProvider();
  const vars = {
    QUARTZ_PUBLIC_URL: PUBLIC,
    QUARTZ_OIDC_ISSUER: provider.issuer,
    QUARTZ_OIDC_CLIENT_ID: "quartz",
    QUARTZ_OIDC_CLIENT_SECRET: SECRET,
    QUARTZ_OIDC_SCOPES: "email,team",
    QUARTZ_OIDC_ROLES: "staff=reader",
  };
  const settings = options({ worker, key: "qz_root_of_a_test", vars });
  // What the log says of refusals that are asked for is not for those who run the tests.
  const handleRuntimeStdio = (out, err) => void (out.resume(), err.resume());
  miniflare = new Miniflare({ ...settings, handleRuntimeStdio });
  await miniflare.ready;
});
afterEach(async () => {
  await miniflare.dispose();
  provider.server.closeAllConnections();
  provider.server.close();
});

function get(path, cookie = "") {
  const init = { headers: { cookie }, redirect: "manual" };
  return miniflare.dispatchFetch(`http://localhost${path}`, init);
}

function asked(path) {
  return provider.asked.filter((one) => one.path === path);
}

// Where the browser is sent, and what it keeps.
async function begin() {
  const begun = await get("/v1/auth/sso");
  assert.equal(begun.status, 303, await begun.text());
  const [kept] = begun.headers.get("set-cookie").split(";");
  return { url: new URL(begun.headers.get("location")), kept };
}

function finish({ url, kept }) {
  const back = new URLSearchParams({ state: url.searchParams.get("state"), code: "the code" });
  return get(`/v1/auth/sso/callback?${back}`, kept);
}

// The claims of a good token, with changes; `undefined` takes one away.
function claims(nonce, changes = {}) {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: provider.issuer,
    aud: "quartz",
    sub: "ann",
    iat: now,
    exp: now + 60,
    nonce,
    email: "ann@example.com",
    email_verified: true,
    groups: ["staff"],
    ...changes,
  };
}

function signed(header, claims, signature) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${Buffer.from(signature(text)).toString("base64url")}`;
}

function token(number, claims) {
  const header = { alg: "EdDSA", typ: "JWT", kid: String(number) };
  return signed(header, claims, (text) => sign(null, text, key(number)));
}

// Signs in with the token that `make` makes for a nonce; gives status and, of a refusal, the code.
async function signIn(make) {
  const begun = await begin();
  const id_token = make(begun.url.searchParams.get("nonce"));
  provider.tokens = { access_token: "t", token_type: "Bearer", id_token };
  const answer = await finish(begun);
  return answer.status === 303 ? [303] : [answer.status, (await answer.json()).code];
}

const IN = [303];
const REFUSED = [401, "sso_failed"];

test("a browser is sent with all that ties it, and a code is traded with all that proves it", async () => {
  const { url } = await begin();
  const sent = Object.fromEntries(url.searchParams);
  assert.equal(sent.redirect_uri, `${PUBLIC}/v1/auth/sso/callback`);
  assert.deepEqual(
    [url.pathname, sent.response_type, sent.client_id, sent.scope, sent.code_challenge_method],
    ["/authorize", "code", "quartz", "openid email team", "S256"],
  );
  assert.deepEqual(await signIn((nonce) => token(1, claims(nonce))), IN);
  const [traded] = asked("/token");
  const form = Object.fromEntries(new URLSearchParams(traded.body));
  assert.deepEqual(
    [form.grant_type, form.code, form.redirect_uri],
    ["authorization_code", "the code", sent.redirect_uri],
  );
  assert.match(traded.headers.authorization, /^Basic /);
  assert.equal(form.code_verifier.length, 43);
  // It was found out once what the provider is like, and nothing that the token says was asked for again.
  assert.equal(asked("/.well-known/openid-configuration").length, 1);
  assert.equal(asked("/userinfo").length, 0);
});

test("a token that is not ours is refused", async () => {
  const digest = createHash("sha512").update("t").digest();
  const at_hash = digest.subarray(0, 32).toString("base64url");
  assert.deepEqual(await signIn((nonce) => token(1, claims(nonce, { at_hash }))), IN);
  for (const changes of [
    { iss: "https://evil.example" },
    { iss: undefined },
    { aud: "other" },
    { aud: ["quartz", "other"] },
    { aud: ["quartz", "other"], azp: "quartz" },
    { aud: undefined },
    { exp: 1_000_000 },
    { exp: undefined },
    { nonce: "another" },
    { nonce: undefined },
    { sub: undefined },
    { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" },
  ]) {
    const answer = await signIn((nonce) => token(1, claims(nonce, changes)));
    assert.deepEqual(answer, REFUSED, JSON.stringify(changes));
  }
  assert.deepEqual(await signIn(() => undefined), REFUSED);
  const begun = await begin();
  provider.tokens = { error: "invalid_grant" };
  assert.equal((await finish(begun)).status, 401);
});

test("a signature is by a key of the provider and no other way", async () => {
  const hs256 = { alg: "HS256", kid: "1" };
  const eddsa = { alg: "EdDSA", kid: "1" };
  const hmac = (secret) => (text) => createHmac("sha256", secret).update(text).digest();
  // What everybody knows as a secret: the public key, as it is published.
  const known = Buffer.from(published(1).x, "base64url");
  const other = (text) => sign(null, text, key(9));
  for (const [by, header, signature] of [
    ["the client's secret", hs256, hmac(SECRET)],
    ["the public key", hs256, hmac(known)],
    ["nothing", { alg: "none" }, () => ""],
    ["Nothing", { alg: "None" }, () => ""],
    ["nothing, though it is said to be", eddsa, () => ""],
    ["another key by the same name", eddsa, other],
    ["another key without a name", { alg: "EdDSA" }, other],
  ]) {
    const answer = await signIn((nonce) => signed(header, claims(nonce), signature));
    assert.deepEqual(answer, REFUSED, by);
  }
  // One that is good, with other claims under its signature.
  const tampered = (nonce) => {
    const [head, , signature] = token(1, claims(nonce)).split(".");
    const [, body] = token(1, claims(nonce, { email: "eve@example.com" })).split(".");
    return `${head}.${body}.${signature}`;
  };
  assert.deepEqual(await signIn(tampered), REFUSED);
  assert.deepEqual(await signIn((nonce) => token(1, claims(nonce))), IN);
});

test("keys are rotated, and unknown ones looked for once", async () => {
  const by = (number) => signIn((nonce) => token(number, claims(nonce)));
  const fetched = () => asked("/jwks").length;
  assert.deepEqual([await by(1), fetched()], [IN, 1]);
  provider.keys = [published(2)];
  assert.deepEqual([await by(2), fetched()], [IN, 2]);
  // The former key is none any more; and nobody makes us ask again within a minute.
  assert.deepEqual([await by(1), fetched()], [REFUSED, 2]);
  provider.keys = [published(3)];
  assert.deepEqual([await by(3), fetched()], [REFUSED, 2]);
  assert.deepEqual([await by(2), fetched()], [IN, 2]);
});

test("what the token leaves out is asked for", async () => {
  const left = { email: undefined, email_verified: undefined, groups: undefined };
  const bare = () => signIn((nonce) => token(1, claims(nonce, left)));
  provider.userinfo = { sub: "ann", email: "ann@example.com", groups: "staff" };
  assert.deepEqual(await bare(), IN);
  assert.equal(asked("/userinfo")[0].headers.authorization, "Bearer t");
  for (const email_verified of [false, "false"]) {
    provider.userinfo = { sub: "ann", email: "ann@example.com", email_verified, groups: ["staff"] };
    assert.deepEqual(await bare(), [403, "sso_refused"]);
  }
  // Somebody else's.
  provider.userinfo = { sub: "eve", email: "ann@example.com", groups: ["staff"] };
  assert.deepEqual(await bare(), REFUSED);
});

for (const [name, value] of [
  ["issuer", "https://evil.example"],
  ["authorization_endpoint", "http://evil.example/authorize"],
  ["token_endpoint", "http://evil.example/token"],
  ["userinfo_endpoint", "http://evil.example/userinfo"],
  ["jwks_uri", "http://evil.example/jwks"],
  ["op_policy_uri", "x".repeat(1 << 20)],
]) {
  test(`a provider whose ${name} is not what it should be is none`, async () => {
    provider.metadata[name] = value;
    const answer = await get("/v1/auth/sso");
    assert.deepEqual([answer.status, (await answer.json()).code], [503, "sso_unavailable"]);
    // Not asked again at once.
    assert.equal((await get("/v1/auth/sso")).status, 503);
    assert.equal(asked("/.well-known/openid-configuration").length, 1);
  });
}

test("a redirect is not followed, and an answer without an end is given up", async () => {
  const good = (nonce) => token(1, claims(nonce));
  provider.redirect = "/token";
  assert.deepEqual(await signIn(good), REFUSED);
  assert.equal(asked("/elsewhere").length, 0);
  provider.redirect = undefined;
  provider.endless = "/token";
  assert.deepEqual(await signIn(good), [503, "sso_unavailable"]);
  provider.endless = undefined;
  assert.deepEqual(await signIn(good), IN);
});
