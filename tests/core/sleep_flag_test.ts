// Suppression by sleep flags, as both ends of a link agree on it.
import assert from "node:assert/strict";
import { Operation } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { ConnectionError } from "../../core/errors.ts";
import { BACKEND_SLEEP_WORD, FRONTEND_SLEEP_WORD } from "../../core/xenbus.ts";
import { MemoryDevice } from "../helpers/devices.ts";
import { connectPair } from "../helpers/link.ts";
import { ScriptedBackend } from "../helpers/scripted_backend.ts";
import { ScriptedFrontend } from "../helpers/scripted_frontend.ts";

const { Read } = Operation;
const FLAGS = { suppression: "sleep-flag" } as const;

Deno.test("a frontend that is to use sleep flags refuses a backend that does not know them", () => {
  for (const [claim, refused] of [[0, true], [2, true], [2 ** 32 - 1, true], [1, false]] as const) {
    const peer = new ScriptedBackend(undefined, FLAGS);
    peer.store.write("feature-sleep-flag", claim);
    if (refused) assert.throws(() => peer.connect(), ConnectionError, `${claim}`);
    else assert.equal(peer.connect().store.read("feature-sleep-flag"), 1, "it says that it uses them");
  }
});

Deno.test("a frontend that uses event indices does not ask for sleep flags", () => {
  const peer = new ScriptedBackend();
  peer.store.write("feature-sleep-flag", 1);
  assert.equal(peer.connect().store.read("feature-sleep-flag"), 0);
});

Deno.test("a backend uses sleep flags exactly when its frontend says so", () => {
  for (const [claim, used] of [[0, false], [1, true], [2, false], [2 ** 32 - 1, false]] as const) {
    const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
    peer.connect((store) => store.write("feature-sleep-flag", claim));
    peer.backend.arm(1);
    assert.equal(peer.ends.memory.words[BACKEND_SLEEP_WORD], used ? 1 : 0, `${claim}`);
  }
});

Deno.test("both ends write the flags of their own, and notify the other when it sleeps", () => {
  const { frontend, backend, ends, serve } = connectPair(synchronous(new MemoryDevice()), FLAGS);
  const { words } = ends.memory;
  backend.arm(1);
  assert.deepEqual([words[FRONTEND_SLEEP_WORD], words[BACKEND_SLEEP_WORD]], [0, 1]);
  frontend.submit(0, Read, 0, 512);
  frontend.poll();
  assert.deepEqual(frontend.pushes, { sent: 1, suppressed: 0 });
  assert.equal(words[BACKEND_SLEEP_WORD], 0, "who notifies takes the flag down");
  frontend.arm(5);
  serve();
  assert.deepEqual([words[FRONTEND_SLEEP_WORD], backend.pushes.sent], [0, 1]);
  frontend.arm(1);
  frontend.disarm();
  assert.equal(frontend.wait(), 0);
  assert.deepEqual(backend.pushes, { sent: 1, suppressed: 0 });
});

Deno.test("a frontend that arms with nothing in flight is not woken, and loses nothing", () => {
  for (const suppression of ["sleep-flag", "event-index"] as const) {
    const { frontend, backend, serve } = connectPair(synchronous(new MemoryDevice()), { suppression });
    assert.equal(frontend.arm(9), true);
    assert.equal(backend.pushes.sent, 0);
    frontend.submit(0, Read, 0, 512);
    frontend.poll();
    serve();
    assert.equal(backend.pushes.sent, 1);
    assert.equal(frontend.wait(), 0);
  }
});

Deno.test("garbage in the flags costs its writer notifications, and nobody else anything", () => {
  for (const garbage of [2, -1, 0x7fffffff]) {
    const { frontend, ends } = connectPair(synchronous(new MemoryDevice()), FLAGS);
    for (let round = 0; round < 40; round++) {
      ends.memory.words[FRONTEND_SLEEP_WORD] = garbage;
      ends.memory.words[BACKEND_SLEEP_WORD] = garbage;
      frontend.submit(round % 32, Read, 0, 512);
      assert.equal(frontend.wait(), round % 32);
    }
    assert.equal(frontend.pushes.sent, 0);
  }
});
