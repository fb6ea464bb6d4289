// The Worker under Miniflare, which brings workerd: what wrangler.jsonc says, for this machine.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.EDGE_MODULES, "x"));
export const { Log, LogLevel, Miniflare } = require("miniflare");

const FILES = [
  "entry.js",
  "exchange.js",
  "module.js",
  "points.js",
  "quartz.js",
  "quartz_bg.wasm",
  "sso.js",
  "oauth4webapi.js",
];

// `entry` is what the platform calls; `data` is where objects live on after the end; `vars` are further
// variables and secrets.
export function options({ worker, data, port = 0, key, vars, entry = "entry.js" }) {
  const files = entry === FILES[0] ? FILES : [entry, ...FILES];
  return {
    log: new Log(LogLevel.WARN),
    cf: false,
    host: "127.0.0.1",
    port,
    modulesRoot: worker,
    modules: files.map((file) => ({
      type: file.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: join(worker, file),
    })),
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["global_fetch_strictly_public"],
    durableObjects: {
      NAMESPACES: { className: "Namespace", useSQLite: true },
      ACCOUNTS: { className: "Account", useSQLite: true },
      REGISTRIES: { className: "Registry", useSQLite: true },
    },
    analyticsEngineDatasets: { ANALYTICS: { dataset: "requests" } },
    bindings: { QUARTZ_ROOT_KEY: key, ...vars },
    ...(data && { defaultPersistRoot: data, durableObjectsPersist: true }),
  };
}
