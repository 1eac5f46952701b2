/* slots_priv - what slots.c and slots_make.c share. */
#ifndef ENGINE_SLOTS_PRIV_H
#define ENGINE_SLOTS_PRIV_H

#include <sys/types.h>

#include <stdbool.h>
#include <time.h>

/* The make that was looked at last. */
struct slots_make {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	bool knows;
};

/* Is the make of env's PATH none, or 4.4 or later? */
bool slots_make_knows_fifo(struct slots_make *m, char *const *env);

#endif
