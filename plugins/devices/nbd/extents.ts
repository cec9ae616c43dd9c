/**
 * Parts of a request's data, which lies in pieces of memory: as places for a socket, or to be cleared.
 *
 * @module
 */

import type { BlockRequest } from "../../../core/block_device.ts";
import { MAX_PLACES, type PlaceList } from "../../../core/socket.ts";

/**
 * Appends the places of the bytes from `from` on, as many as the list takes but for `spare` places. On the hot path.
 *
 * @returns how many bytes, at most `byteLength`
 */
export function addPlaces(
  list: PlaceList,
  request: BlockRequest,
  from: number,
  byteLength: number,
  spare: number,
): number {
  const base = request.memory.address;
  let skip = from;
  let left = byteLength;
  for (let i = 0; i < request.extentCount && left > 0 && list.count < MAX_PLACES - spare; i++) {
    const start = request.extentStart(i) + skip;
    const there = request.extentEnd(i) - start;
    if (there <= 0) {
      skip = -there;
      continue;
    }
    skip = 0;
    const length = there < left ? there : left;
    list.add(base + start, length);
    left -= length;
  }
  return byteLength - left;
}

/** Makes a part of a request's data zero. */
export function clear(request: BlockRequest, from: number, byteLength: number): void {
  let skip = from;
  let left = byteLength;
  for (let i = 0; i < request.extentCount && left > 0; i++) {
    const start = request.extentStart(i) + skip;
    const there = request.extentEnd(i) - start;
    if (there <= 0) {
      skip = -there;
      continue;
    }
    skip = 0;
    const length = Math.min(there, left);
    request.memory.bytes.fill(0, start, start + length);
    left -= length;
  }
}
