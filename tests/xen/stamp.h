/* The stamp that the workload verify writes into every sector, after the layout that plugins/workloads/stamp.ts
   documents. */
#ifndef STAMP_H
#define STAMP_H

#include <stdint.h>

#define SECTOR_WORDS 128

void write_stamp(uint32_t *words, uint64_t sector, uint32_t generation, uint32_t seed, uint32_t thread);
/* What is wrong with a sector, or null. */
const char *check_stamp(const uint32_t *words, uint64_t sector, uint32_t generation, uint32_t seed, uint32_t thread);

#endif
