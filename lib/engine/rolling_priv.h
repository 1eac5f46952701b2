/*
 * rolling_priv - a roll under way, for the parts that begin and carry it out.
 */
#ifndef ENGINE_ROLLING_PRIV_H
#define ENGINE_ROLLING_PRIV_H

#include "engine/engine_priv.h"

enum todo {
	TODO_NONE,
	TODO_RETIRE,  /* the new one takes the place */
	TODO_REFUSED, /* the new one could not even be asked for */
};

/* What a roll knows of a slot, beside its phase. */
struct place {
	enum todo todo;
	uint32_t since;    /* generations above it are of this roll */
	uint32_t next_gen; /* of the new instance */
	char *why;         /* of TODO_REFUSED */
};

struct rolling {
	struct program *pg;
	uint64_t id; /* for the records */
	struct roll *roll;
	struct config_program *conf; /* it began with; counted */
	int nslots;
	int parts; /* slots that take part */
	int surge;
	int replaced;
	int alone;                  /* the one slot that it is of; -1: of all */
	char why[TABLE_REASON_MAX]; /* alone: why it is replaced */
	bool back;                  /* this roll itself undoes an aborted one */
	bool final;                 /* the program stops: nothing follows */
	bool preparing;             /* before_roll runs */
	wall_ms begun_ms;           /* of its run, when it is a task */
	bool ended;
	bool by_person;
	struct engine_who who;
	struct loop_timer soak;
	mono_ms soak_since_ms;
	struct loop_task work;
	struct place *places;
	enum roll_end how;
	char reason[200]; /* of the abort; back: of the one that it undoes */
	char *tail;
};

/* --- rolling.c ------------------------------------------------------ */

extern const struct roll_ops rolling_ops;

const struct engine_who *rolling_who(const struct rolling *r);
/* name: of the slot that it is about, or of the program. */
void rolling_event(const struct rolling *r, const char *name, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
void rolling_update_note(struct rolling *r);
/* It runs the config in force: there is no way back. */
void rolling_drop_before(struct program *pg);
void rolling_on_soak(struct loop_timer *t, void *arg);
void rolling_on_work(void *arg);

/* --- rolling_begin.c ------------------------------------------------ */

/* phases: of every slot of the program; back: it undoes an aborted one. */
struct rolling *rolling_new(struct program *pg, const struct engine_who *who,
    const enum roll_phase *phases, bool back);
void rolling_begin(struct rolling *r);

#endif
