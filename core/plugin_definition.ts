/**
 * What a plugin's default export must be, looked at member by member: it may be somebody else's code, in plain
 * JavaScript, with a copy of zod of its own.
 *
 * @module
 */

/** The functions that a plugin of each kind must have. */
const FUNCTIONS = {
  policy: ["create"],
  device: ["openMedium", "create"],
  filter: ["create"],
  workload: ["needs", "create"],
} as const;

/** What a plugin may be called: labels and file names are made of it. */
const NAME = /^[a-z0-9][a-z0-9-]*$/;

/**
 * All that makes a value no plugin, each with what was found and what is allowed; empty if it is one.
 *
 * @param kind what it must plug into
 * @param apiVersion what it must have been written for
 */
export function definitionMistakes(
  kind: keyof typeof FUNCTIONS,
  apiVersion: string,
  value: unknown,
): readonly string[] {
  if (value === undefined) return ["it has no default export"];
  if (typeof value !== "object" || value === null) return [`its default export is ${found(value)}, not an object`];
  const plugin = value as Readonly<Record<string, unknown>>;
  const mistakes: string[] = [];
  const expect = (member: string, right: boolean, allowed: string): void => {
    if (!right) mistakes.push(`${member} is ${found(plugin[member])}, allowed is ${allowed}`);
  };
  expect("apiVersion", plugin.apiVersion === apiVersion, JSON.stringify(apiVersion));
  expect("kind", plugin.kind === kind, JSON.stringify(kind));
  expect("name", typeof plugin.name === "string" && NAME.test(plugin.name), "lower-case letters, digits and hyphens");
  expect("description", typeof plugin.description === "string" && plugin.description !== "", "a sentence");
  expect("options", isSchema(plugin.options), "a schema of zod 4");
  for (const member of FUNCTIONS[kind]) expect(member, typeof plugin[member] === "function", "a function");
  const { permissions } = plugin;
  expect("permissions", permissions === undefined || typeof permissions === "function", "a function or nothing");
  for (
    const member of ["closeMedium", "openAgain", "driverPermissions", "applicationPermissions", "destroys", "runs"]
  ) {
    expect(member, ["undefined", "function"].includes(typeof plugin[member]), "a function or nothing");
  }
  const { counters } = plugin;
  expect("counters", counters === undefined || isRecordOfTexts(counters), "names, each with a sentence, or nothing");
  const { figures } = plugin;
  const counted = isRecordOfTexts(counters) ? Object.keys(counters) : [];
  const areCounted = isRecordOfTexts(figures) && Object.keys(figures).every((name) => counted.includes(name));
  expect("figures", figures === undefined || areCounted, "names of its counters, each with a heading, or nothing");
  expect("events", ["undefined", "boolean"].includes(typeof plugin.events), "true, false or nothing");
  return mistakes;
}

/** Every schema of zod 4 says so in `_zod.version`, whichever copy of zod made it. */
function isSchema(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (value as { _zod?: { version?: { major?: unknown } } })._zod?.version?.major === 4;
}

function isRecordOfTexts(value: unknown): value is Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((each) => typeof each === "string");
}

function found(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : JSON.stringify(value) ?? typeof value;
}
