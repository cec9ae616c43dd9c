/* See grants.h. */
#include "grants.h"

#include <stdlib.h>

/* Flags and domain share a word: with it, an entry becomes valid at once. */
static uint32_t *word_of(struct end *end, grant_ref_t reference) {
  return (uint32_t *)&end->grants[reference];
}

void grant_access(struct end *end, grant_ref_t reference, domid_t domain, uint32_t frame, bool read_only) {
  grant_entry_v1_t *entry = &end->grants[reference];
  entry->frame = frame;
  entry->domid = domain;
  xen_wmb();
  __atomic_store_n(&entry->flags, (uint16_t)(GTF_permit_access | (read_only ? GTF_readonly : 0)), __ATOMIC_SEQ_CST);
}

bool end_access(struct end *end, grant_ref_t reference) {
  uint16_t *flags = &end->grants[reference].flags;
  uint16_t seen = __atomic_load_n(flags, __ATOMIC_SEQ_CST);
  do {
    if ((seen & (GTF_reading | GTF_writing)) != 0) return false;
  } while (!__atomic_compare_exchange_n(flags, &seen, GTF_invalid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return true;
}

void mapper_create(struct mapper *mapper, struct end *end) {
  mapper->end = end;
  mapper->mapped = calloc(end->grant_count, sizeof *mapper->mapped);
  if (mapper->mapped == NULL) die("no memory");
}

int64_t map_new(struct mapper *mapper, grant_ref_t reference, bool write) {
  struct end *end = mapper->end;
  if (reference < FIRST_GRANT || reference >= end->grant_count) return GNTST_bad_gntref;
  uint32_t *word = word_of(end, reference);
  uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  bool writable;
  uint32_t marked;
  do {
    if ((seen & GTF_type_mask) != GTF_permit_access) return GNTST_bad_gntref;
    if (seen >> 16 != end->domain) return GNTST_bad_domain;
    writable = (seen & GTF_readonly) == 0;
    if (write && !writable) return GNTST_permission_denied;
    marked = seen | GTF_reading | (writable ? GTF_writing : 0);
  } while (!__atomic_compare_exchange_n(word, &seen, marked, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  uint32_t frame = __atomic_load_n(&end->grants[reference].frame, __ATOMIC_SEQ_CST);
  mapper->mapped[reference] = frame << FRAME_SHIFT | MAPPED | (writable ? WRITABLE : 0);
  if (frame < end->layout.frames) return frame;
  unmap(mapper, reference);
  return GNTST_bad_page;
}

void unmap(struct mapper *mapper, grant_ref_t reference) {
  if (mapper->mapped[reference] == 0) return;
  mapper->mapped[reference] = 0;
  __atomic_fetch_and(word_of(mapper->end, reference), ~(uint32_t)(GTF_reading | GTF_writing), __ATOMIC_SEQ_CST);
}

void unmap_all(struct mapper *mapper) {
  for (grant_ref_t reference = 0; reference < mapper->end->grant_count; reference++) unmap(mapper, reference);
}
