/**
 * `deno doc --lint` without the complaint that it has no way around: that a public type mentions one of zod's, or that
 * a plugin's type mentions its own options. What is not documented in a library that is passed on is its own affair.
 */

const directories = ["core", "core/domain", "core/measure", "core/runner", "plugins", "plugins/policies"];
directories.push("plugins/devices", "plugins/workloads", "tests/conformance");
const files = ["mod.ts"];
for (const directory of directories) {
  for (const { name, isFile } of Deno.readDirSync(directory)) {
    if (isFile && name.endsWith(".ts")) files.push(`${directory}/${name}`);
  }
}
const { stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...files],
  env: { NO_COLOR: "1" },
  stdout: "null",
}).output();
const findings = new TextDecoder().decode(stderr).split(/^(?=error\[)/m)
  .filter((finding) => finding.startsWith("error["))
  .filter((finding) => !finding.startsWith("error[private-type-ref]"))
  .filter((finding) => finding.includes(`--> ${Deno.cwd()}/`))
  .map((finding) => finding.split("\n\n")[0]);
for (const finding of findings) console.error(finding);
console.log(`docs lint: ${files.length} files, ${findings.length} findings`);
if (findings.length > 0) Deno.exit(1);
