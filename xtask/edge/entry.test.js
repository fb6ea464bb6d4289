// The entry with what only tests need: objects that can be asked to fail.
import Front, { Catalog, Namespace as Real, answered, guarded } from "./entry.js";
import * as quartz from "./quartz.js";

export { Catalog };
export default Front;

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
