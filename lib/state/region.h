/*
 * region - a memfd mapped shared, that outlives the engine; and a checksum.
 *
 * The keeper holds the descriptor too, so what is written here is there for
 * the next engine, at whatever instruction this one dies.  The first bytes
 * tell what the rest is; one of another layout (an older release's) is
 * refused.
 */
#ifndef STATE_REGION_H
#define STATE_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define REGION_HEAD 64 /* bytes that are ours; the user's begin after them */

struct region {
	int fd;
	size_t size; /* with the head */
	unsigned char *map;
};

/*
 * fd -1: a new one of REGION_HEAD + size bytes, all 0; else (borrowed) one
 * that is there, of at least that size.  layout: of what is in it.
 */
int region_init(struct region *rg, int fd, const char *name, uint32_t layout,
    size_t size, struct err *err);
void region_fini(struct region *rg);
/* To REGION_HEAD + size bytes; the map may move.  -1 and errno. */
int region_grow(struct region *rg, size_t size);

/* Tells what is whole from what is not; sum is 0, or that of what comes before.
 * Of this machine alone, for what never leaves it. */
uint32_t region_sum(uint32_t sum, const void *p, size_t n);
/* What is written before is in memory before what is written after. */
#define region_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
