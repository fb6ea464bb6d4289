// What the platform calls: passes requests on to the Rust module, and outlives it.
//
// A panic in the module, or an exception of JavaScript that crosses its frames, leaves its memory in an
// unknown state and its futures unfinished. So everything in flight fails at once, and the next call starts
// a fresh instance with fresh objects. What was committed is in SQLite; what was not is undone by the runtime.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as quartz from "./quartz.js";

// Bodies up to this size cross into the module whole.
const WHOLE_BYTES = 1 << 20;

let instance = 1;
let dead = false;
const inFlight = new Set();

// Called by the module's glue whenever a call into it, ours or the event loop's, ends in a trap.
globalThis.quartzDied = () => {
  dead = true;
  for (const fail of inFlight) fail(new Error("the module died"));
};

// The number of the present instance, after starting it if the last one died.
function present() {
  if (dead) {
    dead = false;
    instance += 1;
    quartz.__wbg_reset_state();
  }
  return instance;
}

// Awaits a call into the module, or the module's death.
export async function guarded(call) {
  let fail;
  const death = new Promise((_, reject) => (fail = reject));
  inFlight.add(fail);
  try {
    return await Promise.race([call(), death]);
  } finally {
    inFlight.delete(fail);
  }
}

// A value of the module that is made again for each instance.
class PerInstance {
  #make;
  #value;
  #madeIn = 0;

  constructor(make) {
    this.#make = make;
  }

  get() {
    if (this.#madeIn !== present()) {
      this.#value = this.#make();
      this.#madeIn = instance;
    }
    return this.#value;
  }
}

// The head of a request. The platform writes its own Accept-Encoding over that of the client, and compresses
// what is not; only what the client itself asked for counts.
function head(request) {
  let text = "";
  for (const [name, value] of request.headers) {
    if (name !== "accept-encoding") text += `${name}\n${value}\n`;
  }
  const accepted = request.cf?.clientAcceptEncoding;
  return accepted ? `${text}accept-encoding\n${accepted}\n` : text;
}

function pairs(text) {
  const headers = [];
  const parts = text.split("\n");
  for (let at = 0; at + 1 < parts.length; at += 2) headers.push([parts[at], parts[at + 1]]);
  return headers;
}

// From `https://host/path?query` on.
function target(url) {
  return url.slice(url.indexOf("/", url.indexOf("//") + 2));
}

// A body as it crosses into the module: nothing, bytes, or a reader of them.
function incoming({ body, headers }, whole) {
  if (body === null) return undefined;
  const length = headers.get("content-length");
  return length !== null && Number(length) <= WHOLE_BYTES ? whole() : body.getReader();
}

function outgoing(body) {
  if (body === undefined || body instanceof Uint8Array) return body;
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
      if (!dead) body.free();
    },
  });
}

// Has the module answer a request. `call` gets what the module takes of it.
async function exchange(request, call) {
  const body = await incoming(request, () => request.bytes());
  const [status, headers, rest] = await guarded(() =>
    call(request.method, target(request.url), head(request), body),
  );
  // Compressed bodies are compressed already.
  return new Response(outgoing(rest), { status, headers: pairs(headers), encodeBody: "manual" });
}

// The problem documents that the module cannot write itself.
const PROBLEMS = {
  internal: {
    status: 500,
    title: "Internal error",
    detail: "the server failed on this request; it is in the log under the request id",
  },
  storage_unavailable: {
    status: 503,
    title: "Storage unavailable",
    detail: "the namespace has just been created or deleted elsewhere; retry",
  },
};

function problem(request, code) {
  const given = request.headers.get("x-request-id") ?? "";
  const id = /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : crypto.randomUUID();
  const { status, title, detail } = PROBLEMS[code];
  const type = `https://quartzdb.dev/errors/${code}`;
  const body = { type, title, status, code, detail, request_id: id };
  const headers = { "content-type": "application/problem+json", "x-request-id": id };
  if (status === 503) headers["retry-after"] = "1";
  return new Response(JSON.stringify(body), { status, headers });
}

export async function answered(request, work) {
  try {
    return await work();
  } catch (error) {
    console.error(error?.stack ?? error);
    return problem(request, "internal");
  }
}

// Where the records of a namespace are: in its object, or in partitions. An object refuses what is not for it
// (421), so what is remembered here may be old.
class Placements {
  static AGE_MILLIS = 60_000;
  static MOST = 10_000;
  #known = new Map();

