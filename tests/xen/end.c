/* See end.h. */
#define _GNU_SOURCE
#include "end.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HANDSHAKE_LIMIT_NS 30000000000ull
#define LOOK_MS 20

struct end *dying;

_Noreturn void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("xen peer: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  struct end *end = dying;
  dying = NULL;
  if (end != NULL) switch_state(end, XenbusStateClosed);
  exit(1);
}

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct layout lay_out(const struct link_options *options) {
  struct layout l = {.ring_order = options->ring_order, .slots = options->slots};
  l.ring_frames = 1u << l.ring_order;
  l.entries = (uint32_t)__CONST_RING_SIZE(blkif, (size_t)l.ring_frames * FRAME_BYTES);
  l.slot_frames = (options->slot_bytes + FRAME_BYTES - 1) / FRAME_BYTES;
  if (l.slot_frames == 0) l.slot_frames = 1;
  bool longer = l.slot_frames > BLKIF_MAX_SEGMENTS_PER_REQUEST || options->merge == 1;
  bool indirect = options->indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST && longer;
  l.segment_frames = indirect ? l.entries : 0;
  uint32_t grants = FIRST_GRANT + l.ring_frames + l.segment_frames + l.slots * l.slot_frames;
  l.grant_frames = (uint32_t)((grants * sizeof(grant_entry_v1_t) + FRAME_BYTES - 1) / FRAME_BYTES);
  l.ring_frame = 1 + l.grant_frames;
  l.segment_frame = l.ring_frame + l.ring_frames;
  l.data_frame = l.segment_frame + l.segment_frames;
  l.frames = l.data_frame + l.slots * l.slot_frames;
  return l;
}

uint8_t *map_region(int descriptor, size_t bytes) {
  struct stat found;
  if (fstat(descriptor, &found) != 0) die("descriptor %d: %s", descriptor, strerror(errno));
  if ((size_t)found.st_size != bytes) die("the region has %lld bytes, not %zu", (long long)found.st_size, bytes);
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (at == MAP_FAILED) die("cannot map %zu bytes: %s", bytes, strerror(errno));
  return at;
}

void end_attach(struct end *end, const struct link_options *options, uint8_t *region) {
  end->layout = lay_out(options);
  end->region = region;
  end->control = (uint32_t *)region;
  end->grants = (grant_entry_v1_t *)(region + FRAME_BYTES);
  end->grant_count = end->layout.grant_frames * (uint32_t)(FRAME_BYTES / sizeof(grant_entry_v1_t));
}

uint32_t read_key(const struct end *end, uint32_t key) {
  return __atomic_load_n(&end->control[key], __ATOMIC_SEQ_CST);
}

void write_key(struct end *end, uint32_t key, uint32_t value) {
  __atomic_store_n(&end->control[key], value, __ATOMIC_SEQ_CST);
}

enum xenbus_state peer_state(const struct end *end) {
  return (enum xenbus_state)read_key(end, end->is_front ? BACK_STATE : FRONT_STATE);
}

void switch_state(struct end *end, enum xenbus_state state) {
  write_key(end, end->is_front ? FRONT_STATE : BACK_STATE, state);
  ring_bell(end->peer_events, end->peer_doorbell, end->patience.futex);
}

void await_peer(struct end *end, enum xenbus_state wanted) {
  uint32_t limit = end->patience.sleep_limit_ms;
  end->patience.sleep_limit_ms = LOOK_MS;
  struct event_counts counts = end->counts;
  for (uint64_t deadline = now_ns() + HANDSHAKE_LIMIT_NS;;) {
    uint32_t bell = __atomic_load_n(&end->events->bell, __ATOMIC_SEQ_CST);
    __atomic_store_n(&end->events->pending[end->port], 0, __ATOMIC_SEQ_CST);
    enum xenbus_state state = peer_state(end);
    if (state == wanted) break;
    if (state == XenbusStateClosed || (state == XenbusStateClosing && wanted != XenbusStateClosed)) {
      die("the peer is in state %d where %d was awaited", state, wanted);
    }
    if (now_ns() > deadline) die("the peer did not reach state %d: it is in %d", wanted, state);
    sleep_on_bell(end, bell);
  }
  end->counts = counts;
  end->patience.sleep_limit_ms = limit;
}

void ring_bell(struct event_page *page, int doorbell, bool futex) {
  __atomic_fetch_add(&page->bell, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&page->on_descriptor, __ATOMIC_SEQ_CST) == 0) return;
  uint64_t one = 1;
  if (futex) syscall(SYS_futex, &page->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
  else if (write(doorbell, &one, sizeof one) != sizeof one && errno != EAGAIN) die("eventfd: %s", strerror(errno));
}

void notify(struct end *end) {
  struct event_page *page = end->peer_events;
  if (__atomic_exchange_n(&page->pending[end->peer_port], 1, __ATOMIC_SEQ_CST) != 0) return;
  if (__atomic_load_n(&page->masked[end->peer_port], __ATOMIC_SEQ_CST) != 0) return;
  ring_bell(page, end->peer_doorbell, end->patience.futex);
}

void sleep_on_bell(struct end *end, uint32_t seen) {
  struct event_page *page = end->events;
  uint32_t limit = end->patience.sleep_limit_ms;
  end->counts.sleeps++;
  /* In this order: who rings after the look sees that the eventfd is to be rung. */
  __atomic_store_n(&page->on_descriptor, 1, __ATOMIC_SEQ_CST);
  if (end->patience.futex) {
    struct timespec timeout = {limit / 1000, (long)(limit % 1000) * 1000000};
    if (syscall(SYS_futex, &page->bell, FUTEX_WAIT, seen, &timeout, NULL, 0) != 0 && errno == ETIMEDOUT) {
      end->counts.unended++;
    }
  } else if (__atomic_load_n(&page->bell, __ATOMIC_SEQ_CST) == seen) {
    struct pollfd polled = {.fd = end->doorbell, .events = POLLIN};
    uint64_t count;
    if (poll(&polled, 1, (int)limit) == 0) end->counts.unended++;
    else if (read(end->doorbell, &count, sizeof count) < 0 && errno != EAGAIN) die("eventfd: %s", strerror(errno));
  }
  __atomic_store_n(&page->on_descriptor, 0, __ATOMIC_SEQ_CST);
}
