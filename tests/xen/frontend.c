/* See frontend.h. */
#include "frontend.h"

#include "grants.h"

/* Xen's first virtual disk. */
#define VIRTUAL_DEVICE 0xca00

grant_ref_t grant_of(const struct frontend *f, uint32_t frame) {
  return FIRST_GRANT + (f->end->layout.frames - 1 - frame);
}

uint8_t *slot_bytes(const struct frontend *f, uint32_t slot) {
  const struct layout *l = &f->end->layout;
  return frame_bytes(f->end, l->data_frame + slot * l->slot_frames) + f->shift_sectors * SECTOR_BYTES;
}

void frontend_connect(struct frontend *f, struct end *end, RING_IDX start, uint32_t shift_sectors, uint32_t indirect) {
  const struct layout *l = &end->layout;
  *f = (struct frontend){.end = end, .shift_sectors = shift_sectors, .responses_seen = start};
  end->is_front = true;
  if (l->slots > l->entries) die("there are %u slots, but only %u entries in the ring", l->slots, l->entries);
  for (uint32_t frame = l->ring_frame; frame < l->frames; frame++) {
    grant_access(end, grant_of(f, frame), end->peer_domain, frame, false);
  }
  blkif_sring_t *sring = shared_ring(end);
  SHARED_RING_INIT(sring);
  sring->req_prod = sring->rsp_prod = start;
  sring->req_event = sring->rsp_event = start + 1;
  FRONT_RING_ATTACH(&f->ring, sring, start, (long)l->ring_frames * FRAME_BYTES);
  if (RING_SIZE(&f->ring) != l->entries) die("the ring has %u entries, not %u", RING_SIZE(&f->ring), l->entries);

  switch_state(end, XenbusStateInitialising);
  await_peer(end, XenbusStateInitWait);
  if (read_key(end, BACK_MAX_RING_ORDER) < l->ring_order) die("the backend takes no ring of order %u", l->ring_order);
  if (read_key(end, BACK_EVENT_CHANNEL) != end->peer_port) die("the backend's port is another");
  write_key(end, FRONT_RING_ORDER, l->ring_order);
  for (uint32_t i = 0; i < l->ring_frames; i++) write_key(end, FRONT_RING_REF + i, grant_of(f, l->ring_frame + i));
  write_key(end, FRONT_EVENT_CHANNEL, end->port);
  write_key(end, FRONT_PERSISTENT, 1);
  switch_state(end, XenbusStateInitialised);
  await_peer(end, XenbusStateConnected);
  f->sectors = read_key(end, BACK_SECTORS) | (uint64_t)read_key(end, BACK_SECTORS_HIGH) << 32;
  f->sector_bytes = read_key(end, BACK_SECTOR_SIZE);
  f->info = read_key(end, BACK_INFO);
  f->can_flush = read_key(end, BACK_FLUSH) == 1;
  f->can_discard = read_key(end, BACK_DISCARD) == 1;
  uint32_t offered = read_key(end, BACK_MAX_INDIRECT);
  if (indirect > offered) indirect = offered;
  if (indirect > SEGMENTS_PER_FRAME) indirect = SEGMENTS_PER_FRAME;
  bool longer = l->segment_frames > 0 && indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST;
  f->max_segments = longer ? indirect : BLKIF_MAX_SEGMENTS_PER_REQUEST;
  switch_state(end, XenbusStateConnected);
}

uint32_t frontend_close(struct frontend *f) {
  struct end *end = f->end;
  const struct layout *l = &end->layout;
  switch_state(end, XenbusStateClosing);
  await_peer(end, XenbusStateClosed);
  uint32_t held = 0;
  for (uint32_t frame = l->ring_frame; frame < l->frames; frame++) held += !end_access(end, grant_of(f, frame));
  switch_state(end, XenbusStateClosed);
  return held;
}

blkif_request_t *next_request(struct frontend *f, uint32_t slot, uint8_t operation) {
  if (RING_FULL(&f->ring)) die("the ring is full");
  if (f->shadow[slot].busy) die("slot %u is busy", slot);
  f->shadow[slot].busy = true;
  f->shadow[slot].operation = operation;
  f->in_flight++;
  blkif_request_t *request = RING_GET_REQUEST(&f->ring, f->ring.req_prod_pvt);
  f->ring.req_prod_pvt++;
  request->operation = operation;
  request->handle = VIRTUAL_DEVICE;
  request->id = slot;
  return request;
}

