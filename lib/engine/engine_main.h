/*
 * engine_main - making and ending an engine: for its process's main alone.
 */
#ifndef ENGINE_ENGINE_MAIN_H
#define ENGINE_ENGINE_MAIN_H

#include "config/config.h"
#include "engine/engine.h"
#include "loop/loop.h"

struct engine_params {
	int keeper_fd;           /* taken */
	const char *config_file; /* borrowed for ever */
	bool nodaemon;
	char **argv; /* this process's own; borrowed for ever */
	int level;   /* of -e; -1: the config's */
	/* The engine knows what there is: open the control server on fd. */
	void (*on_up)(void *arg, struct engine *en, int control_fd);
	void *arg;
};

/*
 * Without a daemon: which keys of the config would do nothing in one that is
 * started from here.
 */
void engine_check(const struct config *cf, struct strv *warnings);

struct engine *engine_new(struct loop *lp, const struct engine_params *pm);
/* After loop_run has returned: everything was stopped. */
void engine_free(struct engine *en);

#endif
