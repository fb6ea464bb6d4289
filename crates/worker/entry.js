// What the platform calls: passes requests on to the Rust module.
import { DurableObject } from "cloudflare:workers";
import { PARTS, credentials, exchange, fields, incoming, lines, pathOf } from "./exchange.js";
import { PerInstance, guarded } from "./module.js";
import { count } from "./points.js";
import * as quartz from "./quartz.js";

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

function failed(request, error) {
  console.error(error?.stack ?? error);
  return problem(request, "internal");
}

export async function answered(request, work) {
  try {
    return await work();
  } catch (error) {
    return failed(request, error);
  }
}

// What was found out lately.
class Memory {
  static MOST = 10_000;
  #known = new Map();
  #ageMillis;

  constructor(ageMillis) {
    this.#ageMillis = ageMillis;
  }

  get(key, now) {
    const known = this.#known.get(key);
    return known !== undefined && known.until > now ? known.value : undefined;
  }

  set(key, value, now) {
    if (this.#known.size >= Memory.MOST) this.#known.clear();
    this.#known.set(key, { value, until: now + this.#ageMillis });
    return value;
  }

  forget(key) {
    this.#known.delete(key);
  }
}

const MISDIRECTED = 421;
// The one object that keeps the people and lists the accounts.
const REGISTRY = "registry";
const NAMESPACES = "/v1/namespaces/";

// Where the records of a namespace are: `[partitions, metric, created_at]`, or `null`: in its object. An object
// refuses what is not for it (421), so this may be old.
const placements = new Memory(60_000);
// Which object a key and a path lead to. Who is let in is the object's to say, and it is told sooner.
const routes = new Memory(2_000);
let front;

function registry(env) {
  return env.REGISTRIES.getByName(REGISTRY);
}

// The object of an account.
function account(env, id) {
  return env.ACCOUNTS.getByName(id);
}

// Who is asked: an account, or else the registry; see crates/worker/src/peers.rs. `name` and `part` are of the
// namespace that tells its account what was used.
function peers(env, name, part) {
  const peer = (id) => (id === undefined ? registry(env) : account(env, id));
  return {
    admit: async (id, ...knock) => peer(id).admit(...knock),
    ask: async (id, ask) => peer(id).ask(ask),
    told: async (usage) => account(env, accountOf(name)).told(name, part, usage),
  };
}

// `account/name` of a namespace, as AccountId::scope of crates/service has it.
function spaceOf(name) {
  return name.startsWith("~") ? name.slice(1) : `root/${name}`;
}

function accountOf(name) {
  return spaceOf(name).split("/")[0];
}

// Ids of objects by name: to make one hashes the name, and it is for good.
const ids = new Map();

// The object of a namespace, `account/name`, or of one of its partitions.
function home(env, name) {
  let id = ids.get(name);
  if (id === undefined) {
    if (ids.size >= Memory.MOST) ids.clear();
    id = env.NAMESPACES.idFromName(name);
    ids.set(name, id);
  }
  return env.NAMESPACES.get(id);
}

function partition(env, space, createdAt, number) {
  return home(env, `${space}/${createdAt}/${number}`);
}

// `[kind, account, name]` of a request, or a promise of it; see crates/worker/src/front.rs.
function route(request, path, now) {
  const named = (name) => request.headers.get(name) ?? undefined;
  const [authorization, address] = [named("authorization"), named("cf-connecting-ip")];
  const ask = () => {
    const told = credentials(request);
    return guarded(() => front.get().route(request.method, path, address, told));
  };
  if (authorization === undefined || !path.startsWith(NAMESPACES)) return split(ask());
  const end = path.indexOf("/", NAMESPACES.length);
  const space = end < 0 ? path : path.slice(0, end);
  const knock = `${space}\n${authorization}\n${address}`;
  return routes.get(knock, now) ?? split(ask(), (found) => routes.set(knock, found, now));
}

function split(words, remember) {
  if (words instanceof Promise) return words.then((words) => split(words, remember));
  const found = words.split(" ");
  if (found[0] === "namespace") remember?.(found);
  return found;
}

async function placement(env, space, now) {
  const asked = await home(env, space).placement();
  return placements.set(space, asked ?? null, now);
}

// Sends a request to where the records of its namespace are thought to be; gives a promise, which most requests wait
// for only once.
function forward(env, request, path, space, now) {
  const isWhole = path.indexOf("/", NAMESPACES.length) < 0;
  if (isWhole && (request.method === "PUT" || request.method === "DELETE")) {
    return configured(env, request, space, now);
  }
  const placed = placements.get(space, now);
  if (placed === undefined) {
    const asked = placement(env, space, now);
    return asked.then((placed) => sent(env, request, path, space, placed));
  }
  return sent(env, request, path, space, placed);
}

function sent(env, request, path, space, placed) {
  if (placed === null) return home(env, space).fetch(request);
  const [count, , createdAt] = placed;
  const only = front.get().partition(path, count);
  if (only < 0) return gather(env, request, space, placed);
  return partition(env, space, createdAt, only).fetch(request);
}

// Whether they were somewhere else.
function isMisdirected(response) {
  return response === undefined || response.status === MISDIRECTED;
}

// What has no body can be sent again.
async function again(env, request, path, space, now) {
  placements.forget(space);
  if (request.body !== null) return problem(request, "storage_unavailable");
  const response = await forward(env, request, path, space, now);
  return isMisdirected(response) ? problem(request, "storage_unavailable") : response;
}

// Creates or deletes a namespace. One that was there already describes itself with what its partitions hold.
async function configured(env, request, space, now) {
  placements.forget(space);
  const response = await home(env, space).fetch(request);
  if (response.status !== 200) return response;
  const placed = await placement(env, space, now);
  if (placed === null) return response;
  const { headers } = request;
  const ask = new Request(request.url, { headers });
  return (await gather(env, ask, space, placed)) ?? response;
}

// Asks partitions and joins their answers. `undefined`: one of them is no longer there.
async function gather(env, request, space, [count, metric, createdAt]) {
  let isMoved = false;
  const name = space.split("/")[1];
  const send = async (number, method, path, headers, body) => {
    const init = { method, headers: fields(headers), body };
    const object = partition(env, space, createdAt, number);
    const answer = await object.fetch(PARTS + path, init);
    isMoved ||= answer.status === MISDIRECTED;
    const rest = await incoming(answer);
    return [answer.status, lines(answer), rest];
  };
  const fetch = (...call) => front.get().gather(name, count, metric, send, ...call);
  const response = await exchange(request, { get: () => ({ fetch }) });
  return isMoved ? undefined : response;
}

function answer(env, request, path, [kind, id, name], now) {
  if (kind === "namespace") return forward(env, request, path, `${id}/${name}`, now);
  if (kind === "registry") return registry(env).fetch(request);
  if (kind === "account") return account(env, id).fetch(request);
  return exchange(request, front);
}

export default {
  async fetch(request, env) {
    const started = Date.now();
    front ??= new PerInstance(() => new quartz.Front(env, peers(env)));
    const path = pathOf(request.url);
    let to = [];
    let response;
    try {
      to = route(request, path, started);
      if (to instanceof Promise) to = await to;
      response = await answer(env, request, path, to, started);
      if (isMisdirected(response)) {
        const [, id, name] = to;
        response = await again(env, request, path, `${id}/${name}`, started);
      }
    } catch (error) {
      response = failed(request, error);
    }
    count(env, request, to, response, started);
    return response;
  },

  // The cron trigger of wrangler.jsonc.
  async scheduled(_, env) {
    let after;
    do {
      const [ids, next] = await registry(env).unsettled(after);
      for (const id of ids) {
        try {
          await account(env, id).settle();
        } catch (error) {
          // The others have their turn, and this one the next time.
          console.error(error?.stack ?? error);
        }
      }
      after = next;
    } while (after !== undefined);
  },
};

class QuartzObject extends DurableObject {
  module;

