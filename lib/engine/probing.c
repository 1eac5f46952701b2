/*
 * probing - an instance that is asked whether it is ready.
 *
 * One try at a time, from the start on: the first ones follow soon, as most
 * programs are up in a moment and a roll waits for each of them.  Nothing is
 * kept for an engine after this one but the wish: it asks anew.  Where a line
 * of its output tells, the log pump looks for it and writes to an eventfd that
 * the keeper has, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "engine/ask.h"

#define PROBING_FIRST_MS 10

struct probing {
	struct inst *in;
	struct ask ask;
	struct loop_timer timer;
	unsigned tries;
	char error[PROBE_ERROR_MAX]; /* of the last try */
};

static void
probing_wait(struct probing *pb)
{
	int64_t ms = pb->in->conf->rare->ready_interval_ms;
	int64_t ramp = PROBING_FIRST_MS << (pb->tries < 30 ? pb->tries : 30);

	pb->tries++;
	loop_timer_start(&pb->timer, ramp < ms ? ramp : ms);
}

/*
 * In a roll it may have been the old one that answered, where the two share
 * an address.  A new one that can't be there dies soon: it must have lived
 * for startsecs, too.  Milliseconds until then.
 */
static int64_t
probing_too_soon(const struct inst *in)
{
	mono_ms now = loop_now(in->slot->prog->en->lp);

	if (in->role != INST_NEXT)
		return 0;
	return in->started_ms + in->conf->startsecs_ms - now;
}

static void
probing_on_answer(void *arg, const char *error)
{
	struct probing *pb = arg;
	int64_t left;

	if (error == NULL && (left = probing_too_soon(pb->in)) > 0) {
		loop_timer_start(&pb->timer, left);
		return;
	}
	if (error == NULL) {
		inst_is_up(pb->in);
		return;
	}
	if (strcmp(pb->error, error) != 0) {
		log_debug("%s %d is not ready: %s", pb->in->slot->name,
		    (int)pb->in->pid, error);
		snprintf(pb->error, sizeof pb->error, "%s", error);
	}
	probing_wait(pb);
}

static void
probing_on_timer(struct loop_timer *t, void *arg)
{
	struct probing *pb = arg;
	struct err err;

	(void)t;
	if (ask_start(&pb->ask, pb->in->conf->rare->ready_try_ms, &err) == -1)
		probing_on_answer(pb, err.text);
}

int
probing_new(struct inst *in, struct err *err)
{
	struct probing *pb;

	if (in->conf->ready != READY_PROBE && in->conf->ready != READY_EXEC)
		return 0;
	pb = xcalloc(1, sizeof *pb);
	pb->in = in;
	loop_timer_init(
	    &pb->timer, in->slot->prog->en->lp, probing_on_timer, pb);
	if (ask_init(&pb->ask, in, "ready", in->conf->ready_text,
		probing_on_answer, pb, err) == -1) {
		free(pb);
		return -1;
	}
	in->probing = pb;
	return 0;
}

void
probing_free(struct inst *in)
{
	struct probing *pb = in->probing;

	probing_stop(in);
	if (pb == NULL)
		return;
	ask_fini(&pb->ask);
	free(pb);
	in->probing = NULL;
}

void
probing_start(struct inst *in)
{
	if (in->probing != NULL && !loop_timer_active(&in->probing->timer) &&
	    !ask_is_under_way(&in->probing->ask))
		probing_wait(in->probing);
}

static int
probing_scan_stream(const struct inst *in, struct pump_stream *st,
    const char *regex, bool all, struct err *err)
{
	if (st == NULL || pump_scan(st, in->id, regex, in->ready_fd, all) == 0)
		return 0;
	return err_sys(err, "look for '%.64s' in its output", regex);
}

/* What ready= comes to for this slot. */
static int
probing_text(char **out, const struct inst *in, struct err *err)
{
	const struct slot *sl = in->slot;

	if (config_slot_text(out, in->conf, in->conf->ready_text, sl->index,
		sl->prog->nslots, &sl->prog->en->base_env, err) == -1)
		return err_prefix(err, "ready: ");
	return 0;
}

/* The pipes are the slot's: what an old instance says there counts as well. */
int
probing_scan(struct inst *in, bool all, struct err *err)
{
	const struct slot *sl = in->slot;
	char *text;
	int rc;

	if (in->conf->ready != READY_LOG || in->ready_fd == -1)
		return 0;
	if (probing_text(&text, in, err) == -1)
		return -1;
	in->scanned = true;
	rc = probing_scan_stream(in, sl->out, text + 4, all, err);
	if (rc == 0)
		rc = probing_scan_stream(in, sl->err, text + 4, all, err);
	free(text);
	return rc;
}

static void
probing_unscan(struct inst *in)
{
	if (!in->scanned)
		return;
	in->scanned = false;
	if (in->slot->out != NULL)
		pump_scan_stop(in->slot->out, in->id);
	if (in->slot->err != NULL)
		pump_scan_stop(in->slot->err, in->id);
}

void
probing_stop(struct inst *in)
{
	probing_unscan(in);
	if (in->probing == NULL)
		return;
	loop_timer_stop(&in->probing->timer);
	ask_cancel(&in->probing->ask);
}

const char *
probing_error(const struct inst *in)
{
	return in->probing != NULL ? in->probing->error : "";
}
