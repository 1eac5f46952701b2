/*
 * vitals - whether an instance that is up goes on well, and what is done when
 * it does not.
 *
 * Either it is asked (ask.h), one question at a time, the first one somewhere
 * within the first interval so that many slots are not asked together; or it
 * has to speak (WATCHDOG=1 on a notify socket), and only the silence has a
 * timer.  To lose its health is not to die: the state stays RUNNING, and
 * health_action says what follows.  That it was lost is in the slot's record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/health.h"
#include "cluster/ready.h"
#include "engine/ask.h"
#include "engine/recycle.h"

#define VITALS_TURN     16 /* datagrams */
#define FAILED          "failed health probe: "
#define FAILURES        3
#define FAILURES_SILENT 1 /* as systemd has it */

struct vitals {
	struct inst *in;
	struct ask ask; /* unless it has to speak */
	struct loop_timer timer;
	struct loop_timer turn; /* to the slot's retry_at_ms: restart_rate= */
	struct health health;
	bool running;
	char error[PROBE_ERROR_MAX]; /* of the last failure */
	mono_ms heard_ms;            /* watchdog: last word, or failure */
	int fd;                      /* its notify socket; -1: ready= has one */
	unsigned slot;               /* of the keeper's store */
	struct loop_io io;
};

static bool
vitals_is_watchdog(const struct vitals *v)
{
	return v->in->conf->health == HEALTH_WATCHDOG;
}

/* --- what is done ----------------------------------------------------- */

/* It goes on until restart_rate= has room: what ails it may ail all. */
static bool
vitals_has_turn(struct vitals *v)
{
	struct slot *sl = v->in->slot;
	char rate[CONFIG_NAME_MAX + 32], span[32];
	int64_t ms = budget_take(sl);

	if (ms <= 0) {
		sl->retry_at_ms = 0;
		return true;
	}
	budget_text(sl, rate, sizeof rate);
	str_duration(span, sizeof span, ms);
	log_info("%s: %s: its restart waits %s", sl->name, rate, span);
	engine_event(sl->prog->en, sl->name, "health",
	    "%s: its restart waits %s", rate, span);
	sl->retry_at_ms = loop_now(sl->prog->en->lp) + ms;
	loop_timer_start(&v->turn, ms);
	slot_save(sl);
	return false;
}

/* That it wants to be up and to start again says whose stop it is. */
static void
vitals_restart(struct vitals *v)
{
	struct inst *in = v->in;
	struct slot *sl = in->slot;

	if (sl->state != PS_RUNNING || !sl->wanted || !vitals_has_turn(v))
		return;
	inst_stop(in, in->conf->stopwaitsecs_ms, DEATH_UNHEALTHY, NULL);
	sl->start_again = true;
	slot_event(sl, PE_STOP);
	slot_save(sl);
}

static void
vitals_on_turn(struct loop_timer *t, void *arg)
{
	struct vitals *v = arg;
	struct inst *in = v->in;

	(void)t;
	if (v->health.lost && in->role == INST_CUR &&
	    in->conf->rare->health_action == HEALTH_RESTART &&
	    !rolling_owns(in->slot))
		vitals_restart(v);
}

/* For its turn; also one that an engine before this one was told. */
static bool
vitals_waits(struct vitals *v)
{
	struct slot *sl = v->in->slot;
	mono_ms now = loop_now(sl->prog->en->lp);

	if (loop_timer_active(&v->turn))
		return true;
	if (sl->retry_at_ms == 0)
		sl->budgeted = 0;
	if (sl->retry_at_ms <= now)
		return false;
	loop_timer_start(&v->turn, sl->retry_at_ms - now);
	return true;
}

static void
vitals_turn_stop(struct vitals *v)
{
	if (!loop_timer_active(&v->turn))
		return;
	loop_timer_stop(&v->turn);
	v->in->slot->retry_at_ms = 0;
	v->in->slot->budgeted = 0;
}

