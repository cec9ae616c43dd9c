/**
 * The thread that answers in `echo.ts`.
 *
 * @module
 */

import { NO_CONTEXT } from "../../core/notification.ts";
import { loadPlugin } from "../../core/plugin.ts";
import { EchoEnd, type EchoJob } from "./echo.ts";

const scope = self as unknown as {
  postMessage(message: "ready"): void;
  onmessage: (event: MessageEvent<EchoJob>) => void;
};

scope.onmessage = async ({ data: { ring, events, peerEvents, policy, count } }) => {
  const waiting = (await loadPlugin("policy", policy.url)).create(policy.options, NO_CONTEXT);
  const end = new EchoEnd("back", ring, events, peerEvents);
  scope.postMessage("ready");
  for (let answered = 0; answered < count; answered++) {
    while (end.ring.available() === 0) end.waiter.wait(waiting);
    end.send(end.receive() + 1);
  }
};
