/* named_priv - what named.c, named_due.c and named_act.c share. */
#ifndef ENGINE_NAMED_PRIV_H
#define ENGINE_NAMED_PRIV_H

#include "engine/engine_priv.h"
#include "engine/named.h"

struct begin;
struct act;

/* A task that has, or had, a schedule. */
struct timed {
	LIST_ENTRY(timed) entry;
	struct named *nm;
	char *name;
	char *spec; /* of the schedule that last is of; "": none */
	wall_ms last;
	wall_ms next;    /* 0: never */
	unsigned adding; /* runs that are being written down */
	bool failed;     /* one of them could not be */
	wall_ms then;    /* last, when they have been */
};

struct named {
	struct engine *en;
	LIST_HEAD(, begin) begins;
	LIST_HEAD(, timed) timed;
	LIST_HEAD(, act) acts;
	bool loaded;
	struct loop_wall wall;
	struct loop_timer again; /* something could not be written down */
};

struct named *named_get(struct engine *en);

/* named.c: the program whose watch= began the run, of its last task; to be
 * freed; NULL: none. */
char *named_program_of(const char *key);

/* named_due.c */
void timed_setup(struct named *nm, const struct queue_req *loaded);
void timed_look(struct named *nm);
void timed_free(struct timed *td);

/* named_act.c */
/* Of the task with that key. */
void act_begin(struct named *nm, const char *key, uint64_t id, bool ok);
void act_again(struct named *nm);
void act_free(struct act *a);
/* To be tried again after a while. */
void named_retry(struct named *nm);

#endif
