/* Checks that a device keeps what it is given. See workloads.h. */
#include <stdlib.h>

#include "stamp.h"
#include "workloads.h"

/* Of 16 random operations. */
#define READS 6
#define DISCARDS 2
/* What a buffer holds before a read. */
#define UNREAD 0xa5

enum content { UNKNOWN, STAMPS };

struct block {
  uint32_t generation;
  enum content content;
  bool busy;
};

struct verification {
  struct frontend *f;
  struct verify_options options;
  uint32_t count, sectors_per_block;
  struct block *blocks;
  uint32_t block_of[MAX_ENTRIES];
  uint32_t cursor, random; /* of the phase that runs */
  struct verify_counts counts;
};

static void stamp_block(struct verification *v, uint32_t slot, uint32_t block) {
  uint32_t generation = ++v->blocks[block].generation;
  uint32_t *words = (uint32_t *)slot_bytes(v->f, slot);
  for (uint32_t i = 0; i < v->sectors_per_block; i++) {
    write_stamp(words + i * SECTOR_WORDS, (uint64_t)block * v->sectors_per_block + i, generation, v->options.seed, 0);
  }
}

static void submit(struct verification *v, uint32_t slot, uint32_t block, uint8_t operation) {
  uint64_t sector = (uint64_t)block * v->sectors_per_block;
  v->blocks[block].busy = true;
  v->block_of[slot] = block;
  if (operation == BLKIF_OP_DISCARD) {
    v->blocks[block].generation++;
    submit_discard(v->f, slot, sector, v->sectors_per_block, 0);
    return;
  }
  if (operation == BLKIF_OP_WRITE) stamp_block(v, slot, block);
  else memset(slot_bytes(v->f, slot), UNREAD, v->options.block_bytes);
  submit_transfer(v->f, slot, operation, sector, v->options.block_bytes);
}

static void check_block(struct verification *v, uint32_t slot, uint32_t block) {
  const uint32_t *words = (const uint32_t *)slot_bytes(v->f, slot);
  for (uint32_t i = 0; i < v->sectors_per_block; i++) {
    uint64_t sector = (uint64_t)block * v->sectors_per_block + i;
    const char *fault =
        check_stamp(words + i * SECTOR_WORDS, sector, v->blocks[block].generation, v->options.seed, 0);
    if (fault != NULL) die("sector %llu was not read as it was written: %s", (unsigned long long)sector, fault);
  }
  v->counts.verified += v->sectors_per_block;
}

static void finished(struct verification *v, uint32_t slot) {
  struct block *block = &v->blocks[v->block_of[slot]];
  const struct shadow *shadow = &v->f->shadow[slot];
  if (shadow->status != BLKIF_RSP_OKAY) die("operation %u failed with %d", shadow->operation, shadow->status);
  block->busy = false;
  if (shadow->operation == BLKIF_OP_DISCARD) {
    block->content = UNKNOWN;
  } else if (shadow->operation == BLKIF_OP_WRITE) {
    block->content = STAMPS;
    v->counts.written += v->sectors_per_block;
  } else if (block->content == STAMPS) {
    check_block(v, slot, v->block_of[slot]);
  }
}

/* Keeps all slots busy until `next` has nothing more to submit. */
static void pipeline(struct verification *v, bool (*next)(struct verification *, uint32_t slot)) {
  for (uint32_t slot = 0; slot < v->f->end->layout.slots && next(v, slot); slot++);
  for (int slot; (slot = frontend_wait(v->f)) >= 0;) {
    finished(v, (uint32_t)slot);
    next(v, (uint32_t)slot);
  }
}

static bool write_next(struct verification *v, uint32_t slot) {
  while (v->cursor < v->count && v->blocks[v->cursor].content != UNKNOWN) v->cursor++;
  if (v->cursor == v->count) return false;
  submit(v, slot, v->cursor++, BLKIF_OP_WRITE);
  return true;
}

static bool read_next(struct verification *v, uint32_t slot) {
  if (v->cursor == v->count) return false;
  submit(v, slot, v->cursor++, BLKIF_OP_READ);
  return true;
}

static bool random_next(struct verification *v, uint32_t slot) {
  if (v->cursor == v->options.operations) return false;
  v->cursor++;
  uint32_t block = next_random(&v->random) % v->count;
  while (v->blocks[block].busy) block = (block + 1) % v->count;
  uint32_t choice = next_random(&v->random) >> 28;
  if (choice < READS) submit(v, slot, block, BLKIF_OP_READ);
  else if (choice < READS + DISCARDS && v->f->can_discard) submit(v, slot, block, BLKIF_OP_DISCARD);
  else submit(v, slot, block, BLKIF_OP_WRITE);
  return true;
}

struct verify_counts run_verify(struct frontend *f, const struct verify_options *options) {
  struct verification v = {.f = f, .options = *options, .sectors_per_block = options->block_bytes / SECTOR_BYTES};
  if (options->bytes > f->sectors * SECTOR_BYTES) {
    die("the device has only %llu sectors", (unsigned long long)f->sectors);
  }
  v.count = (uint32_t)(options->bytes / options->block_bytes);
  /* With as many blocks as slots there always is one that no other slot is busy with. */
  if (v.count < f->end->layout.slots) die("there are fewer blocks than slots");
  v.blocks = calloc(v.count, sizeof *v.blocks);
  if (v.blocks == NULL) die("no memory");
  v.random = options->seed | 1;
  v.cursor = 0;
  pipeline(&v, write_next);
  v.cursor = 0;
  pipeline(&v, random_next);
  v.cursor = 0;
  pipeline(&v, write_next);
  if (f->can_flush) {
    submit_flush(f, 0);
    if (frontend_wait(f) != 0 || f->shadow[0].status != BLKIF_RSP_OKAY) die("the flush failed");
  }
  v.cursor = 0;
  pipeline(&v, read_next);
  for (uint32_t i = 0; i < v.count; i++) {
    v.counts.generation_sum += (uint64_t)v.blocks[i].generation * v.sectors_per_block;
  }
  free(v.blocks);
  return v.counts;
}
