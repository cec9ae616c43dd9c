/* See backend.h. */
#include "backend.h"

/* A contiguous piece of the region. */
struct extent {
  uint8_t *at;
  size_t bytes;
};

/* A request in the device's terms. */
struct task {
  uint64_t id;
  uint8_t operation;
  int16_t status;
  uint64_t sector, sectors;
  uint32_t extent_count;
};

/* Of the request that is served. */
static _Thread_local struct extent extents[MAX_INDIRECT];

void backend_connect(struct backend *b, struct end *end, struct disk disk, struct backend_options options) {
  *b = (struct backend){.end = end, .disk = disk, .options = options};
  if (options.max_indirect > MAX_INDIRECT) die("an indirect request has at most %zu segments", (size_t)MAX_INDIRECT);
  end->is_front = false;
  mapper_create(&b->mapper, end);
  const struct layout *l = &end->layout;
  switch_state(end, XenbusStateInitialising);
  write_key(end, BACK_MAX_RING_ORDER, MAX_RING_ORDER);
  write_key(end, BACK_EVENT_CHANNEL, end->port);
  write_key(end, BACK_PERSISTENT, 1);
  write_key(end, BACK_FLUSH, 1);
  write_key(end, BACK_DISCARD, disk.can_discard);
  write_key(end, BACK_MAX_INDIRECT, options.max_indirect);
  switch_state(end, XenbusStateInitWait);
  await_peer(end, XenbusStateInitialised);
  if (read_key(end, FRONT_RING_ORDER) != l->ring_order) die("the frontend's ring has another order");
  if (read_key(end, FRONT_EVENT_CHANNEL) != end->peer_port) die("the frontend's port is another");
  for (uint32_t i = 0; i < l->ring_frames; i++) {
    int64_t frame = map_grant(&b->mapper, read_key(end, FRONT_RING_REF + i), true);
    if (frame != l->ring_frame + i) die("ring reference %u grants frame %lld", i, (long long)frame);
  }
  BACK_RING_ATTACH(&b->ring, shared_ring(end), options.start, (long)l->ring_frames * FRAME_BYTES);
  if (RING_SIZE(&b->ring) != l->entries) die("the ring has %u entries, not %u", RING_SIZE(&b->ring), l->entries);
  write_key(end, BACK_SECTORS, (uint32_t)disk.sectors);
  write_key(end, BACK_SECTORS_HIGH, (uint32_t)(disk.sectors >> 32));
  write_key(end, BACK_SECTOR_SIZE, disk.sector_bytes);
  write_key(end, BACK_INFO, disk.read_only ? VDISK_READONLY : 0);
  switch_state(end, XenbusStateConnected);
  await_peer(end, XenbusStateConnected);
}

/* Finds the frames of copied segments. Those that touch are joined: so long pieces are copied at once. */
static int16_t gather(struct backend *b, struct task *task, const struct blkif_request_segment *segments,
                      uint32_t count) {
  const uint8_t *end = NULL;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t first = segments[i].first_sect, last = segments[i].last_sect;
    if (first > last || last >= SECTORS_PER_FRAME) return BLKIF_RSP_ERROR;
    int64_t frame = map_grant(&b->mapper, segments[i].gref, task->operation == BLKIF_OP_READ);
    if (frame < 0) return BLKIF_RSP_ERROR;
    uint8_t *at = frame_bytes(b->end, (uint32_t)frame) + first * SECTOR_BYTES;
    size_t bytes = (last - first + 1) * SECTOR_BYTES;
    if (at == end) extents[task->extent_count - 1].bytes += bytes;
    else extents[task->extent_count++] = (struct extent){at, bytes};
    end = at + bytes;
    task->sectors += last - first + 1;
  }
  return BLKIF_RSP_OKAY;
}

/* Copies the segments of an indirect request, and goes on with the copy. */
static int16_t gather_indirect(struct backend *b, struct task *task, const blkif_request_indirect_t *request) {
  static _Thread_local struct blkif_request_segment segments[MAX_INDIRECT];
  task->operation = request->indirect_op;
  if (task->operation > BLKIF_OP_WRITE) return BLKIF_RSP_EOPNOTSUPP;
  if (request->nr_segments == 0 || request->nr_segments > b->options.max_indirect) return BLKIF_RSP_ERROR;
  int64_t frame = map_grant(&b->mapper, request->indirect_grefs[0], false);
  if (frame < 0) return BLKIF_RSP_ERROR;
  memcpy(segments, frame_bytes(b->end, (uint32_t)frame), request->nr_segments * sizeof segments[0]);
  xen_rmb(); /* what is checked is what was copied */
  return gather(b, task, segments, request->nr_segments);
}

