/**
 * Programs of classic BPF, as the kernel runs them over a system call (`struct seccomp_data`).
 *
 * A program is a list of instructions. Every part here jumps forward and within itself alone, so parts are put one after
 * the other. Numbers: Linux `include/uapi/linux/bpf_common.h`, `filter.h` and `seccomp.h`.
 *
 * @module
 */

/** `struct sock_filter`: what to do, how many instructions to pass over if it is so and if not, and a number of 32 bits. */
export type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number];
/** Instructions in order. */
export type Program = readonly Instruction[];

/** Codes of the instructions that are used here. A is the accumulator, X the index register, M the scratch memory. */
export const Bpf = {
  /** A = the word of the data at the operand. */
  LoadWord: 0x20,
  /** M[operand] = A. */
  Store: 0x02,
  /** X = M[operand]. */
  LoadIndex: 0x61,
  /** A &= operand. */
  And: 0x54,
  /** A ^= operand. */
  Xor: 0xa4,
  /** A |= X. */
  OrIndex: 0x4c,
  /** Passes over as many instructions as the operand says. */
  Jump: 0x05,
  /** Whether A = operand. */
  JumpEqual: 0x15,
  /** Whether A >= operand, without sign. */
  JumpAtLeast: 0x35,
  /** Ends with the operand. */
  Return: 0x06,
} as const;

/** What becomes of a system call: `SECCOMP_RET_…`. */
export const Verdict = {
  /** It is done. */
  Allow: 0x7fff_0000,
  /** The whole process is killed. */
  KillProcess: 0x8000_0000,
  /** It is not done, and fails with this error. */
  fail: (errno: number): number => 0x0005_0000 | errno,
} as const;

/** Where things lie in `struct seccomp_data`. The machine's byte order is little-endian. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const ARGUMENTS = 16;
const ARGUMENT_BYTES = 8;
const INSTRUCTION_BYTES = 8;
/** `BPF_MAXINSNS`: more the kernel does not take. */
const MAX_INSTRUCTIONS = 4096;

/** The lower half of an argument, which is all that the kernel looks at where it takes an `int`. */
const lowerHalf = (argument: number): Instruction => [Bpf.LoadWord, 0, 0, ARGUMENTS + argument * ARGUMENT_BYTES];
const upperHalf = (argument: number): Instruction => [Bpf.LoadWord, 0, 0, ARGUMENTS + argument * ARGUMENT_BYTES + 4];

/** Ends with a verdict. */
export function verdict(value: number): Program {
  return [[Bpf.Return, 0, 0, value]];
}

/** Ends with `refusal` unless the call comes by this architecture's table; then loads the call's number. */
export function onArchitecture(audit: number, refusal: number): Program {
  return [
    [Bpf.LoadWord, 0, 0, ARCHITECTURE],
    [Bpf.JumpEqual, 1, 0, audit],
    [Bpf.Return, 0, 0, refusal],
    [Bpf.LoadWord, 0, 0, NUMBER],
  ];
}

/** Goes on if the lower half of an argument, masked, is (or is not) one of some values; ends with `refusal` otherwise. */
export function requireAmong(
  { argument, mask = 0xffff_ffff, values, among }: {
    readonly argument: number;
    readonly mask?: number;
    readonly values: readonly number[];
    readonly among: boolean;
  },
  refusal: number,
): Program {
  // Whichever value it is, the jump ends behind the one instruction that follows the comparisons.
  const compared = values.map((value, i): Instruction => [Bpf.JumpEqual, values.length - i, 0, value]);
  const masked: Program = [lowerHalf(argument), [Bpf.And, 0, 0, mask], ...compared];
  if (among) return [...masked, [Bpf.Return, 0, 0, refusal]];
  return [...masked, [Bpf.Jump, 0, 0, 1], [Bpf.Return, 0, 0, refusal]];
}

/**
 * Goes on if each of some arguments has exactly its value, in all 64 bits; ends with `refusal` otherwise. It takes the
 * same steps whatever the arguments are, so that how long it takes tells nothing of the values.
 */
export function requireExactly(values: ReadonlyMap<number, bigint>, refusal: number): Program {
  const halves = [...values].flatMap(([argument, value]): (readonly [Instruction, number])[] => [
    [lowerHalf(argument), Number(value & 0xffff_ffffn)],
    [upperHalf(argument), Number(value >> 32n)],
  ]);
  // M[0] gathers every bit that differs.
  const gathered = halves.flatMap(([load, wanted], i): Instruction[] => [
    load,
    [Bpf.Xor, 0, 0, wanted],
    ...(i === 0 ? [] : [[Bpf.LoadIndex, 0, 0, 0], [Bpf.OrIndex, 0, 0, 0]] as const),
    [Bpf.Store, 0, 0, 0],
  ]);
  return [...gathered, [Bpf.JumpEqual, 1, 0, 0], [Bpf.Return, 0, 0, refusal]];
}

/** What is done from some value of the accumulator on, until the next part begins. */
export interface Segment {
  /** The first value that it is for. */
  readonly from: number;
  /** It must end with a verdict. */
  readonly body: Program;
}

/** Finds by halving the segment in which the accumulator lies. They ascend, and the first begins at 0. */
export function search(segments: readonly Segment[]): Program {
  if (segments.length === 1) return segments[0].body;
  const middle = segments.length >> 1;
  const below = search(segments.slice(0, middle));
  const above = search(segments.slice(middle));
  // By way of a jump of 32 bits, as a condition's own have 8.
  return [[Bpf.JumpAtLeast, 0, 1, segments[middle].from], [Bpf.Jump, 0, 0, below.length], ...below, ...above];
}

/**
 * A program as an array of `struct sock_filter`.
 *
 * @throws {RangeError} when it is longer than the kernel takes
 */
export function encode(program: Program): Uint8Array<ArrayBuffer> {
  if (program.length > MAX_INSTRUCTIONS) {
    throw new RangeError(`A filter of ${program.length} instructions: allowed are ${MAX_INSTRUCTIONS}`);
  }
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, jumpTrue, jumpFalse, operand], i) => {
    view.setUint16(i * INSTRUCTION_BYTES, code, true);
    view.setUint8(i * INSTRUCTION_BYTES + 2, jumpTrue);
    view.setUint8(i * INSTRUCTION_BYTES + 3, jumpFalse);
    view.setUint32(i * INSTRUCTION_BYTES + 4, operand, true);
  });
  return bytes;
}