/* Sectors [from, to) of the link's frames, counted from the slot's first. Returns how many segments they are. */
static uint32_t write_segments(const struct frontend *f, struct blkif_request_segment *segments, uint32_t first_frame,
                               uint32_t from, uint32_t to) {
  uint32_t count = 0;
  while (from < to) {
    uint32_t frame_end = (from / SECTORS_PER_FRAME + 1) * SECTORS_PER_FRAME;
    uint32_t last = to < frame_end ? to : frame_end;
    segments[count].gref = grant_of(f, first_frame + from / SECTORS_PER_FRAME);
    segments[count].first_sect = (uint8_t)(from % SECTORS_PER_FRAME);
    segments[count].last_sect = (uint8_t)((last - 1) % SECTORS_PER_FRAME);
    count++;
    from = last;
  }
  return count;
}

void submit_transfer(struct frontend *f, uint32_t slot, uint8_t operation, uint64_t sector, uint32_t bytes) {
  const struct layout *l = &f->end->layout;
  uint32_t from = f->shift_sectors, to = from + bytes / SECTOR_BYTES;
  uint32_t segments = (to + SECTORS_PER_FRAME - 1) / SECTORS_PER_FRAME;
  uint32_t first_frame = l->data_frame + slot * l->slot_frames;
  if (segments > l->slot_frames || segments > f->max_segments) die("%u bytes are too much for one request", bytes);
  if (segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST) {
    blkif_request_t *request = next_request(f, slot, operation);
    request->sector_number = sector;
    request->nr_segments = (uint8_t)write_segments(f, request->seg, first_frame, from, to);
    return;
  }
  blkif_request_indirect_t *request = (blkif_request_indirect_t *)next_request(f, slot, BLKIF_OP_INDIRECT);
  uint32_t segment_frame = l->segment_frame + slot;
  void *into = frame_bytes(f->end, segment_frame);
  request->indirect_op = operation;
  request->sector_number = sector;
  request->handle = VIRTUAL_DEVICE;
  request->indirect_grefs[0] = grant_of(f, segment_frame);
  request->nr_segments = (uint16_t)write_segments(f, into, first_frame, from, to);
  f->shadow[slot].operation = operation; /* a backend answers with that */
}

void submit_discard(struct frontend *f, uint32_t slot, uint64_t sector, uint64_t sectors, uint8_t flag) {
  blkif_request_discard_t *request = (blkif_request_discard_t *)next_request(f, slot, BLKIF_OP_DISCARD);
  request->flag = flag;
  request->sector_number = sector;
  request->nr_sectors = sectors;
}

void submit_flush(struct frontend *f, uint32_t slot) {
  blkif_request_t *request = next_request(f, slot, BLKIF_OP_FLUSH_DISKCACHE);
  request->nr_segments = 0;
  request->sector_number = 0;
}

void frontend_push(struct frontend *f) {
  if (f->ring.req_prod_pvt == f->ring.sring->req_prod) return;
  int wanted;
  RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&f->ring, wanted);
  if (wanted) notify(f->end), f->end->counts.sent++;
  else f->end->counts.suppressed++;
}

static bool responses_ready(void *frontend) {
  struct frontend *f = frontend;
  return RING_HAS_UNCONSUMED_RESPONSES(&f->ring) != 0;
}

static bool arm_for_responses(void *frontend) {
  struct frontend *f = frontend;
  int more;
  RING_FINAL_CHECK_FOR_RESPONSES(&f->ring, more);
  return more != 0;
}

int frontend_poll(struct frontend *f) {
  if (f->responses_seen == f->ring.rsp_cons) {
    frontend_push(f);
    RING_IDX seen = *(volatile RING_IDX *)&f->ring.sring->rsp_prod;
    xen_rmb(); /* responses after their producer index */
    if (RING_RESPONSE_PROD_OVERFLOW(&f->ring, seen)) die("the backend claims %u responses", seen - f->ring.rsp_cons);
    if (seen == f->ring.rsp_cons) return -1;
    f->responses_seen = seen;
  }
  blkif_response_t response;
  RING_COPY_RESPONSE(&f->ring, f->ring.rsp_cons, &response);
  f->ring.rsp_cons++;
  if (response.id >= f->end->layout.slots) die("answered id %llu", (unsigned long long)response.id);
  struct shadow *shadow = &f->shadow[response.id];
  if (!shadow->busy) die("answered id %llu, not in flight", (unsigned long long)response.id);
  if (response.operation != shadow->operation) {
    die("answered operation %u of id %llu as %u", shadow->operation, (unsigned long long)response.id,
        response.operation);
  }
  if (response.status > BLKIF_RSP_OKAY || response.status < BLKIF_RSP_EOPNOTSUPP) die("status %d", response.status);
  shadow->busy = false;
  shadow->status = response.status;
  f->in_flight--;
  return (int)response.id;
}

int frontend_wait(struct frontend *f) {
  for (;;) {
    int slot = frontend_poll(f);
    if (slot >= 0) return slot;
    if (f->in_flight == 0) return -1;
    if (peer_state(f->end) != XenbusStateConnected) die("the backend left with %u requests in flight", f->in_flight);
    wait_once(f->end, responses_ready, arm_for_responses, f);
  }
}
