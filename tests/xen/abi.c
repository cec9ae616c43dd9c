/* See abi.h. */
#include "abi.h"

#include <stdio.h>

#include "end.h"

#define NUMBER(name, value) printf(",\"%s\":%lld", name, (long long)(value))
#define SIZE(type) NUMBER("sizeof " #type, sizeof(type))
#define PLACE(type, member) NUMBER(#type "." #member, offsetof(type, member))
#define CONSTANT(name) NUMBER(#name, name)

void print_abi(void) {
  printf("{\"byte order\":%d", *(const uint8_t *)&(const uint16_t){1});
  SIZE(blkif_request_t);
  PLACE(blkif_request_t, operation);
  PLACE(blkif_request_t, nr_segments);
  PLACE(blkif_request_t, handle);
  PLACE(blkif_request_t, id);
  PLACE(blkif_request_t, sector_number);
  PLACE(blkif_request_t, seg);
  SIZE(struct blkif_request_segment);
  PLACE(struct blkif_request_segment, gref);
  PLACE(struct blkif_request_segment, first_sect);
  PLACE(struct blkif_request_segment, last_sect);
  PLACE(blkif_request_discard_t, flag);
  PLACE(blkif_request_discard_t, id);
  PLACE(blkif_request_discard_t, sector_number);
  PLACE(blkif_request_discard_t, nr_sectors);
  PLACE(blkif_request_indirect_t, indirect_op);
  PLACE(blkif_request_indirect_t, nr_segments);
  PLACE(blkif_request_indirect_t, id);
  PLACE(blkif_request_indirect_t, sector_number);
  PLACE(blkif_request_indirect_t, handle);
  PLACE(blkif_request_indirect_t, indirect_grefs);
  SIZE(blkif_response_t);
  PLACE(blkif_response_t, id);
  PLACE(blkif_response_t, operation);
  PLACE(blkif_response_t, status);
  PLACE(blkif_sring_t, req_prod);
  PLACE(blkif_sring_t, req_event);
  PLACE(blkif_sring_t, rsp_prod);
  PLACE(blkif_sring_t, rsp_event);
  PLACE(blkif_sring_t, ring);
  NUMBER("sizeof entry", sizeof(union blkif_sring_entry));
  SIZE(grant_entry_v1_t);
  PLACE(grant_entry_v1_t, flags);
  PLACE(grant_entry_v1_t, domid);
  PLACE(grant_entry_v1_t, frame);
  for (uint32_t order = 0; order <= MAX_RING_ORDER; order++) {
    printf(",\"entries of order %u\":%u", order, (unsigned)__CONST_RING_SIZE(blkif, FRAME_BYTES << order));
  }
  CONSTANT(BLKIF_OP_READ);
  CONSTANT(BLKIF_OP_WRITE);
  CONSTANT(BLKIF_OP_WRITE_BARRIER);
  CONSTANT(BLKIF_OP_FLUSH_DISKCACHE);
  CONSTANT(BLKIF_OP_DISCARD);
  CONSTANT(BLKIF_OP_INDIRECT);
  CONSTANT(BLKIF_MAX_SEGMENTS_PER_REQUEST);
  CONSTANT(BLKIF_RSP_OKAY);
  CONSTANT(BLKIF_RSP_ERROR);
  CONSTANT(BLKIF_RSP_EOPNOTSUPP);
  CONSTANT(BLKIF_DISCARD_SECURE);
  CONSTANT(VDISK_READONLY);
  CONSTANT(GTF_permit_access);
  CONSTANT(GTF_readonly);
  CONSTANT(GTF_reading);
  CONSTANT(GTF_writing);
  CONSTANT(GNTTAB_NR_RESERVED_ENTRIES);
  CONSTANT(GNTST_okay);
  CONSTANT(GNTST_bad_domain);
  CONSTANT(GNTST_bad_gntref);
  CONSTANT(GNTST_bad_handle);
  CONSTANT(GNTST_permission_denied);
  CONSTANT(GNTST_bad_page);
  CONSTANT(GNTST_bad_copy_arg);
  CONSTANT(XenbusStateUnknown);
  CONSTANT(XenbusStateInitialising);
  CONSTANT(XenbusStateInitWait);
  CONSTANT(XenbusStateInitialised);
  CONSTANT(XenbusStateConnected);
  CONSTANT(XenbusStateClosing);
  CONSTANT(XenbusStateClosed);
  CONSTANT(XenbusStateReconfiguring);
  CONSTANT(XenbusStateReconfigured);
  printf("}\n");
}
