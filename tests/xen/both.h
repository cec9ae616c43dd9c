/* Both ends in C: the reference split driver. */
#ifndef BOTH_H
#define BOTH_H

#include "backend.h"
#include "workloads.h"

struct both_options {
  struct link_options link;
  struct patience patience;
  struct disk disk;
  struct backend_options backend;
  bool processes;           /* two of them, not two threads of one */
  int front_cpu, back_cpu;  /* -1: any */
  bool verify;              /* else fileio */
  struct verify_options verification;
  struct fileio_options fileio;
  uint32_t warm_up_ms, duration_ms;
};

/* Prints the results as JSON. */
void run_both(const struct both_options *options);

void print_counts(const char *name, const struct event_counts *counts);
void print_verified(const struct verify_counts *counts);

#endif