  // `undefined`, or `[partitions, metric, created_at]`.
  async of(env, space) {
    const known = this.#known.get(space);
    if (known !== undefined && known.until > Date.now()) return known.placement;
    const placement = await home(env, space).placement();
    if (this.#known.size >= Placements.MOST) this.#known.clear();
    this.#known.set(space, { placement, until: Date.now() + Placements.AGE_MILLIS });
    return placement;
  }

  forget(space) {
    this.#known.delete(space);
  }
}

const MISDIRECTED = 421;
// The one object that holds the accounts and lists the namespaces of all.
const CATALOG = "root";

const placements = new Placements();
let front;

function catalog(env) {
  return env.CATALOGS.getByName(CATALOG);
}

// Who is let in, and who is told what was used, for the module.
function accounts(env, name, part) {
  return {
    admit: async (...knock) => catalog(env).admit(...knock),
    told: async (usage) => catalog(env).told(name, part, usage),
  };
}

// `space` is `account/name`.
function home(env, space) {
  return env.NAMESPACES.getByName(space);
}

function partition(env, space, createdAt, number) {
  return env.NAMESPACES.getByName(`${space}/${createdAt}/${number}`);
}

// Sends a request to where the records of its namespace are. `undefined`: they were somewhere else.
async function forward(env, request, path, space) {
  const isWhole = path.split("/").length === 4;
  if (isWhole && (request.method === "PUT" || request.method === "DELETE")) {
    placements.forget(space);
    const response = await home(env, space).fetch(request);
    return response.status === 200 ? described(env, request, path, space, response) : response;
  }
  const placement = await placements.of(env, space);
  let response;
  if (placement === undefined) {
    response = await home(env, space).fetch(request);
  } else {
    const [count, , createdAt] = placement;
    const only = front.get().partition(path, count);
    response =
      only >= 0
        ? await partition(env, space, createdAt, only).fetch(request)
        : await gather(env, request, space, placement);
  }
  if (response?.status !== MISDIRECTED && response !== undefined) return response;
  placements.forget(space);
  return undefined;
}

// Asks partitions and joins their answers. `undefined`: one of them is no longer there.
async function gather(env, request, space, [count, metric, createdAt]) {
  let isMoved = false;
  const name = space.split("/")[1];
  const send = async (number, method, path, lines, body) => {
    const headers = pairs(lines);
    const init = { method, headers, body };
    const object = partition(env, space, createdAt, number);
    const answer = await object.fetch(`https://partition${path}`, init);
    isMoved ||= answer.status === MISDIRECTED;
    const rest = await incoming(answer, () => answer.bytes());
    return [answer.status, head(answer), rest];
  };
  const response = await exchange(request, (...call) =>
    front.get().gather(name, count, metric, send, ...call),
  );
  return isMoved ? undefined : response;
}

// A namespace that was there already describes itself with what its partitions hold.
async function described(env, request, path, space, response) {
  const placement = await placements.of(env, space);
  if (placement === undefined) return response;
  const { headers } = request;
  const ask = new Request(request.url, { headers });
  return (await gather(env, ask, space, placement)) ?? response;
}

// Counts a request where it can be asked for later; without the binding, nowhere.
function count(env, request, [kind, account], response, started) {
  env.ANALYTICS?.writeDataPoint({
    indexes: [account ?? ""],
    blobs: [request.method, kind, String(response.status)],
    doubles: [Date.now() - started, Number(response.headers.get("content-length") ?? 0)],
  });
}

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const started = Date.now();
    const env = this.env;
    front ??= new PerInstance(() => new quartz.Front(env, accounts(env)));
    const path = target(request.url).split(/[?#]/, 1)[0];
    let route = [];
    const response = await answered(request, async () => {
      const named = (name) => request.headers.get(name) ?? undefined;
      const told = ["cf-connecting-ip", "authorization", "x-api-key", "api-key"].map(named);
      route = (await guarded(() => front.get().route(path, ...told))).split(" ");
      const [kind, account, name] = route;
      if (kind === "catalog") return catalog(env).fetch(request);
      if (kind !== "namespace") {
        return exchange(request, (...call) => front.get().fetch(...call));
      }
      const space = `${account}/${name}`;
      // What has no body can be sent again.
      const again = () => request.body === null && forward(env, request, path, space);
      const answer = (await forward(env, request, path, space)) ?? (await again());
      return answer || problem(request, "storage_unavailable");
    });
    count(env, request, route, response, started);
    return response;
  }
}

class QuartzObject extends DurableObject {
  module;

  async fetch(request) {
    return answered(request, () =>
      exchange(request, (...call) => this.module.get().fetch(...call)),
    );
  }

  alarm() {
    return guarded(() => this.module.get().alarm());
  }

  // Deletes the namespace here.
  leave(name) {
    return guarded(() => this.module.get().leave(name));
  }
}

// The object of a namespace, `account/name`, or of one of its partitions, `account/name/created_at/number`.
export class Namespace extends QuartzObject {
  constructor(ctx, env) {
    super(ctx, env);
    const [account, own, createdAt, part] = ctx.id.name.split("/");
    // As AccountId::scope of crates/service has it.
    const name = account === "root" ? own : `~${account}/${own}`;
    const others = createdAt === undefined ? this.others(env, `${account}/${own}`, name) : undefined;
    this.module = new PerInstance(
      () => new quartz.QuartzObject(ctx.storage, env, name, others, accounts(env, name, part)),
    );
  }

  // What crates/worker/src/listing.rs tells the other objects.
  others(env, space, name) {
    const all = (at, count, call) => {
      const partitions = Array.from({ length: count }, (_, number) =>
        partition(env, space, at, number),
      );
      return Promise.all(partitions.map(call));
    };
    return {
      enter: async (at) => catalog(env).enter(name, at),
      leave: async () => catalog(env).leave(name),
      found: (at, count, meta) => all(at, count, (object) => object.found(meta)),
      dissolve: (at, count) => all(at, count, (object) => object.leave(name)),
    };
  }

  placement() {
    return guarded(() => this.module.get().placement());
  }

  found(meta) {
    return guarded(() => this.module.get().found(meta));
  }
}

// The object that holds the accounts and lists their namespaces.
export class Catalog extends QuartzObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.module = new PerInstance(() => new quartz.QuartzObject(ctx.storage, env));
  }

  admit(key, address) {
    return guarded(() => this.module.get().admit(key, address));
  }

  enter(name, createdAt) {
    return guarded(() => this.module.get().enter(name, createdAt));
  }

  told(name, part, usage) {
    return guarded(() => this.module.get().told(name, part && Number(part), usage));
  }
}
