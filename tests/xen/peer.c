/* The peer: a frontend, a backend or both over Xen's own headers. Prints what came of it as one line of JSON.

     peer abi
     peer frontend|backend|probe|overflow|both KEY=VALUE…

   Descriptors and sizes are numbers; `keys` below lists all. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "both.h"

/* No run takes longer: whoever waits for a peer that hangs is not left waiting. */
#define LIMIT_SECONDS 300

struct settings {
  /* What is shared: descriptors. */
  uint64_t region, events, peer_events, doorbell, peer_doorbell;
  /* Who is who. */
  uint64_t domain, peer_domain, port, peer_port;
  /* The link. */
  uint64_t ring_order, slots, slot_bytes, indirect, merge, start_index, shift_sectors;
  /* Waiting. */
  uint64_t spin_ns, sleep_limit_ms, futex;
  /* Work. */
  uint64_t bytes, block_bytes, operations, seed;
  /* The disk: a file's descriptor, or memory of its own, or none at all. */
  uint64_t disk, disk_bytes, sector_bytes, null, read_only, discard, max_indirect, publish_each;
  /* Both. */
  uint64_t processes, front_cpu, back_cpu, verify, warm_up_ms, duration_ms;
};

static const struct {
  const char *name;
  size_t offset;
} keys[] = {
#define KEY(member) {#member, offsetof(struct settings, member)}
    KEY(region), KEY(events), KEY(peer_events), KEY(doorbell), KEY(peer_doorbell),
    KEY(domain), KEY(peer_domain), KEY(port), KEY(peer_port),
    KEY(ring_order), KEY(slots), KEY(slot_bytes), KEY(indirect), KEY(merge), KEY(start_index), KEY(shift_sectors),
    KEY(spin_ns), KEY(sleep_limit_ms), KEY(futex),
    KEY(bytes), KEY(block_bytes), KEY(operations), KEY(seed),
    KEY(disk), KEY(disk_bytes), KEY(sector_bytes), KEY(null), KEY(read_only), KEY(discard), KEY(max_indirect),
    KEY(publish_each),
    KEY(processes), KEY(front_cpu), KEY(back_cpu), KEY(verify), KEY(warm_up_ms), KEY(duration_ms),
#undef KEY
};
/* Not given. */
#define ABSENT UINT64_MAX

static void set(struct settings *settings, const char *argument) {
  const char *equals = strchr(argument, '=');
  for (size_t i = 0; equals != NULL && i < sizeof keys / sizeof keys[0]; i++) {
    size_t length = (size_t)(equals - argument);
    if (strncmp(argument, keys[i].name, length) != 0 || keys[i].name[length] != '\0') continue;
    char *rest;
    *(uint64_t *)((uint8_t *)settings + keys[i].offset) = strtoull(equals + 1, &rest, 10);
    if (rest == equals + 1 || *rest != '\0') die("%s is not a number", argument);
    return;
  }
  die("unknown argument %s", argument);
}

static struct link_options link_of(const struct settings *s) {
  return (struct link_options){(uint32_t)s->ring_order, (uint32_t)s->slots, (uint32_t)s->slot_bytes,
                               (uint32_t)s->indirect, (uint32_t)s->merge};
}

static struct patience patience_of(const struct settings *s) {
  return (struct patience){s->spin_ns, (uint32_t)s->sleep_limit_ms, s->futex == 1};
}

static struct end end_of(const struct settings *s) {
  struct link_options link = link_of(s);
  struct end end = {
      .domain = (domid_t)s->domain,
      .peer_domain = (domid_t)s->peer_domain,
      .port = (uint32_t)s->port,
      .peer_port = (uint32_t)s->peer_port,
      .events = (struct event_page *)map_region((int)s->events, FRAME_BYTES),
      .peer_events = (struct event_page *)map_region((int)s->peer_events, FRAME_BYTES),
      .doorbell = (int)s->doorbell,
      .peer_doorbell = (int)s->peer_doorbell,
      .patience = patience_of(s),
  };
  end_attach(&end, &link, map_region((int)s->region, (size_t)lay_out(&link).frames * FRAME_BYTES));
  return end;
}

