// The life of the Rust module, which this outlives.
//
// A panic in the module, or an exception of JavaScript that crosses its frames, leaves its memory in an
// unknown state and its futures unfinished. So everything in flight fails at once, and the next call starts
// a fresh instance with fresh objects. What was committed is in SQLite; what was not is undone by the runtime.
import * as quartz from "./quartz.js";

let instance = 1;
let dead = false;
const inFlight = new Set();

// Called by the module's glue whenever a call into it, ours or the event loop's, ends in a trap.
globalThis.quartzDied = () => {
  dead = true;
  for (const pending of inFlight) pending.reject(new Error("the module died"));
  inFlight.clear();
};

// What the module will say later, unless it dies before; see crates/worker/src/turn.rs.
class Pending {
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    inFlight.add(this);
  }

  keep(value) {
    inFlight.delete(this);
    this.resolve(value);
  }

  fail(why) {
    inFlight.delete(this);
    this.reject(why);
  }
}
globalThis.QuartzPending = Pending;

// `queueMicrotask` of the platform took two hundredths of a `PUT`.
globalThis.quartzSoon = (turn) => void Promise.resolve().then(turn);

// See crates/worker/src/sql.rs.
globalThis.quartzDurable = (storage, comesRound) => {
  const synced = storage.sync();
  return comesRound ? synced.then(() => scheduler.wait(0)) : synced;
};

// Whether what the module has made is lost.
export function isDead() {
  return dead;
}

// The number of the present instance, after starting it if the last one died.
function present() {
  if (dead) {
    dead = false;
    instance += 1;
    quartz.__wbg_reset_state();
  }
  return instance;
}

// What a call into the module gives; if that is a promise, it fails with the module's death. Most calls wait
// for nothing and give it at once.
export function guarded(call) {
  const given = call();
  if (given instanceof Pending) return given.promise;
  return given instanceof Promise ? unlessDead(given) : given;
}

function unlessDead(promise) {
  const pending = new Pending();
  promise.then(
    (value) => pending.keep(value),
    (why) => pending.fail(why),
  );
  return pending.promise;
}

// A value of the module that is made again for each instance.
export class PerInstance {
  #make;
  #value;
  #madeIn = 0;

  constructor(make) {
    this.#make = make;
  }

  // Has it made again when it is next asked for.
  forget() {
    this.#madeIn = 0;
  }

  get() {
    if (this.#madeIn !== present()) {
      this.#value = this.#make();
      this.#madeIn = instance;
    }
    return this.#value;
  }
}
