/**
 * A machine for classic BPF, as the kernel has one for filters of system calls. It is stricter: whatever a filter should
 * not do ends it.
 *
 * @module
 */

import type { Program } from "../../core/sandbox/bpf.ts";

/** `struct seccomp_data`. */
export interface SystemCall {
  readonly number: number;
  readonly audit: number;
  readonly args: readonly bigint[];
}

/** How a run ended. */
export interface BpfOutcome {
  readonly verdict: number;
  /** Instructions that were run. */
  readonly steps: number;
}

/** Runs a program over a call. */
export function runBpf(program: Program, { number, audit, args }: SystemCall): BpfOutcome {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, audit, true);
  args.forEach((value, i) => data.setBigUint64(16 + 8 * i, value, true));
  const scratch = new Map<number, number>();
  const stored = (cell: number): number => {
    const value = scratch.get(cell);
    if (value === undefined) throw new Error(`Cell ${cell} is read before anything was stored in it`);
    return value;
  };
  let [a, x] = [0, 0];
  let steps = 0;
  for (let at = 0;;) {
    if (at >= program.length) throw new Error(`It ran off its end, at ${at}`);
    const [code, jumpTrue, jumpFalse, k] = program[at];
    if (![jumpTrue, jumpFalse].every((jump) => Number.isInteger(jump) && jump >= 0 && jump <= 255)) {
      throw new Error(`Jumps of ${jumpTrue} and ${jumpFalse} at ${at}`);
    }
    if (!Number.isInteger(k) || k < 0 || k > 0xffff_ffff) throw new Error(`The operand ${k} at ${at}`);
    at++;
    steps++;
    switch (code) {
      case 0x20:
        if (k % 4 !== 0 || k > 60) throw new Error(`A word at ${k} of the data`);
        a = data.getUint32(k, true);
        break;
      case 0x02:
        scratch.set(k, a);
        break;
      case 0x61:
        x = stored(k);
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0xa4:
        a = (a ^ k) >>> 0;
        break;
      case 0x4c:
        a = (a | x) >>> 0;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        at += a === k ? jumpTrue : jumpFalse;
        break;
      case 0x35:
        at += a >= k ? jumpTrue : jumpFalse;
        break;
      case 0x06:
        return { verdict: k, steps };
      default:
        throw new Error(`The code ${code} at ${at - 1}`);
    }
  }
}