static struct disk disk_of(const struct settings *s) {
  struct disk disk = {
      .sectors = s->disk_bytes / SECTOR_BYTES,
      .sector_bytes = (uint32_t)s->sector_bytes,
      .read_only = s->read_only == 1,
      .can_discard = s->discard == 1,
  };
  if (s->null == 1) return disk;
  if (s->disk != ABSENT) {
    disk.bytes = map_region((int)s->disk, s->disk_bytes);
    return disk;
  }
  /* Every page is there before the measurement. */
  disk.bytes = mmap(NULL, s->disk_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (disk.bytes == MAP_FAILED) die("no memory for a disk of %llu bytes", (unsigned long long)s->disk_bytes);
  return disk;
}

static struct backend_options backend_of(const struct settings *s) {
  return (struct backend_options){(RING_IDX)s->start_index, (uint32_t)s->max_indirect, s->publish_each == 1};
}

static struct verify_options verification_of(const struct settings *s) {
  return (struct verify_options){(uint32_t)s->block_bytes, (uint32_t)s->operations, (uint32_t)s->seed, s->bytes};
}

/* Connects a frontend, lets it work, and closes it. */
static void run_frontend(const struct settings *s, const char *role) {
  static struct frontend frontend;
  static struct end end;
  end = end_of(s);
  end.is_front = true;
  dying = &end;
  frontend_connect(&frontend, &end, (RING_IDX)s->start_index, (uint32_t)s->shift_sectors, (uint32_t)s->indirect);
  if (strcmp(role, "overflow") == 0) {
    claim_too_many(&frontend);
    return;
  }
  if (strcmp(role, "probe") == 0) {
    run_probe(&frontend);
    frontend_close(&frontend);
    return;
  }
  struct verify_options options = verification_of(s);
  struct verify_counts verified = run_verify(&frontend, &options);
  uint32_t mapped = 0;
  for (uint32_t i = 0; i < end.grant_count; i++) mapped += (end.grants[i].flags & (GTF_reading | GTF_writing)) != 0;
  printf("{");
  print_verified(&verified);
  print_counts("frontend", &end.counts);
  uint32_t held = frontend_close(&frontend);
  printf(",\"mapped\":%u,\"held\":%u}\n", mapped, held);
}

static void run_backend(const struct settings *s) {
  static struct backend backend;
  static struct end end;
  end = end_of(s);
  dying = &end;
  backend_connect(&backend, &end, disk_of(s), backend_of(s));
  backend_serve(&backend);
  printf("{\"requests\":%llu,\"refused\":%llu,", (unsigned long long)backend.requests,
         (unsigned long long)backend.refused);
  print_counts("backend", &end.counts);
  printf("}\n");
}

static void run_pair(const struct settings *s) {
  struct both_options options = {
      .link = link_of(s),
      .patience = patience_of(s),
      .disk = disk_of(s),
      .backend = backend_of(s),
      .processes = s->processes == 1,
      .front_cpu = s->front_cpu == ABSENT ? -1 : (int)s->front_cpu,
      .back_cpu = s->back_cpu == ABSENT ? -1 : (int)s->back_cpu,
      .verify = s->verify == 1,
      .verification = verification_of(s),
      .fileio = {(uint32_t)s->block_bytes, (uint32_t)s->slots, (uint32_t)s->seed},
      .warm_up_ms = (uint32_t)s->warm_up_ms,
      .duration_ms = (uint32_t)s->duration_ms,
  };
  run_both(&options);
}

int main(int argc, char **argv) {
  struct settings settings = {
      .sleep_limit_ms = 100,
      .sector_bytes = SECTOR_BYTES,
      .disk = ABSENT,
      .front_cpu = ABSENT,
      .back_cpu = ABSENT,
  };
  const char *role = argc > 1 ? argv[1] : "";
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(LIMIT_SECONDS);
  for (int i = 2; i < argc; i++) set(&settings, argv[i]);
  if (strcmp(role, "abi") == 0) print_abi();
  else if (strcmp(role, "backend") == 0) run_backend(&settings);
  else if (strcmp(role, "both") == 0) run_pair(&settings);
  else if (strcmp(role, "frontend") == 0 || strcmp(role, "probe") == 0 || strcmp(role, "overflow") == 0) {
    run_frontend(&settings, role);
  } else {
    die("the role is to be abi, frontend, backend, probe, overflow or both, not '%s'", role);
  }
  return 0;
}