  fetch(request) {
    try {
      const answer = exchange(request, this.module);
      return answer instanceof Promise ? answer.catch((error) => failed(request, error)) : answer;
    } catch (error) {
      return failed(request, error);
    }
  }

  async alarm() {
    return guarded(() => this.module.get().alarm());
  }

  // Deletes the namespace here.
  async leave(name) {
    return guarded(() => this.module.get().leave(name));
  }
}

// The object of a namespace, `account/name`, or of one of its partitions, `account/name/created_at/number`.
export class Namespace extends QuartzObject {
  constructor(ctx, env) {
    super(ctx, env);
    const [id, own, createdAt, part] = ctx.id.name.split("/");
    // As AccountId::scope of crates/service has it.
    const name = id === "root" ? own : `~${id}/${own}`;
    const others = createdAt === undefined ? this.others(env, `${id}/${own}`, name) : undefined;
    this.module = new PerInstance(
      () => new quartz.QuartzObject(ctx.storage, env, peers(env, name, part), name, others),
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
      enter: async (at) => account(env, accountOf(name)).enter(name, at),
      leave: async () => account(env, accountOf(name)).leave(name),
      found: (at, count, meta) => all(at, count, (object) => object.found(meta)),
      dissolve: (at, count) => all(at, count, (object) => object.leave(name)),
    };
  }

  // Leaves nothing here.
  async erase() {
    await guarded(() => this.module.get().erase());
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.module.forget();
  }

  async placement() {
    return guarded(() => this.module.get().placement());
  }

  async found(meta) {
    return guarded(() => this.module.get().found(meta));
  }
}

// An object that others ask; see crates/worker/src/peers.rs.
class Peer extends QuartzObject {
  async admit(key, address) {
    return guarded(() => this.module.get().admit(key, address));
  }

  async ask(ask) {
    return guarded(() => this.module.get().ask(ask));
  }
}

// The object of an account, which lists its namespaces.
export class Account extends Peer {
  constructor(ctx, env) {
    super(ctx, env);
    const namespaces = { erase: async (name) => home(env, spaceOf(name)).erase() };
    const { name } = ctx.id;
    this.module = new PerInstance(
      () => new quartz.QuartzObject(ctx.storage, env, peers(env), name, undefined, namespaces),
    );
  }

  async settle() {
    return guarded(() => this.module.get().settle());
  }

  async enter(name, createdAt) {
    return guarded(() => this.module.get().enter(name, createdAt));
  }

  told(name, part, usage) {
    return guarded(() => this.module.get().told(name, part && Number(part), usage));
  }
}

// The object that keeps the people and lists the accounts.
export class Registry extends Peer {
  constructor(ctx, env) {
    super(ctx, env);
    this.module = new PerInstance(() => new quartz.QuartzObject(ctx.storage, env, peers(env)));
  }

  async unsettled(after) {
    return guarded(() => this.module.get().unsettled(after));
  }
}
