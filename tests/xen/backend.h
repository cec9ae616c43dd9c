/* The backend: copies each request out of the ring, checks the copy, finds the granted frames, and serves it from a
   disk in memory. */
#ifndef BACKEND_H
#define BACKEND_H

#include "end.h"
#include "grants.h"

struct disk {
  uint8_t *bytes; /* null: a device that does nothing */
  uint64_t sectors; /* of 512 bytes */
  uint32_t sector_bytes; /* its own, to which requests are aligned */
  bool read_only, can_discard;
};

/* Most segments of an indirect request that this backend can be told to take: one frame of them. */
#define MAX_INDIRECT SEGMENTS_PER_FRAME

struct backend_options {
  RING_IDX start; /* where the ring's free-running indices begin */
  uint32_t max_indirect;
  bool publish_each; /* each response by itself, as Linux's xen-blkback; else in two halves, as core/backend.ts */
};

struct backend {
  struct end *end;
  blkif_back_ring_t ring;
  struct mapper mapper;
  struct disk disk;
  struct backend_options options;
  uint64_t requests, refused;
};

void backend_connect(struct backend *b, struct end *end, struct disk disk, struct backend_options options);
/* Serves until the frontend has left, then lets go of everything. */
void backend_serve(struct backend *b);

#endif
