/*
 * sweep - what a dead instance or task left is ended, and looked for again
 * until nobody is left.
 *
 * Where trees have no cgroups all that died lately share one look at /proc,
 * and the looks never take more than half of the engine's time: a look costs
 * as much as there are processes on the machine.
 */
#ifndef ENGINE_SWEEP_H
#define ENGINE_SWEEP_H

#include <sys/queue.h>

#include <stdbool.h>

#include "loop/loop.h"
#include "tree/tree.h"

struct engine;

/* left->n: those that can't be ended. */
typedef void sweep_cb(void *arg, const struct tree_left *left);

struct sweep {
	TAILQ_ENTRY(sweep) entry; /* while it waits for the next look */
	struct engine *en;
	const char *name; /* for the log; NULL: not said */
	struct tree *tree;
	struct tree_left left;
	struct loop_timer again;
	mono_ms since;
	bool waits;
	bool looked_for; /* of those that wait: by the look that is on */
	bool told;       /* somebody was left */
	sweep_cb *over;
	void *arg;
};

TAILQ_HEAD(sweep_list, sweep);

struct sweeps {
	struct sweep_list waiting;
	struct loop_timer look;
	mono_ms next_ms; /* not before */
};

void sweeps_init(struct engine *en);
void sweeps_fini(struct engine *en);

/* over is called once, maybe from in here; not after sweep_stop. */
void sweep_init(
    struct sweep *sw, struct engine *en, const char *name, sweep_cb *over);
void sweep_start(struct sweep *sw, struct tree *t, void *arg);
void sweep_stop(struct sweep *sw);

#endif
