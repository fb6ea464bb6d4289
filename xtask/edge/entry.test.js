// The entry with what only tests need: objects that can be asked to fail.
import Front, { Account as RealAccount, Namespace as Real, Registry, answered } from "./entry.js";
import { guarded } from "./module.js";
import * as quartz from "./quartz.js";

export default Front;
export { Registry };

// Keys that are not to be checked in time.
let unchecked = 0;

// Objects of namespaces that are not to be erased in time.
let unerased = 0;

export class Account extends RealAccount {
  async admit(...knock) {
    if (unchecked === 0) return super.admit(...knock);
    unchecked -= 1;
    throw new Error("asked to");
  }
}

export class Namespace extends Real {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/test/check-store":
        await guarded(() => quartz.check_store(this.ctx.storage));
        return new Response("ok");
      case "/test/panic":
        return answered(request, () => guarded(() => quartz.panic()));
      case "/test/exhaust-memory":
        return answered(request, () => guarded(() => quartz.exhaust_memory()));
      case "/test/evict":
        this.ctx.abort("evicted by a test");
        return new Response();
      case "/test/memory":
        return Response.json(quartz.memory_bytes());
      case "/test/kernel": {
        const asked = new URL(request.url).searchParams;
        return Response.json(quartz.multiply(asked.get("kind"), Number(asked.get("rounds"))));
      }
      case "/test/uncheck":
        unchecked = 1;
        return new Response("ok");
      case "/test/spare":
        unerased = 1;
        return new Response("ok");
      case "/test/alarm":
        return Response.json(await this.ctx.storage.getAlarm());
      case "/test/rows":
        return Response.json(this.rows());
      default:
        return super.fetch(request);
    }
  }

  async erase() {
    if (unerased === 0) return super.erase();
    unerased -= 1;
    throw new Error("asked to");
  }

  rows() {
    const tables = [...this.ctx.storage.sql.exec("SELECT name FROM sqlite_master")];
    if (!tables.some(({ name }) => name === "rows")) return 0;
    return this.ctx.storage.sql.exec("SELECT count(*) AS count FROM rows").one().count;
  }
}
