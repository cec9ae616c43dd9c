/* See stamp.h. */
#include "stamp.h"

#include <stddef.h>
#include <string.h>

enum { SECTOR = 2, GENERATION = 4, SEED = 5, THREAD = 6, CHECKSUM = 7, FILL = 8 };

static uint32_t checksum(const uint32_t *words) {
  uint32_t sum = 0x811c9dc5;
  for (int i = 0; i < SECTOR_WORDS; i++) {
    if (i == CHECKSUM) continue;
    uint32_t product = (sum ^ words[i]) * 0x01000193;
    sum = product << 15 | product >> 17;
  }
  return sum;
}

void write_stamp(uint32_t *words, uint64_t sector, uint32_t generation, uint32_t seed, uint32_t thread) {
  memcpy(words, "iddrstmp", 8);
  words[SECTOR] = (uint32_t)sector;
  words[SECTOR + 1] = (uint32_t)(sector >> 32);
  words[GENERATION] = generation;
  words[SEED] = seed;
  words[THREAD] = thread;
  uint32_t x = words[SECTOR] * 0x9e3779b1u ^ words[SECTOR + 1] * 0x85ebca77u ^ generation * 0xc2b2ae3du ^
               seed * 0x27d4eb2fu;
  if (x == 0) x = 1;
  for (int i = FILL; i < SECTOR_WORDS; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    words[i] = x;
  }
  words[CHECKSUM] = checksum(words);
}

const char *check_stamp(const uint32_t *words, uint64_t sector, uint32_t generation, uint32_t seed, uint32_t thread) {
  if (memcmp(words, "iddrstmp", 8) != 0) return "no stamp";
  if (words[CHECKSUM] != checksum(words)) return "wrong checksum";
  if (words[SECTOR] != (uint32_t)sector || words[SECTOR + 1] != (uint32_t)(sector >> 32)) return "wrong sector";
  if (words[SEED] != seed || words[THREAD] != thread) return "wrong writer";
  if (words[GENERATION] != generation) return "wrong generation";
  return NULL;
}
