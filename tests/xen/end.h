/* One end of a link: the shared region, XenStore's keys as words of its first frame, and the event channel.
   The layout is that of core/link.ts, the keys are those of core/xenbus.ts, the event page is that of
   core/event_channel.ts. */
#ifndef END_H
#define END_H

#include "xen.h"

/* Keys: words of the control frame. */
enum front_key {
  FRONT_STATE = 0,
  FRONT_RING_ORDER = 1,
  FRONT_EVENT_CHANNEL = 2,
  FRONT_PERSISTENT = 3,
  FRONT_SLEEP_FLAG = 4,
  FRONT_RING_REF = 16,
};
enum back_key {
  BACK_STATE = 256,
  BACK_MAX_RING_ORDER = 257,
  BACK_EVENT_CHANNEL = 258,
  BACK_PERSISTENT = 259,
  BACK_FLUSH = 260,
  BACK_DISCARD = 261,
  BACK_SECTORS = 262,
  BACK_SECTORS_HIGH = 263,
  BACK_SECTOR_SIZE = 264,
  BACK_INFO = 265,
  BACK_MAX_INDIRECT = 266,
};

/* Where everything lies in the region, in frames. */
struct layout {
  uint32_t ring_order, entries, grant_frames;
  uint32_t ring_frame, ring_frames, segment_frame, segment_frames, data_frame, slots, slot_frames, frames;
};

/* What a link is made for: LinkOptions of core/link.ts, as far as the layout depends on it. */
struct link_options {
  uint32_t ring_order, slots, slot_bytes, indirect, merge;
};

/* How a thread waits: it spins, then asks for a notification and sleeps. */
struct patience {
  uint64_t spin_ns;
  uint32_t sleep_limit_ms;
  bool futex; /* sleeps on the bell's word instead of the eventfd */
};

/* Words by which a domain is woken. */
struct event_page {
  uint32_t bell, unused[15], pending[256], masked[256], on_descriptor;
};

struct event_counts {
  uint64_t sent, suppressed, arms, sleeps;
  uint64_t unended; /* sleeps that only their limit ended */
};

struct end {
  struct layout layout;
  uint8_t *region;
  uint32_t *control;
  grant_entry_v1_t *grants;
  uint32_t grant_count;
  bool is_front;
  domid_t domain, peer_domain;
  uint32_t port, peer_port;
  struct event_page *events, *peer_events;
  int doorbell, peer_doorbell;
  struct patience patience;
  struct event_counts counts;
};

struct layout lay_out(const struct link_options *options);
/* Maps a region that another process made; dies if it has not that size. */
uint8_t *map_region(int descriptor, size_t bytes);
/* Fills in what follows from the layout and the region. */
void end_attach(struct end *end, const struct link_options *options, uint8_t *region);

uint32_t read_key(const struct end *end, uint32_t key);
void write_key(struct end *end, uint32_t key, uint32_t value);
enum xenbus_state peer_state(const struct end *end);
/* Changes the own state, and wakes the peer. */
void switch_state(struct end *end, enum xenbus_state state);
/* Dies if the peer closes instead, or takes longer than 30 s. */
void await_peer(struct end *end, enum xenbus_state wanted);

void notify(struct end *end);
/* Wakes a domain, pending or not. */
void ring_bell(struct event_page *page, int doorbell, bool futex);
void sleep_on_bell(struct end *end, uint32_t seen);
uint64_t now_ns(void);

/* Ends the process; the peer, if there is one, sees this end closed. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whose end is closed when this process dies. */
extern struct end *dying;

static inline uint8_t *frame_bytes(const struct end *end, uint32_t frame) {
  return end->region + (size_t)frame * FRAME_BYTES;
}

static inline blkif_sring_t *shared_ring(const struct end *end) {
  return (blkif_sring_t *)frame_bytes(end, end->layout.ring_frame);
}

static inline void relax(void) {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
  __asm__ volatile("" ::: "memory");
}

/* Looks without a pause first, which finds the fastest answers, then with short ones, and reads the clock now and then:
   so does core/waiter.ts. */
#define LOOKS_PER_CHECK 128

/* Waits once: returns when there is work, when the bell rang, or when the sleep was too long. `ready` looks, `arm` asks
   for a notification and looks again (RING_FINAL_CHECK_FOR_…). Inlined, so that both are. */
static inline __attribute__((always_inline)) void wait_once(struct end *end, bool (*ready)(void *), bool (*arm)(void *),
                                                            void *who) {
  uint32_t bell = __atomic_load_n(&end->events->bell, __ATOMIC_SEQ_CST);
  if (end->patience.spin_ns > 0) {
    for (int i = 0; i < LOOKS_PER_CHECK; i++) {
      if (ready(who)) return;
      xen_rmb();
    }
    uint64_t until = now_ns() + end->patience.spin_ns;
    do {
      for (int i = 0; i < LOOKS_PER_CHECK; i++) {
        if (ready(who)) return;
        relax();
      }
      if (__atomic_load_n(&end->events->bell, __ATOMIC_SEQ_CST) != bell) return;
    } while (now_ns() < until);
  }
  /* In this order: an event after the clearing rings, one before it is seen by the look. */
  __atomic_store_n(&end->events->pending[end->port], 0, __ATOMIC_SEQ_CST);
  end->counts.arms++;
  if (arm(who) || peer_state(end) != XenbusStateConnected) return;
  sleep_on_bell(end, bell);
}

#endif
