// Single sign-on by OpenID Connect: the authorization code flow with PKCE, by a library that is made for runtimes
// like this one. crates/quartzdb/src/server/openid_connect.rs is the same for servers; what it holds to is held
// to here.
import * as oauth from "./oauth4webapi.js";

// Until a request is given up: a browser waits, and two or three come after each other.
const TIMEOUT_MILLIS = 8_000;
// The longest answer of a provider.
const ANSWER_BYTES_MAX = 1 << 20;
// How long what was discovered is taken on trust.
const FRESH_MILLIS = 60 * 60_000;
// Pause after a discovery that failed, if there is an older one.
const PAUSE_MILLIS = 60_000;
// Pause after a discovery that failed, if there is none.
const FIRST_PAUSE_MILLIS = 2_000;
// Tokens with unknown keys make us ask for keys no more often.
const KEYS_PAUSE_MILLIS = 60_000;

// How tokens may be signed: with a key pair. With a shared secret (`HS256`) or not at all (`none`) anybody could
// who has seen the provider's public key, or nothing.
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512"],
  ...["PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "EdDSA"],
];

// The library asks for TLS everywhere; we let it off on this machine, and nowhere else.
const OPTIONS = { [oauth.customFetch]: ask, [oauth.allowInsecureRequests]: true };

// It could not be asked. Whatever else is thrown here: it has been, and what it says does not hold.
class Unavailable extends Error {
  name = "Unavailable";
}

// Throws unless an address may be gone to: secrets go over TLS, or do not leave the machine.
export function checkTransport(address) {
  const url = URL.parse(address);
  if (url === null) throw new Error(`${address}: this is no URL`);
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && isLoopback)) return;
  const where = "over https, over http only on this machine";
  throw new Error(`${address}: an identity provider is spoken to ${where}`);
}

// Sends a request of the library, which follows no redirects: a secret goes where it is sent.
async function ask(address, init) {
  const pieces = [];
  let bytes = 0;
  const whole = new WritableStream({
    write(piece) {
      bytes += piece.length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
      pieces.push(piece);
    },
  });
  try {
    checkTransport(address);
    const signal = AbortSignal.timeout(TIMEOUT_MILLIS);
    const response = await fetch(address, { ...init, signal });
    await response.body?.pipeTo(whole, { signal });
    return new Response(new Blob(pieces), response);
  } catch (error) {
    throw new Unavailable(error.message);
  }
}

// A provider that people sign in at. What it is like is discovered when somebody first signs in, and again every
// hour; its keys are fetched when they are needed, and are good for five minutes.
export class Provider {
  #issuer;
  #client;
  #secret;
  #redirect;
  #scope;
  #groupsClaim;
  #metadata;
  // Why there is none.
  #fault;
  // When to ask again.
  #due = 0;
  #asking;
  // What the library knows of the keys.
  #keys = {};
  // From when on unknown keys are a reason to ask for keys that are fresh.
  #keysDue = 0;

  constructor(issuer, clientId, secret, redirect, scope, groupsClaim) {
    this.#issuer = issuer;
    this.#client = { client_id: clientId };
    this.#secret = secret;
    this.#redirect = redirect;
    this.#scope = scope;
    this.#groupsClaim = groupsClaim;
  }

  // Where a browser goes to sign in.
  async signInUrl(state, nonce, verifier) {
    const { authorization_endpoint } = await this.#discovered();
    const url = new URL(authorization_endpoint);
    const sent = {
      response_type: "code",
      client_id: this.#client.client_id,
      redirect_uri: this.#redirect,
      scope: this.#scope,
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value);
    return url.href;
  }

