import assert from "node:assert/strict";
import { type KernelModule, loadOrder } from "./kernel_modules.ts";

/** A module's file, as far as it matters here: other bytes, and the fields of `.modinfo`. */
function module(name: string, depends: string | null): KernelModule {
  const fields = ["license=GPL", ...(depends === null ? [] : [`depends=${depends}`]), `name=${name}`].join("\0");
  return { name, content: new TextEncoder().encode(`\x7fELF\u00ff\0${fields}\0`) };
}

const DEPENDS: Readonly<Record<string, string>> = {
  ahci: "libahci,libata",
  libahci: "libata",
  libata: "scsi_mod,scsi_common",
  scsi_mod: "scsi_common",
  scsi_common: "",
  sd_mod: "scsi_mod,t10-pi",
};

const find = (name: string): Promise<KernelModule | null> => {
  return Promise.resolve(name in DEPENDS ? module(name, DEPENDS[name]) : null);
};

Deno.test("modules are loaded after those that they need, each once; what is built in is left out", async () => {
  const order = await loadOrder(["ahci", "sd_mod"], find);
  assert.deepEqual(order.map(({ name }) => name), ["scsi_common", "scsi_mod", "libata", "libahci", "ahci", "sd_mod"]);
});

Deno.test("a module that does not say what it needs is named", async () => {
  await assert.rejects(
    loadOrder(["odd"], () => Promise.resolve(module("odd", null))),
    /kernel module odd does not say/,
  );
});
