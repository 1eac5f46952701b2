/*
 * keeperlink_kids - the engine's copy of the keeper's table of children.
 *
 * For the day on which the keeper is gone (heir.c).  Sorted by id; ids only
 * grow, so that one that is added is the last but for a keeper's own order.
 */
#ifndef ENGINE_KEEPERLINK_KIDS_H
#define ENGINE_KEEPERLINK_KIDS_H

#include "engine/keeperlink.h"

struct kids {
	struct keeper_kid *v;
	size_t n, cap;
};

struct keeper_kid *kids_add(struct kids *ks, uint64_t id, const char *label);
/* An id that is not there is no error here: the keeper knows better. */
void kids_started(struct kids *ks, uint64_t id, pid_t pid, mono_ms started_ms);
void kids_over(struct kids *ks, uint64_t id, const struct keeper_exit *ex,
    int stage, int errnum);
void kids_remove(struct kids *ks, uint64_t id);
void kids_fini(struct kids *ks);

#endif