static void
vitals_act(struct vitals *v)
{
	struct inst *in = v->in;
	char why[TABLE_REASON_MAX];

	if (in->role == INST_NEXT) {
		snprintf(why, sizeof why, "failed its health probe: %.68s",
		    v->error);
		rolling_inst_failed(in, why, NULL);
		return;
	}
	/* A roll that is at this slot replaces it anyway. */
	if (in->role != INST_CUR || rolling_owns(in->slot))
		return;
	snprintf(why, sizeof why, FAILED "%.73s", v->error);
	inst_give_reason(in, why);
	switch (in->conf->rare->health_action) {
	case HEALTH_ROLL:
		if (!recycle_is_soon(in, why))
			rolling_start_slot(in->slot, why);
		return;
	case HEALTH_RESTART:
		if (!vitals_waits(v))
			vitals_restart(v);
		return;
	case HEALTH_REPORT:
		return;
	}
}

static unsigned
vitals_failures(const struct vitals *v)
{
	if (v->in->conf->rare->health_failures != 0)
		return (unsigned)v->in->conf->rare->health_failures;
	return vitals_is_watchdog(v) ? FAILURES_SILENT : FAILURES;
}

/* error NULL: it is well. */
static void
vitals_answer(struct vitals *v, const char *error)
{
	enum health_news news =
	    health_note(&v->health, error == NULL, vitals_failures(v));
	struct inst *in = v->in;
	struct engine *en = in->slot->prog->en;

	if (error != NULL)
		snprintf(v->error, sizeof v->error, "%s", error);
	if (error != NULL && news == HEALTH_SAME)
		log_debug(
		    "%s %d: health: %s", in->slot->name, (int)in->pid, error);
	if (news == HEALTH_SAME)
		return;
	in->slot->health_losses += news == HEALTH_LOST;
	slot_save(in->slot);
	if (news == HEALTH_BACK) {
		vitals_turn_stop(v);
		slot_save(in->slot);
		log_info(
		    "%s %d is healthy again", in->slot->name, (int)in->pid);
		engine_event(en, in->slot->name, "health", "healthy again");
		return;
	}
	if (news == HEALTH_LOST) {
		log_warnx("%s %d is unhealthy: %s", in->slot->name,
		    (int)in->pid, error);
		engine_event(en, in->slot->name, "health",
		    "unhealthy: %s (%u in a row)", error, vitals_failures(v));
	}
	vitals_act(v);
}

/* --- asking ------------------------------------------------------------- */

static void
vitals_next(struct vitals *v)
{
	if (v->running)
		loop_timer_start(
		    &v->timer, v->in->conf->rare->health_interval_ms);
}

static void
vitals_on_answer(void *arg, const char *error)
{
	struct vitals *v = arg;

	vitals_next(v);
	vitals_answer(v, error);
}

static void
vitals_on_silence(struct vitals *v)
{
	mono_ms now = loop_now(v->in->slot->prog->en->lp);
	int64_t left = v->heard_ms + v->in->watchdog_ms - now;
	char ms[32], text[64];

	if (left > 0) {
		loop_timer_start(&v->timer, left);
		return;
	}
	str_duration(ms, sizeof ms, v->in->watchdog_ms);
	snprintf(text, sizeof text, "no WATCHDOG=1 within %s", ms);
	v->heard_ms = now;
	loop_timer_start(&v->timer, v->in->watchdog_ms);
	vitals_answer(v, text);
}

static void
vitals_on_timer(struct loop_timer *t, void *arg)
{
	struct vitals *v = arg;
	struct err err;

	(void)t;
	if (vitals_is_watchdog(v))
		vitals_on_silence(v);
	else if (ask_start(
		     &v->ask, v->in->conf->rare->health_timeout_ms, &err) == -1)
		vitals_on_answer(v, err.text);
}

/* --- listening ------------------------------------------------------------ */

