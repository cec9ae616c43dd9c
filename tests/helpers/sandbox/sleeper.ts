/**
 * A program that prints its id and goes on for ever. Given a module, it instead starts that confined, and is its parent.
 *
 * @module
 */

import { confinedCommand } from "../../../core/sandbox/launch.ts";
import { confined } from "./confined.ts";

if (Deno.args.length === 0) {
  console.log(Deno.pid);
} else {
  const { program, args } = confinedCommand(confined(Deno.args[0], []));
  new Deno.Command(program, { args, stdin: "null", stdout: "inherit", stderr: "inherit" }).spawn();
}
setInterval(() => {}, 1000);