  // Trades a code for who has signed in: JSON, as crates/worker/src/sso.rs reads it.
  async identify(code, state, nonce, verifier) {
    const provider = await this.#discovered();
    // Whether state and issuer are those that belong to the code has been looked at where it came in.
    const back = new URLSearchParams({ code, state, iss: provider.issuer });
    const answer = await oauth.authorizationCodeGrantRequest(
      provider,
      this.#client,
      this.#proof(provider),
      oauth.validateAuthResponse(provider, this.#client, back, state),
      this.#redirect,
      verifier,
      OPTIONS,
    );
    const expected = { expectedNonce: nonce, requireIdToken: true };
    const tokens = await oauth.processAuthorizationCodeResponse(
      provider,
      this.#client,
      answer,
      expected,
    );
    await this.#verify(answer);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if ([claims.aud].flat().length !== 1) throw new Error("the token is for others too");
    await checkAccessToken(tokens, claims.at_hash);
    let { email, email_verified } = claims;
    let groups = claims[this.#groupsClaim];
    // Providers may keep what a scope asks for out of the token (OpenID Connect Core, section 5.4).
    const isSilent = email === undefined || groups === undefined;
    if (isSilent && provider.userinfo_endpoint !== undefined) {
      const more = await this.#userinfo(provider, tokens.access_token, claims.sub);
      if (email === undefined) ({ email, email_verified } = more);
      groups ??= more[this.#groupsClaim];
    }
    const isText = (value) => typeof value === "string";
    return JSON.stringify({
      subject: claims.sub,
      email: isText(email) ? email : null,
      // Some say it as a text.
      email_verified: email_verified === undefined ? null : String(email_verified) === "true",
      groups: [groups].flat().filter(isText),
    });
  }

  async #userinfo(provider, token, subject) {
    const answer = await oauth.userInfoRequest(provider, this.#client, token, OPTIONS);
    const more = await oauth.processUserInfoResponse(provider, this.#client, subject, answer);
    if (oauth.getContentType(answer) === "application/jwt") await this.#verify(answer);
    return more;
  }

  // What proves to the provider that it is us.
  #proof({ token_endpoint_auth_methods_supported: methods }) {
    if (this.#secret === undefined) return oauth.None();
    return (methods?.includes("client_secret_basic") ?? true)
      ? oauth.ClientSecretBasic(this.#secret)
      : oauth.ClientSecretPost(this.#secret);
  }

  // What the provider is like; one request at a time finds out.
  async #discovered() {
    if (Date.now() >= this.#due) {
      this.#asking ??= this.#discover().finally(() => (this.#asking = undefined));
      await this.#asking;
    }
    if (this.#metadata === undefined) throw new Unavailable(this.#fault);
    return this.#metadata;
  }

  async #discover() {
    let pause = FRESH_MILLIS;
    try {
      const issuer = new URL(this.#issuer);
      const answer = await oauth.discoveryRequest(issuer, OPTIONS);
      this.#know(sound(await oauth.processDiscoveryResponse(issuer, answer), this.#issuer));
    } catch (error) {
      this.#fault = error.message;
      pause = this.#metadata === undefined ? FIRST_PAUSE_MILLIS : PAUSE_MILLIS;
      console.warn(`discovery of ${this.#issuer} failed: ${error.message}`);
    }
    this.#due = Date.now() + pause;
  }

  // The library fetches the keys of what it has not seen before.
  #know(metadata) {
    this.#metadata = metadata;
    this.#keys = {};
  }

  // Checks the signature of the token in an answer. A key that is unknown may be new.
  async #verify(answer) {
    const verify = () => {
      const options = { ...OPTIONS, [oauth.jwksCache]: this.#keys };
      return oauth.validateApplicationLevelSignature(this.#metadata, answer, options);
    };
    const known = this.#keys.uat;
    try {
      return await verify();
    } catch (error) {
      const wasKnown = known !== undefined && this.#keys.uat === known;
      const isUnknown = error.code === oauth.KEY_SELECTION;
      if (!isUnknown || !wasKnown || Date.now() < this.#keysDue) throw error;
    }
    this.#keysDue = Date.now() + KEYS_PAUSE_MILLIS;
    this.#know({ ...this.#metadata });
    return verify();
  }
}

// Metadata of the issuer whose addresses may all be gone to, and whose tokens are signed as we want it.
function sound(metadata, issuer) {
  if (metadata.issuer !== issuer) throw new Error(`it calls itself ${metadata.issuer}`);
  const { authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint } = metadata;
  for (const needed of [authorization_endpoint, token_endpoint, jwks_uri]) checkTransport(needed);
  if (userinfo_endpoint !== undefined) checkTransport(userinfo_endpoint);
  return {
    ...metadata,
    id_token_signing_alg_values_supported: ALGORITHMS,
    userinfo_signing_alg_values_supported: ALGORITHMS,
  };
}

// Holds an access token to what the signed one says of it (OpenID Connect Core, section 3.1.3.6).
async function checkAccessToken({ access_token, id_token }, expected) {
  if (expected === undefined) return;
  const base64url = { alphabet: "base64url", omitPadding: true };
  const header = Uint8Array.fromBase64(id_token.split(".")[0], base64url);
  const { alg } = JSON.parse(new TextDecoder().decode(header));
  const bits = alg === "EdDSA" ? 512 : alg.slice(-3);
  const token = new TextEncoder().encode(access_token);
  const digest = await crypto.subtle.digest(`SHA-${bits}`, token);
  const half = new Uint8Array(digest, 0, digest.byteLength / 2);
  if (half.toBase64(base64url) !== expected) throw new Error("at_hash is another token's");
}