/* Turns a copied request into the device's terms, and refuses what the protocol or the grants do not allow. */
static int16_t translate(struct backend *b, struct task *task, const blkif_request_t *request) {
  task->sector = request->sector_number;
  switch (request->operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
      if (request->nr_segments == 0 || request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) return BLKIF_RSP_ERROR;
      return gather(b, task, request->seg, request->nr_segments);
    case BLKIF_OP_INDIRECT:
      return gather_indirect(b, task, (const blkif_request_indirect_t *)request);
    case BLKIF_OP_DISCARD: {
      const blkif_request_discard_t *discard = (const blkif_request_discard_t *)request;
      task->sectors = discard->nr_sectors;
      return b->disk.can_discard && discard->flag == 0 ? BLKIF_RSP_OKAY : BLKIF_RSP_EOPNOTSUPP;
    }
    case BLKIF_OP_FLUSH_DISKCACHE:
      task->sector = 0;
      return BLKIF_RSP_OKAY;
    default:
      return BLKIF_RSP_EOPNOTSUPP;
  }
}

static int16_t perform(const struct disk *disk, const struct task *task) {
  if (task->sectors > disk->sectors || task->sector > disk->sectors - task->sectors) return BLKIF_RSP_ERROR;
  if (((task->sector | task->sectors) & (disk->sector_bytes / SECTOR_BYTES - 1)) != 0) return BLKIF_RSP_ERROR;
  bool changes = task->operation == BLKIF_OP_WRITE || task->operation == BLKIF_OP_DISCARD;
  if (changes && disk->read_only) return BLKIF_RSP_ERROR;
  if (disk->bytes == NULL) return BLKIF_RSP_OKAY;
  uint8_t *at = disk->bytes + task->sector * SECTOR_BYTES;
  if (task->operation == BLKIF_OP_DISCARD) memset(at, 0, task->sectors * SECTOR_BYTES);
  for (uint32_t i = 0; i < task->extent_count; i++) {
    struct extent extent = extents[i];
    if (task->operation == BLKIF_OP_READ) memcpy(extent.at, at, extent.bytes);
    else memcpy(at, extent.at, extent.bytes);
    at += extent.bytes;
  }
  return BLKIF_RSP_OKAY;
}

static void serve_one(struct backend *b, const blkif_request_t *request) {
  struct task task = {.id = request->id, .operation = request->operation};
  task.status = translate(b, &task, request);
  if (task.status == BLKIF_RSP_OKAY) task.status = perform(&b->disk, &task);
  b->requests++;
  if (task.status != BLKIF_RSP_OKAY) b->refused++;
  blkif_response_t *response = RING_GET_RESPONSE(&b->ring, b->ring.rsp_prod_pvt);
  response->id = task.id;
  response->operation = task.operation;
  response->status = task.status;
  b->ring.rsp_prod_pvt++;
}

static void push_responses(struct backend *b) {
  int wanted;
  RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&b->ring, wanted);
  if (wanted) notify(b->end), b->end->counts.sent++;
  else b->end->counts.suppressed++;
}

/* Takes all requests that are there. */
static bool service(struct backend *b) {
  RING_IDX produced = *(volatile RING_IDX *)&b->ring.sring->req_prod;
  if (produced == b->ring.req_cons) return false;
  xen_rmb(); /* requests after their producer index */
  if (RING_REQUEST_PROD_OVERFLOW(&b->ring, produced)) die("the frontend claims too many requests");
  bool each = b->options.publish_each;
  RING_IDX half = b->ring.req_cons + ((produced - b->ring.req_cons) >> 1);
  while (b->ring.req_cons != produced) {
    blkif_request_t request;
    RING_COPY_REQUEST(&b->ring, b->ring.req_cons, &request);
    b->ring.req_cons++;
    serve_one(b, &request);
    if (each || b->ring.req_cons == half) push_responses(b);
  }
  if (!each) push_responses(b);
  return true;
}

static bool requests_ready(void *backend) {
  struct backend *b = backend;
  return RING_HAS_UNCONSUMED_REQUESTS(&b->ring) != 0;
}

static bool arm_for_requests(void *backend) {
  struct backend *b = backend;
  int more;
  RING_FINAL_CHECK_FOR_REQUESTS(&b->ring, more);
  return more != 0;
}

void backend_serve(struct backend *b) {
  /* A frontend may publish its last requests and leave at once. */
  for (;;) {
    bool connected = peer_state(b->end) == XenbusStateConnected;
    if (service(b)) continue;
    if (!connected) break;
    wait_once(b->end, requests_ready, arm_for_requests, b);
  }
  unmap_all(&b->mapper);
  switch_state(b->end, XenbusStateClosed);
}
