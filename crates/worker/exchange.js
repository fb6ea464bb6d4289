// Requests and answers as they cross into the Rust module and out of it; see crates/worker/src/exchange.rs.
import { guarded, isDead } from "./module.js";

// Bodies up to this size cross into the module whole.
const WHOLE_BYTES = 1 << 20;

// Whether a request has come over TLS, as its first line; what a client says of it does not count.
function scheme(url) {
  return url.startsWith("https:") ? "x-forwarded-proto\nhttps\n" : "";
}

// The headers of a request or an answer. The platform writes its own Accept-Encoding over that of the client, and
// compresses what is not; only what the client itself asked for counts.
export function lines(message) {
  let text = "";
  message.headers.forEach((value, name) => {
    if (name !== "accept-encoding" && name !== "x-forwarded-proto") text += `${name}\n${value}\n`;
  });
  const accepted = message.cf?.clientAcceptEncoding;
  return accepted ? `${text}accept-encoding\n${accepted}\n` : text;
}

// The headers that may hold a credential.
const CREDENTIALS = ["authorization", "x-api-key", "api-key", "cookie", "quartz-csrf"];

export function credentials(request) {
  const { headers } = request;
  let text = scheme(request.url);
  for (const name of CREDENTIALS) {
    const value = headers.get(name);
    if (value !== null) text += `${name}\n${value}\n`;
  }
  return text;
}

// Lines of names that came lately: the names, whether one may be there several times, and whether the body is compressed.
const NAMES_AT_MOST = 1000;
const known = new Map();

function namesOf(line) {
  let names = known.get(line);
  if (names === undefined) {
    if (known.size >= NAMES_AT_MOST) known.clear();
    const all = line === "" ? [] : line.split(",");
    names = { all, repeat: all.includes("set-cookie"), coded: all.includes("content-encoding") };
    known.set(line, names);
  }
  return names;
}

// Headers that the module made; see crates/worker/src/exchange.rs. The platform takes an object in half the time that
// pairs cost it. Only a cookie may be there several times.
function fieldsOf({ all, repeat }, lines) {
  if (repeat) return all.map((name, at) => [name, lines[at + 1]]);
  const headers = {};
  for (let at = 0; at < all.length; at += 1) headers[all[at]] = lines[at + 1];
  return headers;
}

export function fields(text) {
  const lines = text.split("\n");
  return fieldsOf(namesOf(lines[0]), lines);
}

// Where, in `https://host/path?query`, the path begins.
function pathAt(url) {
  return url.indexOf("/", url.indexOf("//") + 2);
}

function target(url) {
  return url.slice(pathAt(url));
}

const PATH_ENDS = /[?#]/;

export function pathOf(url) {
  const end = url.search(PATH_ENDS);
  return url.slice(pathAt(url), end < 0 ? url.length : end);
}

// A body as it crosses into the module: nothing, bytes, or a reader of them.
export function incoming(message) {
  const length = message.headers.get("content-length");
  if (length !== null && Number(length) <= WHOLE_BYTES) return message.bytes();
  return message.body?.getReader();
}

// Small bodies share a buffer: to make one, and to be rid of it, costs more than the copy.
const BUFFER_BYTES = 64 << 10;
const SMALL_BYTES = 4 << 10;
let buffer = new Uint8Array(0);
let filled = 0;

// The memory of the module will soon hold something else.
function copied(body) {
  const { length } = body;
  if (length > SMALL_BYTES) return body.slice();
  if (filled + length > buffer.length) {
    buffer = new Uint8Array(BUFFER_BYTES);
    filled = 0;
  }
  const copy = buffer.subarray(filled, filled + length);
  copy.set(body);
  filled += length;
  return copy;
}

function outgoing(body) {
  if (body === undefined) return body;
  if (body instanceof Uint8Array) return copied(body);
  return new ReadableStream({
    async pull(controller) {
      const piece = await guarded(() => body.next());
      if (piece === undefined) {
        body.free();
        controller.close();
      } else {
        controller.enqueue(piece);
      }
    },
    cancel() {
      if (!isDead()) body.free();
    },
  });
}

// Where the front sends the parts of a request.
export const PARTS = "https://partition";

// Has a value of the module, which is `PerInstance`, answer a request. An object hears, too, whether it is a part.
export function exchange(request, answering) {
  const { method, url } = request;
  const head = `${method}\n${target(url)}\n${scheme(url)}${lines(request)}`;
  const send = (body) => guarded(() => answering.get().fetch(head, body, url.startsWith(PARTS)));
  if (method === "GET") return send();
  const body = incoming(request);
  return body instanceof Promise ? body.then(send) : send(body);
}

// Called by the module, which makes its answers by it; see crates/worker/src/exchange.rs. What an answer does not
// need to say costs the platform time.
globalThis.quartzResponse = (status, text, body) => {
  const lines = text.split("\n");
  const names = namesOf(lines[0]);
  const headers = fieldsOf(names, lines);
  // A compressed body is compressed already.
  if (names.coded) return new Response(outgoing(body), { status, headers, encodeBody: "manual" });
  return new Response(outgoing(body), status === 200 ? { headers } : { status, headers });
};
