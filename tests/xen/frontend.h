/* The frontend: ring entries whose data lies in granted frames, and a shadow of what was asked for. */
#ifndef FRONTEND_H
#define FRONTEND_H

#include "end.h"

struct shadow {
  bool busy;
  uint8_t operation;
  int16_t status;
};

struct frontend {
  struct end *end;
  blkif_front_ring_t ring;
  struct shadow shadow[MAX_ENTRIES]; /* a slot's number is the id of its request */
  uint32_t in_flight;
  RING_IDX responses_seen;
  grant_ref_t grants_end;
  uint32_t max_segments, shift_sectors;
  /* What the backend says of its device. */
  uint64_t sectors;
  uint32_t sector_bytes, info;
  bool can_flush, can_discard;
};

/* Where the ring's free-running indices begin, and at which sector of a slot's first frame its data begins. */
void frontend_connect(struct frontend *f, struct end *end, RING_IDX start, uint32_t shift_sectors, uint32_t indirect);
/* Closes, then takes all grants back; returns how many the backend did not let go of. */
uint32_t frontend_close(struct frontend *f);

/* The reference of a frame of the link: the last frame has the first, so that no backend can take one for the other. */
grant_ref_t grant_of(const struct frontend *f, uint32_t frame);
uint8_t *slot_bytes(const struct frontend *f, uint32_t slot);

/* Writes the next entry; frontend_push publishes it. Sectors are of 512 bytes. */
void submit_transfer(struct frontend *f, uint32_t slot, uint8_t operation, uint64_t sector, uint32_t bytes);
void submit_discard(struct frontend *f, uint32_t slot, uint64_t sector, uint64_t sectors, uint8_t flag);
void submit_flush(struct frontend *f, uint32_t slot);
/* The next entry, for requests that are not as they should be. */
blkif_request_t *next_request(struct frontend *f, uint32_t slot, uint8_t operation);
void frontend_push(struct frontend *f);

/* A slot whose request was answered, or -1. When no response is left that was seen, it first pushes what was submitted
   meanwhile. Dies if the backend breaks the protocol. */
int frontend_poll(struct frontend *f);
/* Waits for one; -1 when nothing is in flight. */
int frontend_wait(struct frontend *f);

#endif
