// The entry with what only tests need: objects that can be asked to fail.
import Front, { Catalog as Accounts, Namespace as Real, answered, guarded } from "./entry.js";
import * as quartz from "./quartz.js";

export default Front;

// Keys that are not to be checked in time.
let unchecked = 0;

export class Catalog extends Accounts {
  async admit(...knock) {
    if (unchecked === 0) return super.admit(...knock);
    unchecked -= 1;
    throw new Error("asked to");
  }

  async fetch(request) {
    if (new URL(request.url).pathname !== "/test/lose-alarm") return super.fetch(request);
    await this.ctx.storage.deleteAlarm();
    return new Response("ok");
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
      case "/test/alarm":
        return Response.json(await this.ctx.storage.getAlarm());
      case "/test/rows":
        return Response.json(this.rows());
      default:
        return super.fetch(request);
    }
  }

  rows() {
    const tables = [...this.ctx.storage.sql.exec("SELECT name FROM sqlite_master")];
    if (!tables.some(({ name }) => name === "rows")) return 0;
    return this.ctx.storage.sql.exec("SELECT count(*) AS count FROM rows").one().count;
  }
}
