// All states of the models: no lost wake-up, no deadlock, no double completion. And the checker finds what it is for.
import assert from "node:assert/strict";
import { testUnless } from "../helpers/test_unless.ts";
import { configurations, mutants } from "./configurations.ts";
import { refusal, search } from "./spin.ts";

const refused = refusal();

for (const configuration of configurations) {
  testUnless(refused, `model: ${configuration.name}`, async () => {
    const { error, exhaustive, unreached, output } = await search(configuration);
    assert.equal(error, null, output);
    assert(exhaustive, output);
    const { unreached: allowed = [] } = configuration;
    assert.deepEqual(unreached.filter((each) => !allowed.some((pattern) => pattern.test(each))), []);
  });
}

for (const mutant of mutants) {
  testUnless(refused, `model, broken: ${mutant.name}`, async () => {
    const { error, output } = await search(mutant);
    assert.match(error ?? "no error", mutant.error, output);
  });
}
