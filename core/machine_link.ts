/**
 * A link as the hypervisor sees it: what each of its ends is handed, and how it begins anew when another driver takes over.
 *
 * @module
 */

import { completionFrames } from "./completion_area.ts";
import type { CompletionBoot, LinkBoot } from "./domain/boot.ts";
import type { DomainControl } from "./domain/control.ts";
import { DomainError } from "./errors.ts";
import type { EventPage } from "./event_channel.ts";
import { linkLayout } from "./link.ts";
import type { MachineMemory } from "./machine_memory.ts";
import type { SharedMemory } from "./memory.ts";
import { clearBackend } from "./xenbus.ts";

/** What a link needs of the domain at one of its ends. */
export interface LinkedDomain {
  /** Its id. */
  readonly id: number;
  /** Its event page. */
  readonly events: EventPage;
  /** The page's memory. */
  readonly eventMemory: SharedMemory;
  /** Its doorbell; null where libc may not be called. */
  readonly eventFd: { readonly descriptor: number } | null;
  /** Its ends of links, by port. */
  readonly links: LinkBoot[];
}

/** What both ends of a link are told alike. */
type SharedByEnds = Pick<LinkBoot, "device" | "options" | "client">;

/** One link of a machine. */
export class MachineLink {
  /** Which of the drivers it had it is used with, from 0. */
  generation = 0;
  /** The frontend's port. */
  readonly frontPort: number;
  /** The backend's port. */
  readonly backPort: number;
  readonly #control: Int32Array;

  /**
   * Makes the link's region, and gives each of the two domains its end.
   *
   * @param responder the thread that takes the frontend's responses, if it is not the one that submits
   * @throws {DomainError} when the channel's options say otherwise
   */
  constructor(
    link: SharedByEnds,
    front: LinkedDomain,
    back: LinkedDomain,
    memory: MachineMemory,
    responder: LinkedDomain | null = null,
  ) {
    const { completion } = link.options.channel;
    if ((completion === "thread") !== (responder !== null)) {
      throw new DomainError(
        `The channel's completion is ${completion}, and the plan has ${responder ? "a" : "no"} thread for it`,
      );
    }
    const layout = linkLayout(link.options);
    const region = memory.allocateFrames(layout.frameCount);
    this.#control = region.frameWords(layout.controlFrame, 1);
    this.frontPort = front.links.length;
    this.backPort = back.links.length;
    const shared = { ...link, memory: region.buffer };
    const frontend = { ...shared, side: "frontend", ...end(this.frontPort, this.backPort, back) } as const;
    const backend = { ...shared, side: "backend", ...end(this.backPort, this.frontPort, front) } as const;
    if (responder === null) {
      front.links.push(frontend);
      back.links.push(backend);
      return;
    }
    const { buffer } = memory.allocateFrames(completionFrames(link.options));
    front.links.push({ ...frontend, completion: { memory: buffer, ...doorbell(responder) } });
    responder.links.push({ ...frontend, completion: { memory: buffer, ...doorbell(front) } });
    // The frames are granted to and by the application; it is its other thread that is to be notified.
    const { events, eventFd } = doorbell(responder);
    back.links.push({ ...backend, peerEvents: events, peerEventFd: eventFd });
  }

  /**
   * Begins the next generation, for another driver. The one before it must have ended: it could still write.
   *
   * @param front the words of the frontend's domain
   * @param back the words of the new driver, which is not at work yet
   */
  renew(front: DomainControl, back: DomainControl): void {
    this.generation++;
    clearBackend(this.#control);
    back.useGeneration(this.backPort, this.generation);
    front.useGeneration(this.frontPort, this.generation);
  }
}

function doorbell({ eventMemory, eventFd }: LinkedDomain): Omit<CompletionBoot, "memory"> {
  return { events: eventMemory.buffer, eventFd: eventFd?.descriptor ?? null };
}

function end(
  port: number,
  peerPort: number,
  peer: LinkedDomain,
): Omit<LinkBoot, "side" | "memory" | keyof SharedByEnds> {
  return {
    port,
    peerPort,
    peerDomainId: peer.id,
    peerEvents: peer.eventMemory.buffer,
    peerEventFd: peer.eventFd?.descriptor ?? null,
  };
}
