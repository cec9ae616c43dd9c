/**
 * A program that tries to become another, which prints its version: by the system call that its first argument names.
 *
 * @module
 */

import { Kernel } from "../../../core/sandbox/kernel.ts";
import { openCLibrary } from "../../../core/libc.ts";

const EXECVEAT = { x86_64: 322, aarch64: 281 }[Deno.build.arch];
const AT_FDCWD = -100n;

const [call, path] = Deno.args;
const kernel = Kernel.open();
const library = openCLibrary({
  syscall: { parameters: ["usize", "usize", "usize", "usize", "usize", "usize"], result: "isize" },
});
if (kernel === null || library === null) throw new Error("It takes the C library");
const text = (value: string): bigint => kernel.place(new TextEncoder().encode(`${value}\0`));
const argv = kernel.place(new Uint8Array(BigUint64Array.of(text(path), text("--version"), 0n).buffer));
const env = kernel.place(new Uint8Array(8));
console.log("before");
if (call === "execve") kernel.try("execve", text(path), argv, env);
else library.symbols.syscall(BigInt(EXECVEAT), AT_FDCWD, text(path), argv, env, 0n);
console.log("still the same program");
