/* Random reads and writes, measured. See workloads.h. */
#include "workloads.h"

/* Reads for each write: sysbench's 1.5, in halves. */
#define READ_HALVES 3
#define WRITE_HALVES 2

struct load {
  struct frontend *f;
  uint32_t block_bytes, random;
  uint64_t blocks, reads, writes;
};

static void submit_random(struct load *load, uint32_t slot) {
  /* sysbench's rule: no chance, and exact at every moment. */
  bool read = (load->reads + 1) * WRITE_HALVES < READ_HALVES * (load->writes + 1);
  if (read) load->reads++;
  else load->writes++;
  uint64_t block = ((uint64_t)next_random(&load->random) * load->blocks) >> 32;
  submit_transfer(load->f, slot, read ? BLKIF_OP_READ : BLKIF_OP_WRITE, block * (load->block_bytes / SECTOR_BYTES),
                  load->block_bytes);
}

struct fileio_counts run_fileio(struct frontend *f, const struct fileio_options *options, const uint32_t *phase) {
  struct load load = {.f = f, .block_bytes = options->block_bytes, .random = options->seed | 1};
  load.blocks = f->sectors * SECTOR_BYTES / options->block_bytes;
  struct fileio_counts counts = {0};
  uint64_t operations = 0, began_at = 0;
  enum phase seen = WARM_UP;
  for (uint32_t slot = 0; slot < options->depth; slot++) {
    memset(slot_bytes(f, slot), (int)slot + 1, options->block_bytes);
    submit_random(&load, slot);
  }
  for (int slot; (slot = frontend_wait(f)) >= 0;) {
    if (f->shadow[slot].status != BLKIF_RSP_OKAY) die("an operation failed with %d", f->shadow[slot].status);
    operations++;
    enum phase now = (enum phase)__atomic_load_n(phase, __ATOMIC_RELAXED);
    if (now != seen) {
      /* The window is cut here, by this thread's clock. */
      if (now == MEASURE) {
        operations = 0;
        counts.events = f->end->counts;
        began_at = now_ns();
      } else if (seen == MEASURE) {
        struct event_counts before = counts.events, after = f->end->counts;
        counts.operations = operations;
        counts.duration_ns = now_ns() - began_at;
        counts.events = (struct event_counts){after.sent - before.sent, after.suppressed - before.suppressed,
                                              after.arms - before.arms, after.sleeps - before.sleeps,
                                              after.unended - before.unended};
      } else {
        die("the window was over before it was seen");
      }
      seen = now;
    }
    if (now != FINISH) submit_random(&load, (uint32_t)slot);
  }
  return counts;
}
