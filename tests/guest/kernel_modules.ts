/**
 * Which kernel modules must be loaded before which: each module's file says what it depends on.
 *
 * @module
 */

/** A module of the kernel. */
export interface KernelModule {
  /** Its name, with `_` for `-`. */
  readonly name: string;
  /** Its file. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** The names in the field `depends` of a module's section `.modinfo`, whose fields end with a zero byte. */
export function dependenciesOf({ name, content }: KernelModule): string[] {
  // Latin-1 keeps every byte a character.
  const text = new TextDecoder("latin1").decode(content);
  const [, names] = /\0depends=([^\0]*)\0/.exec(text) ?? [];
  if (names === undefined) throw new Error(`the kernel module ${name} does not say what it depends on`);
  return names === "" ? [] : names.split(",");
}

/** `wanted` and all that they need, each after what it needs. `find` gives null for what is built into the kernel. */
export async function loadOrder(
  wanted: readonly string[],
  find: (name: string) => Promise<KernelModule | null>,
): Promise<KernelModule[]> {
  const order: KernelModule[] = [];
  const seen = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    if (seen.has(name)) return;
    seen.add(name);
    const module = await find(name);
    if (module === null) return;
    for (const needed of dependenciesOf(module)) await visit(needed);
    order.push(module);
  };
  for (const name of wanted) await visit(name);
  return order;
}