void
vitals_on_notify(struct inst *in, const struct ready_news *news)
{
	struct vitals *v = in->vitals;

	if (v == NULL || !vitals_is_watchdog(v))
		return;
	if (news->watchdog_usec != 0) {
		in->watchdog_ms = (uint32_t)(news->watchdog_usec / 1000);
		slot_save(in->slot);
		if (v->running)
			loop_timer_start(&v->timer, in->watchdog_ms);
	}
	if (!v->running)
		return;
	v->heard_ms = loop_now(in->slot->prog->en->lp);
	if (news->watchdog_trigger)
		vitals_answer(v, "it sent WATCHDOG=trigger");
	else if (news->watchdog)
		vitals_answer(v, NULL);
}

static void
vitals_on_io(struct loop_io *io, int events, void *arg)
{
	struct vitals *v = arg;
	const struct config_program *conf = v->in->conf;
	uid_t uid = conf->rare->user.set ? conf->rare->user.uid : getuid();
	struct ready_news news;

	(void)io;
	(void)events;
	for (int i = 0; i < VITALS_TURN; i++) {
		if (ready_notify_read(v->fd, uid, &news) != 1)
			return;
		inst_take_status(v->in, &news);
		if (news.recycle)
			recycle_wanted(v->in);
		vitals_on_notify(v->in, &news);
	}
}

static void
vitals_name(const struct inst *in, char name[FDNAME_MAX])
{
	snprintf(
	    name, FDNAME_MAX, "watch:%s#%u", in->slot->name, in->generation);
}

static void
vitals_listen(struct vitals *v)
{
	loop_io_init(&v->io, v->in->slot->prog->en->lp, v->fd, LOOP_READ,
	    vitals_on_io, v);
	loop_io_start(&v->io);
}

/* A socket of its own, unless ready= has one; sock: its name, or "". */
static int
vitals_open(struct vitals *v, char sock[64], struct err *err)
{
	char name[FDNAME_MAX];

	sock[0] = '\0';
	if (!vitals_is_watchdog(v) || v->in->conf->ready == READY_NOTIFY)
		return 0;
	v->fd = ready_notify_open(sock, err);
	if (v->fd == -1)
		return -1;
	vitals_name(v->in, name);
	v->slot = keeperlink_put(v->in->slot->prog->en->kl, name, v->fd);
	vitals_listen(v);
	return 0;
}

/* --- birth and end ----------------------------------------------------------
 */

static struct vitals *
vitals_make(struct inst *in, struct err *err)
{
	struct vitals *v = xcalloc(1, sizeof *v);

	v->in = in;
	v->fd = -1;
	loop_timer_init(&v->timer, in->slot->prog->en->lp, vitals_on_timer, v);
	loop_timer_init(&v->turn, in->slot->prog->en->lp, vitals_on_turn, v);
	if (in->conf->health_text == NULL ||
	    ask_init(&v->ask, in, "health", in->conf->health_text,
		vitals_on_answer, v, err) == 0) {
		in->vitals = v;
		return v;
	}
	free(v);
	return NULL;
}

int
vitals_new(struct inst *in, char sock[64], struct err *err)
{
	struct vitals *v;

	sock[0] = '\0';
	if (in->conf->health == HEALTH_NONE)
		return 0;
	v = vitals_make(in, err);
	if (v == NULL)
		return -1;
	if (vitals_is_watchdog(v))
		in->watchdog_ms = (uint32_t)in->conf->rare->health_interval_ms;
	return vitals_open(v, sock, err);
}

/* heard_ms is where the grace ends. */
static void
vitals_begin(struct vitals *v)
{
	const struct inst *in = v->in;
	int64_t left = v->heard_ms - loop_now(in->slot->prog->en->lp);
	char name[SLOT_NAME_MAX + 16];

	if (left < 0)
		left = 0;
	snprintf(name, sizeof name, "%s#%u", in->slot->name, in->generation);
	loop_timer_start(
	    &v->timer, vitals_is_watchdog(v)
			   ? left + in->watchdog_ms
			   : health_first_ms(left,
				 in->conf->rare->health_interval_ms, name));
}

