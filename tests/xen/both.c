/* See both.h. */
#define _GNU_SOURCE
#include "both.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRONT_DOMAIN 1
#define BACK_DOMAIN 2
#define FRONT_PORT 3
#define BACK_PORT 5
#define LOOK_MS 5
#define CONNECT_LIMIT_NS 40000000000ull

/* What both ends and the thread that times them share. */
struct shared {
  struct event_page events[2];
  uint32_t phase, connected;
  struct fileio_counts measured;
  struct verify_counts verified;
  struct event_counts back;
  uint32_t held;
  const struct both_options *options;
  uint8_t *region;
  int doorbells[2];
};

static void *share(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) die("no memory for %zu bytes", bytes);
  return at;
}

static void pin(int cpu) {
  cpu_set_t set;
  if (cpu < 0) return;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) die("cannot run on core %d: %s", cpu, strerror(errno));
}

static struct end end_of(struct shared *shared, int side) {
  struct end end = {
      .domain = side == 0 ? FRONT_DOMAIN : BACK_DOMAIN,
      .peer_domain = side == 0 ? BACK_DOMAIN : FRONT_DOMAIN,
      .port = side == 0 ? FRONT_PORT : BACK_PORT,
      .peer_port = side == 0 ? BACK_PORT : FRONT_PORT,
      .events = &shared->events[side],
      .peer_events = &shared->events[1 - side],
      .doorbell = shared->doorbells[side],
      .peer_doorbell = shared->doorbells[1 - side],
      .patience = shared->options->patience,
      .is_front = side == 0,
  };
  end_attach(&end, &shared->options->link, shared->region);
  return end;
}

static void *run_front(void *argument) {
  struct shared *shared = argument;
  const struct both_options *options = shared->options;
  struct end end = end_of(shared, 0);
  static struct frontend frontend;
  if (options->processes) dying = &end;
  pin(options->front_cpu);
  frontend_connect(&frontend, &end, options->backend.start, 0, options->link.indirect);
  __atomic_store_n(&shared->connected, 1, __ATOMIC_SEQ_CST);
  if (options->verify) {
    shared->verified = run_verify(&frontend, &options->verification);
    shared->measured.events = end.counts;
  } else {
    shared->measured = run_fileio(&frontend, &options->fileio, &shared->phase);
  }
  shared->held = frontend_close(&frontend);
  return NULL;
}

static void *run_back(void *argument) {
  struct shared *shared = argument;
  const struct both_options *options = shared->options;
  struct end end = end_of(shared, 1);
  static struct backend backend;
  if (options->processes) dying = &end;
  pin(options->back_cpu);
  backend_connect(&backend, &end, options->disk, options->backend);
  backend_serve(&backend);
  shared->back = end.counts;
  return NULL;
}

static void sleep_ms(uint32_t ms) {
  struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR);
}

/* Leads a measurement through its phases. */
static void conduct(struct shared *shared) {
  if (shared->options->verify) return;
  uint64_t deadline = now_ns() + CONNECT_LIMIT_NS;
  while (__atomic_load_n(&shared->connected, __ATOMIC_SEQ_CST) == 0) {
    if (now_ns() > deadline) die("the two ends did not connect");
    sleep_ms(LOOK_MS);
  }
  sleep_ms(shared->options->warm_up_ms);
  __atomic_store_n(&shared->phase, MEASURE, __ATOMIC_SEQ_CST);
  sleep_ms(shared->options->duration_ms);
  __atomic_store_n(&shared->phase, FINISH, __ATOMIC_SEQ_CST);
}

static pid_t start_process(void *(*run)(void *), struct shared *shared) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) die("fork: %s", strerror(errno));
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  run(shared);
  _exit(0);
}

static void end_process(pid_t child, const char *name) {
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) die("the %s ended with status %d", name, status);
}

static void run_processes(struct shared *shared) {
  pid_t back = start_process(run_back, shared), front = start_process(run_front, shared);
  conduct(shared);
  end_process(front, "frontend");
  end_process(back, "backend");
}

static void run_threads(struct shared *shared) {
  pthread_t front, back;
  if (pthread_create(&back, NULL, run_back, shared) != 0 || pthread_create(&front, NULL, run_front, shared) != 0) {
    die("cannot start a thread");
  }
  conduct(shared);
  pthread_join(front, NULL);
  pthread_join(back, NULL);
}

void print_counts(const char *name, const struct event_counts *counts) {
  printf("\"%s\":{\"sent\":%llu,\"suppressed\":%llu,\"arms\":%llu,\"sleeps\":%llu,\"unended\":%llu}", name,
         (unsigned long long)counts->sent, (unsigned long long)counts->suppressed, (unsigned long long)counts->arms,
         (unsigned long long)counts->sleeps, (unsigned long long)counts->unended);
}

void print_verified(const struct verify_counts *counts) {
  printf("\"sectorsWritten\":%llu,\"sectorsVerified\":%llu,\"generationSum\":%llu,",
         (unsigned long long)counts->written, (unsigned long long)counts->verified,
         (unsigned long long)counts->generation_sum);
}

void run_both(const struct both_options *options) {
  struct shared *shared = share(sizeof *shared);
  shared->options = options;
  shared->region = share((size_t)lay_out(&options->link).frames * FRAME_BYTES);
  for (int side = 0; side < 2; side++) {
    shared->doorbells[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (shared->doorbells[side] < 0) die("eventfd: %s", strerror(errno));
  }
  if (options->processes) run_processes(shared);
  else run_threads(shared);
  printf("{");
  if (options->verify) {
    print_verified(&shared->verified);
  } else {
    const struct fileio_counts *measured = &shared->measured;
    printf("\"operations\":%llu,\"durationNs\":%llu,\"iops\":%.1f,", (unsigned long long)measured->operations,
           (unsigned long long)measured->duration_ns,
           (double)measured->operations * 1e9 / (double)measured->duration_ns);
  }
  print_counts("frontend", &shared->measured.events);
  printf(",");
  print_counts("backend", &shared->back);
  printf(",\"held\":%u}\n", shared->held);
}
