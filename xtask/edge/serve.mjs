// node serve.mjs WORKER DATA PORT: serves the Worker until it is told to stop. What the environment says of people
// is a setting of the Worker too.
import { Miniflare, options } from "./worker.mjs";

const [worker, data, port] = process.argv.slice(2);
const key = process.env.QUARTZ_ROOT_KEY;
const forPeople = Object.entries(process.env).filter(([name]) =>
  /^QUARTZ_(PUBLIC_URL|OIDC_)/.test(name),
);
// Webhooks may come to this machine.
const vars = { QUARTZ_WEBHOOK_NETWORKS: "127.0.0.0/8", ...Object.fromEntries(forPeople) };
const miniflare = new Miniflare({
  ...options({ worker, data, port: Number(port), key, vars }),
  handleRuntimeStdio(out, err) {
    out.pipe(process.stderr);
    err.pipe(process.stderr);
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  // Miniflare would end the process before the runtime has stopped.
  process.removeAllListeners(signal);
  process.once(signal, async () => {
    await miniflare.dispose();
    process.exit(0);
  });
}
console.log(String(await miniflare.ready).replace(/\/$/, ""));
