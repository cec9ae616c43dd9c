import assert from "node:assert/strict";
import { join } from "node:path";
import { parseResult, parseResults, readResults, ResultError } from "../../core/runner/read_result.ts";
import { cellOf, resultOf, sampleOf } from "../helpers/results.ts";

const RESULT = resultOf([
  cellOf("interrupt", [100, 110]),
  { ...cellOf("fixed-spin", [200]), status: "failed", error: "the driver died" },
  { ...cellOf("busy-poll", []), samples: [sampleOf(0, [1, 2, 3])] },
]);

/** The document as it is saved, with one value replaced; undefined removes it. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const document = JSON.parse(JSON.stringify(RESULT));
  let at = document;
  for (const key of path.slice(0, -1)) at = at[key];
  at[path[path.length - 1]] = value;
  return JSON.parse(JSON.stringify(document));
}

Deno.test("a result that was saved is read as it was", () => {
  assert.deepEqual(parseResults(JSON.stringify(RESULT, null, 2), "a.json"), [RESULT]);
});

Deno.test("results on a line each are read one after another", () => {
  const lines = `${JSON.stringify(RESULT)}\n\n${JSON.stringify({ ...RESULT, interrupted: true })}\n`;
  assert.deepEqual(parseResults(lines, "a.json").map(({ interrupted }) => interrupted), [false, true]);
});

Deno.test("what an older document does not have is null or empty", () => {
  const document = JSON.parse(JSON.stringify(RESULT));
  for (const { samples, summary, ...cell } of document.cells) {
    delete cell.notes;
    for (const key of ["latencyP999Ns", "steady", "fairness", "restarts"]) delete summary[key];
    for (const sample of samples) {
      for (
        const key of [
          "windows",
          "latencyHistogram",
          "stealNs",
          "othersNs",
          "redone",
          "disturbed",
          "clients",
          "restarts",
        ]
      ) {
        delete sample[key];
      }
    }
  }
  const { cells: [{ samples: [sample], summary }] } = parseResult(document, "old.json");
  assert.deepEqual([sample.windows, sample.latencyHistogram, sample.stealNs, sample.disturbed], [
    ...[null, null, null, null],
  ]);
  assert.deepEqual([sample.redone, sample.clients, sample.restarts], [[], [], []]);
  assert.deepEqual([summary.latencyP999Ns, summary.steady, summary.fairness], [null, null, null]);
  assert.equal(sample.iops, 100);
});

Deno.test("what this program does not know is left out", () => {
  assert.deepEqual(parseResult(changed(["cells", 0, "samples", 0, "fromTheFuture"], 1), "a.json"), RESULT);
});

for (
  const [path, value, message] of [
    [["schema"], "iddr.result/v9", /^a\.json: schema must be iddr\.result\/v1: found "iddr\.result\/v9"/],
    [
      ["cells", 0, "samples", 1, "iops"],
      "fast",
      /^a\.json: cells\[0\]\.samples\[1\]\.iops must be a number: found "fast"/,
    ],
    [["cells", 0, "samples", 1, "iops"], -1, /cells\[0\]\.samples\[1\]\.iops must be at least 0: found -1/],
    [["cells", 0, "status"], "fine", /cells\[0\]\.status must be ok \| failed \| pending: found "fine"/],
    [["cells"], undefined, /^a\.json: cells must be a list/],
    [["cells", 2, "samples", 0, "windows", "bytes"], [1], /samples\[0\]\.windows must have columns of one length/],
  ] as const
) {
  Deno.test(`a document whose ${path.join(".")} is ${JSON.stringify(value)} is refused with its place`, () => {
    assert.throws(() => parseResult(changed(path, value), "a.json"), (thrown: unknown) => {
      assert(thrown instanceof ResultError && thrown.code === "IDDR_RESULT");
      assert.match(thrown.message, message);
      return true;
    });
  });
}

Deno.test("what is no JSON, or nothing at all, is refused", () => {
  assert.throws(() => parseResults("apiVersion: iddr/v1", "a.yaml"), /^ResultError: a\.yaml: is no JSON/);
  assert.throws(() => parseResults(" \n", "a.json"), /^ResultError: a\.json: is empty/);
  assert.throws(
    () => parseResults(`${JSON.stringify(RESULT)}\n{}`, "a.json"),
    /^ResultError: a\.json:2: schema must be/,
  );
  assert.throws(() => parseResults("7", "a.json"), /^ResultError: a\.json: must be a mapping: found 7/);
});

Deno.test("a file that is not there, or is a folder, is named", async () => {
  const directory = await Deno.makeTempDir({ prefix: "iddr-test-" });
  try {
    await assert.rejects(readResults(join(directory, "none.json")), /none\.json: there is no such file/);
    await assert.rejects(readResults(directory), /cannot be read/);
    const file = join(directory, "a.json");
    await Deno.writeTextFile(file, JSON.stringify(RESULT));
    assert.deepEqual(await readResults(file), [RESULT]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
