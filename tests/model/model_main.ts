/**
 * `deno task model`: checks all configurations, also those that take minutes, and prints how many states each has.
 *
 * @module
 */

import { configurations, largeConfigurations } from "./configurations.ts";
import { refusal, search } from "./spin.ts";

const refused = refusal();
if (refused !== null) {
  console.error(`Cannot check the models: ${refused}`);
  Deno.exit(2);
}
let failed = 0;
for (const configuration of [...configurations, ...largeConfigurations]) {
  const startedAt = performance.now();
  const { error, exhaustive, states } = await search(configuration);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  const verdict = error ?? (exhaustive ? "ok" : "not all states were searched");
  if (verdict !== "ok") failed++;
  const { file, name, property } = configuration;
  console.log(`${file}: ${name}: ${property}: ${states.toLocaleString("en")} states, ${seconds} s: ${verdict}`);
}
if (failed > 0) Deno.exit(1);
