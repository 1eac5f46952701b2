/*
 * keeper - the parent of everything; holds every descriptor; must not fail.
 *
 * It spawns what it is told to, holds descriptors by number, sends signals,
 * reaps, reports exits until they are acknowledged, and restarts the engine.
 * It decides nothing, parses nothing, and allocates nothing while reaping.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <stdbool.h>

#include "base/err.h"
#include "loop/loop.h"

struct keeper;
struct tables;

struct keeper_config {
	char *const *engine_argv; /* argv[0]: absolute path of reeve-engine */
	int ready_fd;  /* gets one byte, the exit code, when up or failed; -1 */
	int config_fd; /* the config in force, for the first engine; or -1 */
	unsigned long soft_nofile; /* before it was raised */
	const char *self;          /* path of this program, for an upgrade */
	char *const *argv;         /* what that is started with */
	struct tables *tables;     /* of the keeper before; NULL: none */
};

/* Borrows cfg for ever.  Starts the engine, if the tables have none. */
struct keeper *keeper_new(
    struct loop *lp, const struct keeper_config *cfg, struct err *err);
/* After loop_run has returned. */
int keeper_exit_code(const struct keeper *kp);
void keeper_free(struct keeper *kp);

#endif
