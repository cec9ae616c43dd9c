/**
 * Reads a scenario file: YAML to a document that knows where everything in it stands.
 *
 * @module
 */

// Named in full, so that this folder can be imported from any project.
// deno-lint-ignore no-import-prefix
import { Document, isMap, isScalar, LineCounter, parseDocument } from "npm:yaml@2.9.1";
import { messageOf } from "../errors.ts";
import { type Diagnostic, ScenarioError } from "./diagnostics.ts";

/** A path into a document: keys and indices. */
export type Path = readonly (string | number)[];

/** A value to put into a scenario in place of what the file says. */
export interface Override {
  /** Where: `workload.with.queueDepth`. */
  readonly path: string;
  /** YAML text of the value. */
  readonly value: string;
  /** Who says so, for messages about it; `--set` when absent. */
  readonly origin?: string;
}

/** The argument of `--set` that puts a value somewhere. */
export function overrideText({ path, value }: { readonly path: string; readonly value: unknown }): string {
  const document = new Document(value);
  return `${path}=${document.toString({ collectionStyle: "flow", lineWidth: 0 }).trimEnd()}`;
}

/** A value as YAML. */
export function toYaml(value: unknown): string {
  return new Document(value, { aliasDuplicateObjects: false }).toString({ lineWidth: 0 });
}

/** A scenario file that was parsed and not yet checked. */
export class ScenarioDocument {
  /** The file, as the person named it. */
  readonly file: string;
  readonly #text: string;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #overrides: readonly Override[];

  private constructor(
    file: string,
    text: string,
    document: Document.Parsed,
    lines: LineCounter,
    overrides: readonly Override[],
  ) {
    this.file = file;
    this.#text = text;
    this.#document = document;
    this.#lines = lines;
    this.#overrides = overrides;
  }

  /**
   * Parses YAML text.
   *
   * @param file names the text in messages
   * @param overrides values that replace those of the text
   * @throws {ScenarioError} when it is no YAML, or no mapping
   */
  static parse(file: string, text: string, overrides: readonly Override[] = []): ScenarioDocument {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    const mistakes = document.errors.map(({ code, message, pos }): Diagnostic => {
      const { line, col } = lines.linePos(pos[0]);
      const several = code === "MULTIPLE_DOCS";
      return {
        file,
        line,
        column: col,
        message: several ? "begins a second document; a file is one scenario" : `is not YAML: ${message}`,
      };
    });
    if (mistakes.length > 0) throw new ScenarioError(mistakes);
    if (!isMap(document.contents)) {
      throw new ScenarioError([{
        file,
        line: 1,
        column: 1,
        message: "must be a mapping with apiVersion, kind, name, …",
      }]);
    }
    try {
      document.toJS();
    } catch (thrown) { // An alias without its anchor, or one that unfolds without end.
      throw new ScenarioError([{ file, line: 1, column: 1, message: `is not YAML: ${messageOf(thrown)}` }]);
    }
    const scenario = new ScenarioDocument(file, text, document, lines, overrides);
    for (const override of overrides) scenario.#apply(override);
    return scenario;
  }

  /**
   * Reads and parses a file.
   *
   * @throws {ScenarioError} when it cannot be read, is no YAML, or no mapping
   */
  static async read(file: string, overrides: readonly Override[] = []): Promise<ScenarioDocument> {
    let text: string;
    try {
      text = await Deno.readTextFile(file);
    } catch (thrown) {
      throw new ScenarioError([{ file, line: 1, column: 1, message: `cannot be read: ${readFailure(thrown)}` }]);
    }
    return ScenarioDocument.parse(file, text, overrides);
  }

  /** The plain value of the whole document. */
  toJS(): Record<string, unknown> {
    return this.#document.toJS();
  }

  /**
   * A mistake at a path. Where the path does not exist, its nearest existing parent is named.
   *
   * @param atKey whether the key at the end of the path is at fault, and not its value
   * @param character which character of a text at the path is at fault, from 0; it is only placed exactly where the file
   * has the text as it is, without escapes and line breaks
   */
  diagnostic(path: Path, message: string, atKey = false, character?: number): Diagnostic {
    const override = this.#overrideOf(path, atKey);
    const origin = override === undefined ? "" : ` (from ${override.origin ?? "--set"})`;
    const { line, col } = this.#lines.linePos(this.#offset(path, atKey) + this.#within(path, character));
    const where = path.length === 0 ? "" : `${path.join(".")}${origin}: `;
    return { file: this.file, line, column: col, message: where + message };
  }

  /** The override that what is at a path comes from, or the key itself where the file has none. */
  #overrideOf(path: Path, atKey: boolean): Override | undefined {
    const written = `${path.join(".")}.`;
    return this.#overrides.findLast((override) => {
      return written.startsWith(`${override.path}.`) ||
        (override.path.startsWith(written) && this.#node(path, atKey) === undefined);
    });
  }

  #offset(path: Path, atKey: boolean): number {
    for (let length = path.length; length > 0; length--) {
      const node = this.#node(path.slice(0, length), atKey && length === path.length);
      if (node !== undefined) return node;
    }
    return 0;
  }

  /** How far a character of a text is from the text's start in the file. */
  #within(path: Path, character: number | undefined): number {
    if (character === undefined) return 0;
    const node = this.#document.getIn(path, true);
    if (!isScalar(node) || typeof node.value !== "string" || !node.range) return 0;
    const quote = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE" ? 1 : 0;
    return this.#text.startsWith(node.value, node.range[0] + quote) ? quote + character : 0;
  }

  #node(path: Path, atKey: boolean): number | undefined {
    const parent = this.#document.getIn(path.slice(0, -1), true);
    if (atKey && isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
      if (isScalar(pair?.key)) return pair.key.range?.[0];
    }
    const node = this.#document.getIn(path, true) as { range?: [number, number, number] | null } | undefined;
    return node?.range?.[0];
  }

  /** Puts a value in, and takes what the matrix would put over it out: the person's word goes before both. */
  #apply({ path, value, origin = "--set" }: Override): void {
    const parsed = parseDocument(value);
    if (parsed.errors.length > 0) {
      throw new ScenarioError([this.diagnostic([], `${origin} ${path}=${value}: the value is not YAML`)]);
    }
    const keys = path.split(".").map((key) => /^\d+$/.test(key) ? Number(key) : key);
    try {
      this.#document.setIn(keys, this.#document.createNode(parsed.toJS()));
    } catch {
      throw new ScenarioError([this.diagnostic([], `${origin} ${path}=${value}: there is no such place`)]);
    }
    const matrix = this.#document.get("matrix");
    if (!isMap(matrix)) return;
    const keysOfMatrix = matrix.items.map(({ key }) => String(isScalar(key) ? key.value : key));
    for (const key of keysOfMatrix) {
      if (`${key}.`.startsWith(`${path}.`) || `${path}.`.startsWith(`${key}.`)) matrix.delete(key);
    }
  }
}

function readFailure(thrown: unknown): string {
  if (thrown instanceof Deno.errors.NotFound) return "there is no such file";
  if (thrown instanceof Deno.errors.IsADirectory) return "it is a folder; name the files in it";
  return messageOf(thrown);
}
