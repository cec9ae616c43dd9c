/**
 * `deno doc --lint` without the complaint that it has no way around: that a public type mentions one of zod's, or that
 * a plugin's type mentions its own options.
 */

const files = ["mod.ts", ...["core", "plugins", "tests/conformance"].flatMap(modulesIn)];

function modulesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? modulesIn(path) : name.endsWith(".ts") ? [path] : [];
  });
}

const { stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...files],
  env: { NO_COLOR: "1" },
  stdout: "null",
}).output();
const findings = new TextDecoder().decode(stderr).split(/^(?=error\[)/m)
  .filter((finding) => finding.startsWith("error["))
  .filter((finding) => !finding.startsWith("error[private-type-ref]"))
  // What is handed on from a library is the library's to document.
  .filter((finding) => finding.includes(`--> ${Deno.cwd()}/`))
  .map((finding) => finding.split("\n\n")[0]);
for (const finding of findings) console.error(finding);
console.log(`docs lint: ${files.length} files, ${findings.length} findings`);
if (findings.length > 0) Deno.exit(1);
