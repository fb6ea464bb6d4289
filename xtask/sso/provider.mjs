// node provider.mjs PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI: an OpenID Connect provider on 127.0.0.1, until
// it is told to stop. A line of JSON on its input changes what it is, and is answered by a line:
//   {"people": {NAME: CLAIMS}}  who may sign in, and what is told of them
//   {"rotate": ALGORITHM}       signs with a new key; the one before is gone
//   {"in_token": true}          what scopes ask for stands in the token too, not only in userinfo
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// Standard output is for answers; what the library has to say is for the log.
const say = (line) => process.stdout.write(`${line}\n`);
console.log = console.info = console.error;

const library = join(process.env.SSO_MODULES, "oidc-provider/lib/index.js");
const { default: Provider } = await import(pathToFileURL(library));

const [port, client_id, client_secret, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const KEYS = { RS256: ["rsa", { modulusLength: 2048 }], ES256: ["ec", { namedCurve: "P-256" }] };

const cookieKeys = [randomBytes(32).toString("hex")];
let people = {};
let inToken = false;
let key;
let serve;

function rotate(alg) {
  const { privateKey } = generateKeyPairSync(...KEYS[alg]);
  key = { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: randomUUID() };
}

function renew() {
  const client = { client_id, client_secret, redirect_uris: [redirect] };
  const provider = new Provider(issuer, {
    clients: [{ ...client, id_token_signed_response_alg: key.alg }],
    jwks: { keys: [key] },
    cookies: { keys: cookieKeys },
    claims: { email: ["email", "email_verified"], groups: ["groups"] },
    conformIdTokenClaims: !inToken,
    findAccount: (_, name) => ({ accountId: name, claims: () => ({ sub: name, ...people[name] }) }),
  });
  serve = provider.callback();
}

rotate("RS256");
renew();
createServer((request, response) => serve(request, response)).listen(Number(port), "127.0.0.1", () => {
  say(issuer);
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const change = JSON.parse(line);
    people = change.people ?? people;
    inToken = change.in_token ?? inToken;
    if (change.rotate) rotate(change.rotate);
    if (!change.people) renew();
    say("done");
  })
  .on("close", () => process.exit(0));
