/*
 * ask - one question to an instance: a probe (cluster/probe.h), or a command
 * that is run beside it and says yes by exiting with 0.
 */
#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "cluster/probe.h"
#include "engine/engine_priv.h"

/* error: NULL for yes, else what was wrong; borrowed. */
typedef void ask_cb(void *arg, const char *error);

struct ask {
	struct inst *in;
	const char *what; /* "ready", "health" */
	char *command;    /* NULL: a probe */
	struct config_probe target;
	struct probe *probe;
	struct task *task;
	ask_cb *cb;
	void *arg;
};

/* text: of ready= or health=, not expanded.  Borrows what for ever. */
int ask_init(struct ask *a, struct inst *in, const char *what, const char *text,
    ask_cb *cb, void *arg, struct err *err);
void ask_fini(struct ask *a);
/* The callback comes from the loop, once; -1: not at all. */
int ask_start(struct ask *a, int64_t timeout_ms, struct err *err);
bool ask_is_under_way(const struct ask *a);
void ask_cancel(struct ask *a);

#endif
