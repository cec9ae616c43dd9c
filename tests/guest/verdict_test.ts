import assert from "node:assert/strict";
import { INTEGRITY_STEPS, STEPS } from "./inside/agenda.ts";
import { checkImage, checkSteps, countTests, failedTests } from "./verdict.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="1" time="0.009">
    <testsuite name="./a_test.ts" tests="4" disabled="1" errors="0" failures="1">
        <testcase name="fine" classname="./a_test.ts" time="0.000" line="2" col="6">
        </testcase>
        <testcase name="left out (reason)" classname="./a_test.ts" time="0.000" line="4" col="11">
            <skipped/>
        </testcase>
        <testcase name="bad" classname="./a_test.ts" time="0.001" line="5" col="6">
            <failure message="Uncaught Error: that is bad">Error: &quot;1 &lt; 2&quot;
    at file:///tmp/a_test.ts:5:32</failure>
        </testcase>
        <testcase name="hangs" classname="./a_test.ts" time="0.000" line="6" col="6">
            <error message="Cancelled"/>
        </testcase>
    </testsuite>
</testsuites>
`;

async function withResults(files: Readonly<Record<string, string>>, body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const allWell = Object.fromEntries(STEPS.map(({ name }) => [`${name}.status`, "0"]));
const fine = '<testcase name="fine" classname="./a_test.ts"></testcase>';

Deno.test("the guest's tests are counted; one that was cancelled has failed", () => {
  assert.deepEqual(countTests(REPORT), { passed: 1, failed: 2, skipped: 1 });
  assert.deepEqual(failedTests(REPORT), ['bad: Error: "1 < 2"\n    at file:///tmp/a_test.ts:5:32', "hangs: Cancelled"]);
});

Deno.test("each step of the guest is a check; tests that failed are counted one by one", async () => {
  await withResults({ ...allWell, "tests.xml": fine }, async (folder) => {
    const { tests, unsaid, checks } = await checkSteps(folder);
    assert.deepEqual([tests, unsaid], [{ passed: 1, failed: 0, skipped: 0 }, []]);
    assert.deepEqual(checks.map(({ failure }) => failure), STEPS.map(() => null));
  });
  await withResults({ ...allWell, "tests.xml": REPORT, "tests.status": "1" }, async (folder) => {
    const { tests, unsaid, checks } = await checkSteps(folder);
    assert.deepEqual([tests.failed, unsaid, checks.length], [2, [], STEPS.length - 1]);
  });
});

Deno.test("what was interrupted, is missing or ran no test has failed", async () => {
  await withResults({ ...allWell, "tests.xml": REPORT, "tests.status": "130" }, async (folder) => {
    const { unsaid, checks } = await checkSteps(folder);
    assert.equal(unsaid.length, 2);
    assert.deepEqual(checks.filter(({ failure }) => failure !== null), [
      { name: 'the step "tests" in the guest', failure: "ended with status 130" },
    ]);
  });
  await withResults({}, async (folder) => {
    const failures = (await checkSteps(folder)).checks.map(({ failure }) => failure);
    assert.deepEqual(failures, [...STEPS.map(() => "did not come to its end"), "none has run"]);
  });
});

Deno.test("an image must be sound, stamped, and agree with the guest's last cell", async () => {
  const [step] = INTEGRITY_STEPS;
  const sectors = step.sizeBytes / 512;
  const sum = 5 * sectors;
  const cell = (generationSum: number) => ({ samples: [{ counters: { generationSum } }] });
  const saved = JSON.stringify({ cells: [cell(sum - 1), cell(sum)] });
  await withResults({ [`${step.name}.json`]: saved }, async (folder) => {
    const found = { sectors, stamped: sectors - 8, bad: 0, generationSum: sum };
    const failureOf = async (given: Partial<typeof found>) => {
      return (await checkImage(step, folder, () => Promise.resolve({ ...found, ...given }))).failure;
    };
    assert.equal(await failureOf({}), null);
    assert.equal(await failureOf({ bad: 1 }), `1 of ${sectors} sectors are bad`);
    assert.equal(await failureOf({ sectors: 8 }), `8 sectors were looked at, not ${sectors}`);
    assert.equal(await failureOf({ stamped: 3 }), `only 3 of ${sectors} sectors have a stamp`);
    assert.equal(
      await failureOf({ generationSum: sum - 1 }),
      `the sum of its generations is ${sum - 1}, the guest's is ${sum}`,
    );
  });
  await withResults({}, async (folder) => {
    const { failure } = await checkImage(step, folder, () => Promise.reject(new Error("not looked at")));
    assert.equal(failure, "the guest saved no result");
  });
});
