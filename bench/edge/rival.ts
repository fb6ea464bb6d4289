// What a developer would write by hand for `GET` and `PUT` of small values, to be measured beside ours.
import { DurableObject } from "cloudflare:workers";

interface Env {
  QUARTZ_ROOT_KEY: string;
  NAMESPACES: DurableObjectNamespace<Namespace>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.headers.get("authorization") !== `Bearer ${env.QUARTZ_ROOT_KEY}`) {
      return new Response("unauthorized", { status: 401 });
    }
    const [, , , namespace] = new URL(request.url).pathname.split("/");
    return env.NAMESPACES.getByName(namespace).fetch(request);
  },
};

export class Namespace extends DurableObject<Env> {
  sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB, type TEXT)");
  }

  async fetch(request: Request): Promise<Response> {
    const key = new URL(request.url).pathname.split("/").slice(5).join("/");
    if (request.method === "PUT") {
      const value = await request.arrayBuffer();
      const type = request.headers.get("content-type") ?? "application/octet-stream";
      this.sql.exec(
        "INSERT INTO kv VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, type = excluded.type",
        key,
        value,
        type,
      );
      return new Response(null, { status: 200 });
    }
    const [row] = this.sql.exec<{ value: ArrayBuffer; type: string }>(
      "SELECT value, type FROM kv WHERE key = ?",
      key,
    );
    if (row === undefined) return new Response("not found", { status: 404 });
    return new Response(row.value, { headers: { "content-type": row.type } });
  }
}

// The same settings start both sides, and name these.
export class Account extends DurableObject<Env> {}
export class Registry extends DurableObject<Env> {}
