/**
 * A built-in device in a process with few permissions.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/**
 * Opens a device in a process that has the permissions of `flags` alone.
 *
 * @param file the plugin's file, without its ending
 * @returns the device's info as JSON, or the error's name and message
 */
export async function pluginInProcess(file: string, given: unknown, flags: readonly string[]): Promise<string> {
  const code = `
    import plugin from ${JSON.stringify(new URL(`plugins/devices/${file}.ts`, ROOT))};
    const context = {
      ...{ scratchDirectory: null, allowDestructive: [], force: false, note() {}, inherit() {} },
      allocate: (byteLength) => new SharedArrayBuffer(byteLength),
    };
    try {
      const options = plugin.options.parse(${JSON.stringify(given)});
      const medium = plugin.openMedium(options, context);
      const device = plugin.create(options, medium, context);
      console.log(JSON.stringify(device.info));
      device.close();
      plugin.closeMedium?.(medium);
    } catch (error) {
      console.log(error.name + ": " + error.message);
    }`;
  return await runModule(code, flags);
}

/**
 * What a device's plugin and its driver ask for, in a process that has the permissions of `flags` alone: both as JSON, in
 * a list.
 */
export async function permissionsInProcess(file: string, given: unknown, flags: readonly string[]): Promise<string> {
  const code = `
    import plugin from ${JSON.stringify(new URL(`plugins/devices/${file}.ts`, ROOT))};
    const options = plugin.options.parse(${JSON.stringify(given)});
    console.log(JSON.stringify([plugin.permissions(options), plugin.driverPermissions(options)]));`;
  return await runModule(code, flags);
}

/** Runs a module, and returns what it said. */
async function runModule(code: string, flags: readonly string[]): Promise<string> {
  const config = new URL("deno.json", ROOT).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-lock", "--config", config, ...flags, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(code));
  await input.close();
  const { stdout, stderr } = await child.output();
  return (new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr)).trim();
}
