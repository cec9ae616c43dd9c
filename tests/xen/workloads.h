/* What the frontend does: checks a device, measures it, or asks it for what it must refuse. */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "frontend.h"

struct verify_options {
  uint32_t block_bytes, operations, seed;
  uint64_t bytes; /* how much of the device, from its start */
};

struct verify_counts {
  uint64_t written, verified, generation_sum; /* of sectors */
};

/* As the workload verify: stamps every block, then random reads, writes and discards, and reads all of it in the end.
   Dies when something was not read as it was written. */
struct verify_counts run_verify(struct frontend *f, const struct verify_options *options);

/* The phases of a measurement, which another thread decides about. */
enum phase { WARM_UP, MEASURE, FINISH };

struct fileio_options {
  uint32_t block_bytes, depth, seed;
};

struct fileio_counts {
  uint64_t operations, duration_ns;
  struct event_counts events;
};

/* As the workload sysbench-fileio in mode rndrw, without flushes. */
struct fileio_counts run_fileio(struct frontend *f, const struct fileio_options *options, const uint32_t *phase);

/* Requests that a backend must refuse, and some that it must not; prints the status of each as JSON. */
void run_probe(struct frontend *f);
/* Claims more requests than the ring can hold. */
void claim_too_many(struct frontend *f);

/* The generator of plugins/workloads/random.ts. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

#endif
