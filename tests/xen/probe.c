/* Requests that a backend must refuse. See workloads.h. */
#include <stdio.h>

#include "grants.h"
#include "workloads.h"

/* Published with the next push; prints the answer's status. */
static void ask(struct frontend *f, const char *name) {
  int slot = frontend_wait(f);
  if (slot != 0) die("%s was not answered", name);
  printf("\"%s\":%d,", name, f->shadow[0].status);
}

/* A write or read of one sector by one segment. */
static blkif_request_t *one_segment(struct frontend *f, uint8_t operation, grant_ref_t reference) {
  blkif_request_t *request = next_request(f, 0, operation);
  request->nr_segments = 1;
  request->sector_number = 0;
  request->seg[0] = (struct blkif_request_segment){.gref = reference, .first_sect = 0, .last_sect = 0};
  return request;
}

static void ask_with_reference(struct frontend *f, const char *name, uint8_t operation, grant_ref_t reference) {
  one_segment(f, operation, reference);
  ask(f, name);
}

static void ask_with_sectors(struct frontend *f, const char *name, uint8_t first, uint8_t last) {
  blkif_request_t *request = one_segment(f, BLKIF_OP_READ, grant_of(f, f->end->layout.data_frame));
  request->seg[0].first_sect = first;
  request->seg[0].last_sect = last;
  ask(f, name);
}

static void ask_at(struct frontend *f, const char *name, uint8_t operation, uint64_t sector) {
  one_segment(f, operation, grant_of(f, f->end->layout.data_frame))->sector_number = sector;
  ask(f, name);
}

static void ask_with_count(struct frontend *f, const char *name, uint8_t segments) {
  one_segment(f, BLKIF_OP_READ, grant_of(f, f->end->layout.data_frame))->nr_segments = segments;
  ask(f, name);
}

static void ask_indirect(struct frontend *f, const char *name, uint8_t operation, uint16_t segments,
                         grant_ref_t reference) {
  blkif_request_indirect_t *request = (blkif_request_indirect_t *)next_request(f, 0, BLKIF_OP_INDIRECT);
  f->shadow[0].operation = operation;
  request->indirect_op = operation;
  request->nr_segments = segments;
  request->sector_number = 0;
  request->indirect_grefs[0] = reference;
  ask(f, name);
}

void run_probe(struct frontend *f) {
  struct end *end = f->end;
  const struct layout *l = &end->layout;
  uint32_t data = l->data_frame, own = FIRST_GRANT + l->frames;
  /* References that the link does not use. */
  grant_ref_t foreign = own, read_only = own + 1, nowhere = own + 2, revoked = own + 3, unused = own + 4;
  if (unused >= end->grant_count) die("the grant table has no free entries for the probe");
  grant_access(end, foreign, end->peer_domain + 1, data, false);
  grant_access(end, read_only, end->peer_domain, data, true);
  grant_access(end, nowhere, end->peer_domain, l->frames, false);
  grant_access(end, revoked, end->peer_domain, data, false);
  if (!end_access(end, revoked)) die("a grant that nobody uses cannot be taken back");

  printf("{");
  ask_with_reference(f, "reserved reference", BLKIF_OP_READ, 0);
  ask_with_reference(f, "unused reference", BLKIF_OP_READ, unused);
  ask_with_reference(f, "reference beyond the table", BLKIF_OP_READ, end->grant_count);
  ask_with_reference(f, "largest reference", BLKIF_OP_READ, UINT32_MAX);
  ask_with_reference(f, "foreign domain", BLKIF_OP_READ, foreign);
  ask_with_reference(f, "frame beyond the region", BLKIF_OP_READ, nowhere);
  ask_with_reference(f, "revoked", BLKIF_OP_READ, revoked);
  ask_with_reference(f, "read into a read-only grant", BLKIF_OP_READ, read_only);
  ask_with_reference(f, "write from a read-only grant", BLKIF_OP_WRITE, read_only);
  ask_with_sectors(f, "first sector after the last", 3, 2);
  ask_with_sectors(f, "last sector beyond the frame", 0, 8);
  ask_with_sectors(f, "both sectors beyond the frame", 255, 255);
  ask_with_count(f, "no segments", 0);
  ask_with_count(f, "12 segments", 12);
  ask_with_count(f, "255 segments", 255);
  ask_at(f, "read past the end", BLKIF_OP_READ, f->sectors);
  ask_at(f, "write past the end", BLKIF_OP_WRITE, f->sectors);
  ask_at(f, "last sector number", BLKIF_OP_WRITE, UINT64_MAX);
  ask_at(f, "byte number beyond 64 bits", BLKIF_OP_WRITE, (uint64_t)1 << 55);
  ask_at(f, "barrier", BLKIF_OP_WRITE_BARRIER, 0);
  ask_at(f, "reserved operation", BLKIF_OP_RESERVED_1, 0);
  ask_at(f, "unknown operation", 200, 0);
  grant_ref_t segments = grant_of(f, l->segment_frames > 0 ? l->segment_frame : data);
  ask_indirect(f, "indirect without segments", BLKIF_OP_READ, 0, segments);
  ask_indirect(f, "indirect with 257 segments", BLKIF_OP_READ, 257, segments);
  ask_indirect(f, "indirect with 65535 segments", BLKIF_OP_READ, UINT16_MAX, segments);
  ask_indirect(f, "indirect segments in no frame", BLKIF_OP_READ, 12, unused);
  ask_indirect(f, "indirect segments that are no segments", BLKIF_OP_READ, 12,
               (memset(frame_bytes(end, data), 0xff, FRAME_BYTES), grant_of(f, data)));
  ask_indirect(f, "indirect flush", BLKIF_OP_FLUSH_DISKCACHE, 12, segments);
  ask_indirect(f, "indirect within indirect", BLKIF_OP_INDIRECT, 12, segments);
  submit_discard(f, 0, 0, 8, BLKIF_DISCARD_SECURE);
  ask(f, "secure discard");
  submit_discard(f, 0, f->sectors - 1, 2, 0);
  ask(f, "discard past the end");
  submit_discard(f, 0, 1, UINT64_MAX, 0);
  ask(f, "discard of too much");
  ask_at(f, "write that is right", BLKIF_OP_WRITE, f->sectors - 1);
  ask_at(f, "read that is right", BLKIF_OP_READ, f->sectors - 1);
  submit_flush(f, 0);
  ask(f, "flush");
  /* Of what was refused nothing stays mapped. */
  printf("\"held\":%d}\n", !end_access(end, foreign) + !end_access(end, nowhere));
}

void claim_too_many(struct frontend *f) {
  f->ring.req_prod_pvt += RING_SIZE(&f->ring) + 1;
  frontend_push(f);
  await_peer(f->end, XenbusStateClosed);
  printf("{}\n");
}
