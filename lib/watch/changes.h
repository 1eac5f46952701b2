/*
 * changes - the set of paths that have changed: the first ones by name, of
 * the others how many.
 */
#ifndef WATCH_CHANGES_H
#define WATCH_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define CHANGES_PATHS_MAX 100
#define CHANGES_BYTES_MAX 16384

struct changes {
	struct strv paths; /* in the order in which they came */
	size_t bytes;
	size_t count;   /* different paths; beyond what seen holds, changes */
	bool unknown;   /* there were others, nobody knows which */
	uint64_t *seen; /* hashes; 0: free */
	size_t nseen;   /* its size, 2^n */
};

void changes_init(struct changes *ch);
void changes_fini(struct changes *ch);
void changes_clear(struct changes *ch);
void changes_add(struct changes *ch, const char *path);

#endif
