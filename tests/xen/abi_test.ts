// What a C compiler makes of Xen's headers is what this project's modules have as numbers.
import assert from "node:assert/strict";
import {
  ENTRY_BYTES,
  FIRST_SEGMENT,
  MAX_SEGMENTS,
  Operation,
  RequestCopy,
  responseOperation,
  responseStatus,
  SEGMENT_WORDS,
  segmentFirstSector,
  segmentLastSector,
  segmentReference,
  Status,
} from "../../core/blkif.ts";
import { FIRST_GRANT_REFERENCE, GRANT_ENTRY_BYTES, GrantStatus, GrantTable } from "../../core/grant_table.ts";
import { MAX_RING_ORDER, RING_HEADER_BYTES, ringEntryCount } from "../../core/ring.ts";
import { VDISK_READONLY, XenbusState } from "../../core/xenbus.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { programForTests, runProgram } from "./program.ts";

type Abi = Readonly<Record<string, number>>;

const { missing, program } = programForTests();

/** An entry of which the bytes of one field are a pattern, and all others 0. */
function entryWith(offset: number, ...bytes: number[]): RequestCopy {
  const entry = new Uint8Array(ENTRY_BYTES);
  entry.set(bytes, offset);
  const copy = new RequestCopy();
  copy.words.set(new Int32Array(entry.buffer));
  return copy;
}

function checkRequests(found: Abi): void {
  const place = (field: string): number => found[`blkif_request_t.${field}`];
  assert.equal(entryWith(place("operation"), 0x81).operation, 0x81);
  assert.equal(entryWith(place("nr_segments"), 0x82).segmentCount, 0x82);
  assert.equal(entryWith(place("id"), 1, 2, 3, 4, 5, 6, 7, 8).idLow, 0x04030201);
  assert.equal(entryWith(place("id"), 1, 2, 3, 4, 5, 6, 7, 8).idHigh, 0x08070605);
  assert.equal(entryWith(place("sector_number"), 1, 2, 3, 4, 5, 6).sector, 0x060504030201);
  assert.equal(place("seg"), FIRST_SEGMENT * 4);
  const discard = (field: string): number => found[`blkif_request_discard_t.${field}`];
  assert.equal(entryWith(discard("flag"), 1).discardFlag, 1);
  assert.equal(entryWith(discard("sector_number"), 9).sector, 9);
  assert.equal(entryWith(discard("nr_sectors"), 1, 2, 3, 4, 5, 6).discardSectors, 0x060504030201);
  const indirect = (field: string): number => found[`blkif_request_indirect_t.${field}`];
  assert.equal(entryWith(indirect("indirect_op"), 1).indirectOperation, 1);
  assert.equal(entryWith(indirect("nr_segments"), 0x34, 0x12).indirectSegmentCount, 0x1234);
  assert.equal(entryWith(indirect("indirect_grefs"), 0xff, 1, 2, 0xfe).indirectReference, 0xfe0201ff);
  for (const [name, offset] of [["discard", discard("id")], ["indirect", indirect("id")]] as const) {
    assert.equal(offset, place("id"), name);
  }
}

function checkSegmentsAndResponses(found: Abi): void {
  const segment = (field: string): number => found[`struct blkif_request_segment.${field}`];
  assert.equal(found["sizeof struct blkif_request_segment"], SEGMENT_WORDS * 4);
  const wordsWith = (offset: number, ...bytes: number[]): Int32Array => {
    const all = new Uint8Array(16);
    all.set(bytes, offset);
    return new Int32Array(all.buffer);
  };
  assert.equal(segmentReference(wordsWith(segment("gref"), 1, 2, 3, 0xf4)[0]), 0xf4030201);
  assert.equal(segmentFirstSector(wordsWith(segment("first_sect"), 5)[1]), 5);
  assert.equal(segmentLastSector(wordsWith(segment("last_sect"), 7)[1]), 7);
  const response = (field: string): number => found[`blkif_response_t.${field}`];
  assert.equal(found["sizeof blkif_response_t"], 16);
  assert.equal(wordsWith(response("id"), 1, 2, 3, 4)[0], 0x04030201);
  assert.equal(responseOperation(wordsWith(response("operation"), 6)[2]), 6);
  assert.equal(responseStatus(wordsWith(response("status"), 0xfe, 0xff)[2]), -2);
}

function checkGrants(found: Abi): void {
  const words = new Int32Array(1024);
  assert.equal(found["sizeof grant_entry_v1_t"], GRANT_ENTRY_BYTES);
  assert.equal(found["GNTTAB_NR_RESERVED_ENTRIES"], FIRST_GRANT_REFERENCE);
  const reference = new GrantTable(words).grantAccess(0x1234, 0x56789abc, true);
  const entry = new DataView(words.buffer, reference * GRANT_ENTRY_BYTES);
  const flags = found["GTF_permit_access"] | found["GTF_readonly"];
  assert.equal(entry.getUint16(found["grant_entry_v1_t.flags"], true), flags);
  assert.equal(entry.getUint16(found["grant_entry_v1_t.domid"], true), 0x1234);
  assert.equal(entry.getUint32(found["grant_entry_v1_t.frame"], true), 0x56789abc);
}

testUnless(missing, "Xen's headers and this project's modules agree on sizes, places and numbers", async () => {
  const found = await runProgram<Abi>(program, "abi");
  assert.equal(found["byte order"], 1);
  assert.equal(found["sizeof entry"], ENTRY_BYTES);
  assert.equal(found["sizeof blkif_request_t"], ENTRY_BYTES);
  assert.equal(found["BLKIF_MAX_SEGMENTS_PER_REQUEST"], MAX_SEGMENTS);
  assert.equal(found["VDISK_READONLY"], VDISK_READONLY);
  assert.equal(found["blkif_sring_t.ring"], RING_HEADER_BYTES);
  const header = ["req_prod", "req_event", "rsp_prod", "rsp_event"].map((field) => found[`blkif_sring_t.${field}`]);
  assert.deepEqual(header, [0, 4, 8, 12]);
  for (let order = 0; order <= MAX_RING_ORDER; order++) {
    assert.equal(found[`entries of order ${order}`], ringEntryCount(order, ENTRY_BYTES));
  }
  const named = (prefix: string, values: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(values)) assert.equal(found[`${prefix}${name}`], value, name);
  };
  const { Read, Write, WriteBarrier, Flush, Discard, Indirect } = Operation;
  const operations = { READ: Read, WRITE: Write, WRITE_BARRIER: WriteBarrier, FLUSH_DISKCACHE: Flush };
  named("BLKIF_OP_", { ...operations, DISCARD: Discard, INDIRECT: Indirect });
  named("BLKIF_RSP_", { OKAY: Status.Okay, ERROR: Status.Error, EOPNOTSUPP: Status.NotSupported });
  named("GNTST_", {
    okay: GrantStatus.Okay,
    bad_domain: GrantStatus.BadDomain,
    bad_gntref: GrantStatus.BadReference,
    bad_handle: GrantStatus.BadHandle,
    permission_denied: GrantStatus.PermissionDenied,
    bad_page: GrantStatus.BadPage,
    bad_copy_arg: GrantStatus.BadCopyArgument,
  });
  named("XenbusState", XenbusState);
  checkRequests(found);
  checkSegmentsAndResponses(found);
  checkGrants(found);
});
