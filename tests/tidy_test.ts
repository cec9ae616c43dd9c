/**
 * The house rules that a program can check. Each rule names what is wrong with its place, and what to do instead.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MAX_LINES = 400;

interface Source {
  /** Path from the root. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out, line for line. */
  readonly code: string;
}

const sources = ["mod.ts", ...["core", "plugins", "cli", "tests", "docs"].flatMap(typescriptIn)].map((path): Source => {
  const text = Deno.readTextFileSync(resolve(ROOT, path));
  return { path, text, code: withoutComments(text) };
});
const product = sources.filter(({ path }) => !path.startsWith("tests/") && !path.startsWith("docs/"));

function typescriptIn(directory: string): string[] {
  return [...Deno.readDirSync(resolve(ROOT, directory))].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? typescriptIn(path) : name.endsWith(".ts") ? [path] : [];
  });
}

function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replaceAll(/[^\n]/g, " ");
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, blank).replaceAll(/^\s*\/\/.*$|(?<=[;{},]\s+)\/\/.*$/gm, blank);
}

/** Each match in the code, with its place. */
function matches({ path, code }: Source, pattern: RegExp): { place: string; match: RegExpMatchArray }[] {
  return [...code.matchAll(pattern)].map((match) => {
    return { place: `${path}:${code.slice(0, match.index).split("\n").length}`, match };
  });
}

function forbid(among: readonly Source[], pattern: RegExp, except: readonly string[] = []): string[] {
  return among.filter(({ path }) => !except.some((allowed) => path.startsWith(allowed)))
    .flatMap((source) => matches(source, pattern).map(({ place, match }) => `${place}: ${match[0].trim()}`));
}

function rule(name: string, broken: () => readonly string[]): void {
  Deno.test(`house rule: ${name}`, () => assert.deepEqual(broken(), []));
}

rule(`no file is longer than ${MAX_LINES} lines: look for its second idea`, () => {
  return sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES).map(({ path, lines }) => `${path}: ${lines} lines`);
});

rule("every wait has a timeout, so that a lost notification or a dead peer costs a moment only", () => {
  return sources.flatMap((source) =>
    matches(source, /Atomics\.wait(?:Async)?\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g)
      .filter(({ match }) => match[1].split(",").length < 4)
      .map(({ place, match }) => `${place}: ${match[0]}`)
  );
});

rule("only the event page sleeps: a thread waits through its waiter", () => {
  return forbid(product, /Atomics\.wait(?:Async)?\(/g, ["core/event_channel.ts"]);
});

rule("workers are found by import.meta.resolve, which packaging rewrites", () => {
  return sources.flatMap((source) =>
    matches(source, /new Worker\(([^,)]*)/g)
      .filter(({ match }) => !match[1].trim().startsWith("import.meta.resolve("))
      .map(({ place, match }) => `${place}: ${match[0]}`)
  );
});

rule("nothing but the command line prints", () => forbid(product, /\bconsole\.\w+\(/g, ["cli/"]));

rule(
  "nothing but the command line, a machine process, a domain's process, a fault and an attendant ends the process",
  () => {
    return forbid(product, /\bDeno\.exit\(/g, [
      "cli/",
      "core/runner/machine.ts",
      "core/domain/process.ts",
      "core/faults/deeds.ts",
      "plugins/workloads/mounted/attendant.ts",
    ]);
  },
);

rule("libraries are named in the import map, or in full in the one module that stands for them", () => {
  const standing = [
    "core/schema.ts",
    "core/runner/load.ts",
    "core/runner/report/draw/echarts.ts",
    "core/runner/statistics.ts",
    "tests/conformance/properties.ts",
  ];
  return forbid(sources, /from "(?:npm|jsr|https?):[^"]*"/g, standing);
});

/** What each part may import, by the beginning of paths. What matches first counts. */
const MAY_IMPORT: readonly (readonly [part: string, allowed: readonly string[]])[] = [
  ["core/runner/", ["core/"]],
  ["core/", ["core/"]],
  ["plugins/", ["plugins/", "core/"]],
  ["cli/", ["cli/", "plugins/", "core/", "deno.json"]],
  ["mod.ts", ["core/", "plugins/mod.ts"]],
  ["tests/", [""]],
  ["docs/", ["mod.ts", "docs/"]],
];

function importsOf({ path, code }: Source): { place: string; target: string }[] {
  return matches({ path, code, text: "" }, /(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g).map(({ place, match }) => {
    return { place, target: relative(ROOT, resolve(ROOT, dirname(path), match[1])) };
  });
}

rule("imports point one way: cli to plugins to core; the runner to the rest of core", () => {
  return sources.flatMap((source) => {
    const allowed = MAY_IMPORT.find(([part]) => source.path.startsWith(part))?.[1] ?? [];
    return importsOf(source)
      .filter(({ target }) => !allowed.some((part) => target.startsWith(part)))
      .map(({ place, target }) => `${place} imports ${target}`);
  });
});

rule("the machine knows nothing of the runner", () => {
  return product.filter(({ path }) => path.startsWith("core/") && !path.startsWith("core/runner/"))
    .flatMap((source) =>
      importsOf(source).filter(({ target }) => target.startsWith("core/runner/"))
        .map(({ place, target }) => `${place} imports ${target}`)
    );
});

rule("no module imports itself by way of others", () => {
  const targets = new Map(product.map((source) => [source.path, importsOf(source).map(({ target }) => target)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (way.includes(path) || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return circles;
});

rule("what is exported is documented", () => {
  return product.flatMap((source) =>
    matches(
      source,
      /^export (?:default )?(?:async )?(?:function|class|abstract class|interface|const|let|type|enum) (\w+)/gm,
    )
      .filter(({ match }) => !source.text.slice(0, match.index).trimEnd().endsWith("*/"))
      // Only the first of a function's overloads needs it.
      .filter(({ match }) => !source.text.slice(0, match.index).includes(`export function ${match[1]}`))
      .map(({ place, match }) => `${place}: ${match[1]}`)
  );
});

rule("every module says what it is", () => {
  return product.filter(({ text }) => !/^\/\*\*[\s\S]*?@module\s*\*\//.test(text)).map(({ path }) => path);
});

rule("the hot path has no promises: a ring's ends and what they use are synchronous", () => {
  const hot = [
    "ring",
    "ring_responses",
    "response_source",
    "response_taker",
    "response_thread",
    "handed_responses",
    "completion_area",
    "blkif",
    "frontend",
    "backend",
    "request_writer",
    "shadow_table",
    "monolithic_queue",
    "link_end",
  ];
  return forbid(
    sources.filter(({ path }) => hot.some((name) => path === `core/${name}.ts`)),
    /\b(?:await|async|Promise)\b/g,
  );
});
