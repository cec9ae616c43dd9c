/**
 * A stack and a queue of small whole numbers, of a fixed capacity: slots of tables, without allocation.
 *
 * @module
 */

/** Numbers of which the one that was pushed last is popped first. */
export class Stack {
  /** How many there are. */
  count = 0;
  readonly #numbers: Int32Array;

  /** All numbers from 0 to one below `capacity`; 0 is popped first. */
  constructor(capacity: number) {
    this.#numbers = new Int32Array(capacity);
    this.fill();
  }

  /** Puts all numbers in again. */
  fill(): void {
    this.count = this.#numbers.length;
    for (let i = 0; i < this.count; i++) this.#numbers[i] = this.count - 1 - i;
  }

  /** Puts a number in. */
  push(number: number): void {
    this.#numbers[this.count++] = number;
  }

  /** Takes a number out; −1 if there is none. */
  pop(): number {
    return this.count === 0 ? -1 : this.#numbers[--this.count];
  }
}

/** Numbers of which the one that was pushed first is taken first. */
export class Queue {
  /** How many there are. */
  count = 0;
  readonly #numbers: Int32Array;
  readonly #mask: number;
  #head = 0;

  /** An empty queue of at most `capacity` numbers, a power of two. */
  constructor(capacity: number) {
    this.#numbers = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  /** Puts a number in. */
  push(number: number): void {
    this.#numbers[(this.#head + this.count++) & this.#mask] = number;
  }

  /** The number at a place, 0 for the first. */
  at(index: number): number {
    return this.#numbers[(this.#head + index) & this.#mask];
  }

  /** The first. */
  first(): number {
    return this.#numbers[this.#head];
  }

  /** Takes the first out. */
  shift(): number {
    const first = this.#numbers[this.#head];
    this.drop(1);
    return first;
  }

  /** Takes the first `count` out. */
  drop(count: number): void {
    this.#head = (this.#head + count) & this.#mask;
    this.count -= count;
  }

  /** Takes all out. */
  clear(): void {
    this.drop(this.count);
  }
}
