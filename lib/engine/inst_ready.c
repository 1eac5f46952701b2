/*
 * inst_ready - how an instance comes to be up: what it says, what it answers,
 * or that it lives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/ready.h"
#include "engine/engine_priv.h"
#include "engine/pooled.h"

#define NOTIFY_TURN 16 /* datagrams */

void
inst_unwatch(struct inst *in)
{
	loop_timer_stop(&in->up);
	probing_stop(in);
}

void
inst_is_up(struct inst *in)
{
	/* One that is being stopped has no say any more. */
	if (in->ready || in->dead || in->stopping)
		return;
	if (in->pid == 0) {
		/* It was quicker than the keeper's word that it exists. */
		in->up_early = true;
		slot_save(in->slot);
		return;
	}
	in->ready = true;
	inst_unwatch(in);
	vitals_start(in);
	pooled_up(in);
	hook_after_ready(in);
	/* A delay is over only when it is; others still count startsecs. */
	if (in->role == INST_CUR)
		slot_event(in->slot, PE_UP);
	slot_save(in->slot);
	if (in->role == INST_NEXT)
		rolling_inst_ready(in);
}

void
inst_give_reason(struct inst *in, const char *why)
{
	struct slot *sl = in->slot;

	str_set(&in->reason, why);
	/* In the record, for an engine after this one. */
	str_set(&sl->reason, why);
}

void
inst_on_up_timer(struct loop_timer *t, void *arg)
{
	const char *error = probing_error(arg);
	struct inst *in = arg;
	char ms[32], text[160];

	(void)t;
	if (in->conf->ready == READY_DELAY) {
		inst_is_up(in);
		return;
	}
	str_duration(ms, sizeof ms, in->conf->ready_timeout_ms);
	snprintf(text, sizeof text, "not ready within %s%s%.100s", ms,
	    error[0] != '\0' ? ": " : "", error);
	str_set(&in->why, text);
	inst_give_reason(in, error);
	log_warnx(
	    "%s %d %s, it is stopped", in->slot->name, (int)in->pid, in->why);
	inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_NOT_READY, NULL);
}

void
inst_take_status(struct inst *in, const struct ready_news *news)
{
	if (!news->has_status)
		return;
	free(in->status);
	in->status = xstrdup(news->status);
}

static void
inst_on_notify(struct inst *in)
{
	uid_t uid =
	    in->conf->rare->user.set ? in->conf->rare->user.uid : getuid();
	struct ready_news news;

	/* Not for ever: who talks without end is heard again next turn. */
	for (int i = 0; i < NOTIFY_TURN; i++) {
		if (ready_notify_peek(in->ready_fd, uid, &news) != 1)
			return;
		inst_take_status(in, &news);
		vitals_on_notify(in, &news);
		/* Noted down, and only then out of the socket. */
		if (news.ready)
			inst_is_up(in);
		if (news.recycle)
			recycle_wanted(in);
		ready_notify_read(in->ready_fd, uid, &news);
	}
}

static void
inst_on_ready_io(struct loop_io *io, int events, void *arg)
{
	struct inst *in = arg;
	int rc;

	(void)events;
	if (in->conf->ready == READY_NOTIFY) {
		inst_on_notify(in);
		return;
	}
	if (in->conf->ready == READY_LOG) {
		/* An eventfd; it stays readable until it is noted down. */
		loop_io_stop(io);
		if (ready_event_is_set(in->ready_fd))
			inst_is_up(in);
		else
			loop_io_start(io);
		return;
	}
	if (!in->ready && ready_fd_peek(in->ready_fd))
		inst_is_up(in);
	rc = ready_fd_read(in->ready_fd);
	if (rc == 0)
		return;
	loop_io_stop(io);
	if (rc == 1)
		inst_is_up(in);
}

static struct loop_io *
inst_ready_io(struct inst *in)
{
	if (in->ready_io == NULL) {
		in->ready_io = xcalloc(1, sizeof *in->ready_io);
		loop_io_init(in->ready_io, in->slot->prog->en->lp, in->ready_fd,
		    LOOP_READ, inst_on_ready_io, in);
	}
	return in->ready_io;
}

void
inst_hear(struct inst *in)
{
	inst_on_ready_io(inst_ready_io(in), LOOP_READ, in);
}

/* Its time to be ready, if it is not, is another one now. */
static void
inst_rewatch(struct inst *in)
{
	const struct config_program *conf = in->conf;
	bool is_delay = conf->ready == READY_DELAY;
	int64_t wait = is_delay ? conf->startsecs_ms : conf->ready_timeout_ms;
	int64_t left = in->started_ms + wait - loop_now(in->slot->prog->en->lp);

	loop_timer_stop(&in->up);
	if (is_delay || wait > 0)
		loop_timer_start(&in->up, left > 0 ? left : 0);
}

void
inst_set_conf(struct inst *in, struct config_program *conf)
{
	struct config_program *old = in->conf;
	bool waits = !in->ready && !in->up_early && !in->preparing;

	in->conf = config_program_ref(conf);
	inst_limit_channel(in);
	if (!in->dead && !in->stopping) {
		if (waits &&
		    (old->startsecs_ms != conf->startsecs_ms ||
			old->ready_timeout_ms != conf->ready_timeout_ms))
			inst_rewatch(in);
		vitals_changed(in, old);
	}
	pooled_changed(in, old);
	config_program_unref(old);
}

void
inst_watch_ready(struct inst *in, int64_t elapsed_ms)
{
	const struct config_program *conf = in->conf;
	int64_t wait = conf->ready == READY_DELAY ? conf->startsecs_ms
						  : conf->ready_timeout_ms;

	if (in->ready_fd != -1)
		loop_io_start(inst_ready_io(in));
	if (in->ready)
		return;
	probing_start(in);
	if (conf->ready == READY_DELAY && wait <= elapsed_ms)
		inst_is_up(in);
	else if (wait > 0)
		loop_timer_start(&in->up, wait - elapsed_ms);
}
