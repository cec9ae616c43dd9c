/* Xen's public headers as they are, with what they ask of who includes them. */
#ifndef XEN_H
#define XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__

/* The barriers that the ring's macros use. On x86 the last two keep only the compiler from reordering. */
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>

#define FRAME_BYTES 4096u
#define SECTOR_BYTES 512u
#define SECTORS_PER_FRAME (FRAME_BYTES / SECTOR_BYTES)
/* "max-ring-page-order" of blkif.h is a power of two up to 16 pages. */
#define MAX_RING_ORDER 4u
#define MAX_ENTRIES 512u
/* The first grant references are Xen's own (GNTTAB_NR_RESERVED_ENTRIES). */
#define FIRST_GRANT GNTTAB_NR_RESERVED_ENTRIES
/* What fits into one granted frame of segments. */
#define SEGMENTS_PER_FRAME (FRAME_BYTES / sizeof(struct blkif_request_segment))

#endif
