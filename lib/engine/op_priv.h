/*
 * op_priv - what the two halves of orders share: op.c waits and tells,
 * op_orders.c begins them.
 */
#ifndef ENGINE_OP_PRIV_H
#define ENGINE_OP_PRIV_H

#include "engine/engine_priv.h"

enum goal {
	GOAL_UP,     /* RUNNING */
	GOAL_DOWN,   /* no process left, or the slot is gone */
	GOAL_ROLL,   /* the program's roll has ended */
	GOAL_ALONE,  /* the slot's own roll has ended */
	GOAL_GONE,   /* the program is removed */
	GOAL_REMADE, /* the program is removed, and there again */
	GOAL_NONE,   /* has its verdict */
};

/* One slot or program of an order, and what it is waited to become. */
struct item {
	TAILQ_ENTRY(item) entry;
	struct op *op;
	enum goal goal;
	bool begun;                       /* false: its turn has not come */
	struct slot *slot;                /* NULL: of a program, or gone */
	struct program *program;          /* NULL: of a slot, or gone */
	int64_t group_priority, priority; /* when its turn comes */
	uint32_t since; /* GOAL_UP: an instance above this generation */
	mono_ms begun_ms;
	unsigned skip; /* GOAL_ROLL: rolls to end before the one waited for */
	wall_ms waits; /* GOAL_UP: since then, and it was told; 0: no */
	bool failed;   /* GOAL_UP: an instance died; why and tail are of it */
	char name[SLOT_NAME_MAX];
	char why[200];
	char aside[160]; /* goes with a verdict that it worked; "": nothing */
	char *tail;
};

/* What the client is told next. */
struct tell {
	TAILQ_ENTRY(tell) entry;
	char name[SLOT_NAME_MAX];
	bool final;
	bool ok;
	char *text;
	char *tail;
};

struct op {
	TAILQ_ENTRY(op) entry;
	struct engine *en;
	enum op_kind kind;
	int number;
	op_note_cb *note; /* NULL: the client went away */
	op_done_cb *done;
	void *arg;
	struct engine_who who;
	uint64_t cause; /* of the request */
	TAILQ_HEAD(, item) items;
	TAILQ_HEAD(, tell) tells;
	struct loop_task task;
	bool failed;
};

struct item *op_add(struct op *op, enum goal goal, struct slot *sl);
struct item *op_add_program(
    struct op *op, enum goal goal, const char *name, struct program *pg);
void op_tell(struct op *op, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void op_verdict(struct item *it, bool ok, const char *tail, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));
/* Who waits for something else of that slot waits in vain. */
void op_supersede(struct op *op, struct slot *sl, const char *by);

/* op_orders.c */
int op_begin(
    struct op *op, const struct op_request *req, struct err *err, int *code);
/* Those whose turn has come. */
void op_next_stops(struct op *op);
/* A program that a reload restarted is gone; it may be there again. */
void op_remade(struct item *it);

#endif
