/* Grants of version 1, as xen/grant_table.h says that they are made, used and taken back. */
#ifndef GRANTS_H
#define GRANTS_H

#include "end.h"

/* The granting side. */
void grant_access(struct end *end, grant_ref_t reference, domid_t domain, uint32_t frame, bool read_only);
/* False while the peer has the frame mapped. */
bool end_access(struct end *end, grant_ref_t reference);

/* The mapping side, with persistent grants: a reference is checked on its first use and stays mapped. */
struct mapper {
  struct end *end;
  uint32_t *mapped; /* of each reference 0, or its frame shifted over MAPPED and WRITABLE */
};
#define MAPPED 1u
#define WRITABLE 2u
#define FRAME_SHIFT 2

void mapper_create(struct mapper *mapper, struct end *end);
int64_t map_new(struct mapper *mapper, grant_ref_t reference, bool write);
void unmap(struct mapper *mapper, grant_ref_t reference);
void unmap_all(struct mapper *mapper);

/* The frame, or a negative GNTST_…. */
static inline int64_t map_grant(struct mapper *mapper, grant_ref_t reference, bool write) {
  uint32_t mapped = reference < mapper->end->grant_count ? mapper->mapped[reference] : 0;
  if (mapped == 0) return map_new(mapper, reference, write);
  if (write && (mapped & WRITABLE) == 0) return GNTST_permission_denied;
  return mapped >> FRAME_SHIFT;
}

#endif
