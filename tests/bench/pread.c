/* Random reads of a file into one aligned buffer: what the kernel and the machine allow. Prints nanoseconds a read.
   pread FILE BLOCK_BYTES READS SEED */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int file = open(argv[1], O_RDONLY);
  long block = atol(argv[2]), reads = atol(argv[3]);
  uint32_t state = (uint32_t)atol(argv[4]);
  long blocks = lseek(file, 0, SEEK_END) / block;
  void *buffer;
  if (file < 0 || blocks < 1 || posix_memalign(&buffer, 4096, block) != 0) return 1;
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (long i = 0; i < reads; i++) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    if (pread(file, buffer, block, (off_t)(state % blocks) * block) != block) return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / reads);
  return 0;
}
