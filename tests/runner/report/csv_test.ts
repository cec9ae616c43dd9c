import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { toCsv } from "../../../core/runner/report/csv.ts";

const value = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.double({ noNaN: true, noDefaultInfinity: true }));

Deno.test("a table comes back from CSV as it was, whatever its texts are", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 5 }).chain((width) => fc.array(fc.tuple(...Array.from({ length: width }, () => value)))),
    fc.string({ minLength: 1 }),
    (rows, name) => {
      const width = rows[0]?.length ?? 2;
      const columns = Array.from({ length: width }, (_, index) => ({ key: `${name}${index}`, title: "" }));
      const read: string[][] = parse(toCsv({ columns, rows }), { bom: false, record_delimiter: "\r\n" });
      assert.deepEqual(read[0], columns.map(({ key }) => key));
      assert.deepEqual(read.slice(1), rows.map((row) => row.map(String)));
    },
  ));
});

Deno.test("what was not measured is empty in CSV, and zero is not", () => {
  const columns = [{ key: "a", title: "" }, { key: "b", title: "" }];
  assert.equal(toCsv({ columns, rows: [[null, 0]] }), "a,b\r\n,0\r\n");
});