void
vitals_adopt(struct inst *in, const struct table_inst *ti)
{
	bool lost = ti->unhealthy;
	struct keeperlink *kl = in->slot->prog->en->kl;
	char name[FDNAME_MAX];
	struct vitals *v;
	struct err err;

	/* It may have been started when there was no health= yet. */
	if (in->conf->health == HEALTH_NONE ||
	    (in->conf->health == HEALTH_WATCHDOG && in->watchdog_ms == 0))
		return;
	v = vitals_make(in, &err);
	if (v == NULL) {
		log_errorx("%s: %s", in->slot->name, err.text);
		return;
	}
	v->health.known = v->health.lost = lost;
	if (lost && str_starts(str_text(in->slot->reason), FAILED))
		snprintf(v->error, sizeof v->error, "%s",
		    in->slot->reason + strlen(FAILED));
	vitals_name(in, name);
	v->slot = keeperlink_find(kl, name);
	v->fd = keeperlink_fd(kl, v->slot);
	if (v->slot != 0)
		vitals_listen(v);
	if (!in->ready)
		return;
	vitals_start(in);
	if (ti->deadline_ms != 0) {
		v->heard_ms = ti->deadline_ms;
		vitals_begin(v);
	}
}

mono_ms
vitals_since(const struct inst *in)
{
	return in->vitals != NULL && in->vitals->running ? in->vitals->heard_ms
							 : 0;
}

void
vitals_free(struct inst *in)
{
	struct vitals *v = in->vitals;

	if (v == NULL)
		return;
	vitals_stop(in);
	loop_io_stop(&v->io);
	ready_notify_end(v->fd);
	if (v->slot != 0)
		keeperlink_drop(in->slot->prog->en->kl, &v->slot);
	ask_fini(&v->ask);
	free(v);
	in->vitals = NULL;
}

void
vitals_start(struct inst *in)
{
	struct vitals *v = in->vitals;

	if (v == NULL || v->running)
		return;
	v->running = true;
	v->heard_ms =
	    loop_now(in->slot->prog->en->lp) + in->conf->rare->health_grace_ms;
	vitals_begin(v);
}

void
vitals_changed(struct inst *in, const struct config_program *old)
{
	const struct config_rare *was = old->rare, *is = in->conf->rare;
	struct vitals *v = in->vitals;
	int64_t grace;

	if (v == NULL || !loop_timer_active(&v->timer))
		return;
	if (is->health_grace_ms != was->health_grace_ms && !v->health.known) {
		v->heard_ms += is->health_grace_ms - was->health_grace_ms;
		vitals_begin(v);
		return;
	}
	if (vitals_is_watchdog(v) ||
	    is->health_interval_ms == was->health_interval_ms)
		return;
	grace = v->heard_ms - loop_now(in->slot->prog->en->lp);
	if (grace < is->health_interval_ms)
		grace = is->health_interval_ms;
	loop_timer_start(&v->timer, grace);
}

void
vitals_stop(struct inst *in)
{
	struct vitals *v = in->vitals;

	if (v == NULL)
		return;
	v->running = false;
	loop_timer_stop(&v->timer);
	vitals_turn_stop(v);
	ask_cancel(&v->ask);
}

bool
vitals_are_lost(const struct inst *in)
{
	return in->vitals != NULL && in->vitals->health.lost;
}

const char *
vitals_word(const struct inst *in)
{
	const struct vitals *v = in->vitals;

	if (v == NULL || in->conf->health == HEALTH_NONE)
		return NULL;
	if (!v->health.known)
		return "unknown";
	return v->health.lost ? "unhealthy" : "healthy";
}

const char *
vitals_error(const struct inst *in)
{
	return in->vitals != NULL ? in->vitals->error : "";
}

unsigned
vitals_slot(const struct inst *in)
{
	return in->vitals != NULL ? in->vitals->slot : 0;
}

bool
vitals_await_turn(const struct inst *in)
{
	return in->vitals != NULL && loop_timer_active(&in->vitals->turn);
}

void
vitals_ask_again(struct inst *in)
{
	if (!vitals_await_turn(in))
		return;
	in->slot->budgeted = 0;
	loop_timer_start(&in->vitals->turn, 0);
}
