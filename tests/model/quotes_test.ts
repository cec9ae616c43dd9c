// The models name the lines that they stand for, in comments such as `core/ring.ts push: const to = this.produced;`.
// A line that has changed since fails here: then the model must be looked at again.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const HERE = new URL("./", import.meta.url);
const QUOTE = /\/\* (core\/[\w/]+\.ts) (#?\w+): (.+?) \*\//g;

/** The bodies of all functions and members of a name, up to the line that ends them. */
function bodiesOf(source: string, name: string): string[] {
  const begins = new RegExp(
    `^( *)(?:(?:export|protected|override|async|static|function|get) )*${name}[<(](?:.*[<({])?$`,
    "gm",
  );
  return [...source.matchAll(begins)].map((match) => {
    const rest = source.slice(match.index);
    const end = new RegExp(`^${match[1]}\\}$`, "m").exec(rest);
    return rest.slice(0, end?.index);
  });
}

/** Lines may be broken anew by the formatter. */
function unbroken(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

for (const { name: file } of Deno.readDirSync(HERE)) {
  if (!file.endsWith(".pml")) continue;
  Deno.test(`model: each line that ${file} quotes is in the code`, () => {
    const model = Deno.readTextFileSync(new URL(file, HERE));
    const lost = [...model.matchAll(QUOTE)].filter(([, path, name, statement]) => {
      const source = Deno.readTextFileSync(new URL(path, ROOT));
      return !bodiesOf(source, name).some((body) => unbroken(body).includes(unbroken(statement)));
    });
    assert.deepEqual(lost.map(([quote]) => quote), [], `quoted in ${fileURLToPath(new URL(file, HERE))}`);
    assert.equal(
      [...model.matchAll(QUOTE)].length,
      [...model.matchAll(/core\/[\w/]+\.ts /g)].length,
      "each mention of a file is a quote of the form `core/file.ts member: statement`",
    );
  });
}

Deno.test("model: a quote is looked for in the member that it names, and nowhere else", () => {
  const source =
    "class A {\n  one(): void {\n    first();\n  }\n\n  static two(a: number): void {\n    second(\n      a);\n  }\n}\n";
  assert.deepEqual(bodiesOf(source, "one").map((body) => body.includes("second(")), [false]);
  assert(unbroken(bodiesOf(source, "two")[0]).includes("second( a);"));
  assert.deepEqual(bodiesOf(source, "three"), []);
});
