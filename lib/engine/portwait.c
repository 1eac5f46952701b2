/*
 * portwait - an instance that is not started before its ports are free.
 *
 * For programs that bind their ports themselves (wait_port_free=).  While it
 * waits the instance has its place as while before_start runs, and the keeper
 * knows nothing of it: an engine after this one begins anew.  Somebody may
 * still take the port between the look and the program's own bind; then the
 * start fails, as it would have.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/listener.h"
#include "config/value.h"
#include "engine/engine_priv.h"

#define PORTWAIT_FIRST_MS 20
#define PORTWAIT_MAX_MS   500
#define PORTWAIT_TELL_MS  200 /* shorter ones are nobody's business */

struct portwait {
	struct inst *in;
	struct config_sockets ports;
	struct loop_timer timer;
	mono_ms since;
	int64_t pause_ms;
	bool told;
};

void
portwait_free(struct inst *in)
{
	struct portwait *pw = in->portwait;

	if (pw == NULL)
		return;
	loop_timer_stop(&pw->timer);
	value_sockets_fini(&pw->ports);
	free(pw);
	in->portwait = NULL;
}

/* The first that is not free; NULL: all are.  err NULL: whose it is is no
 * question, and no /proc is read for it. */
static const struct config_socket *
portwait_taken(const struct portwait *pw, struct err *err)
{
	for (size_t i = 0; i < pw->ports.n; i++)
		if (!listener_is_free(&pw->ports.v[i], err))
			return &pw->ports.v[i];
	return NULL;
}

static void
portwait_go_on(struct inst *in)
{
	struct err err;
	int rc;

	if (in->portwait->told)
		log_info("%s: its ports are free", in->slot->name);
	portwait_free(in);
	if (in->conf->rare->hook[HOOK_BEFORE_START] != NULL) {
		rc = hook_before_start(in, &err);
	} else {
		rc = inst_launch(in, &err);
		if (rc == 0)
			slot_note(in->slot, "%s", "");
	}
	if (rc == -1)
		inst_not_started(in, err.text);
}

static void
portwait_give_up(struct inst *in)
{
	char why[300], ms[32];
	struct err err = { .text = "" };

	if (portwait_taken(in->portwait, &err) == NULL) {
		portwait_go_on(in);
		return;
	}
	str_duration(ms, sizeof ms,
	    loop_now(in->slot->prog->en->lp) - in->portwait->since);
	snprintf(why, sizeof why, "%.200s, still after %s", err.text, ms);
	portwait_free(in);
	inst_not_started(in, why);
}

static void
portwait_tell(struct portwait *pw)
{
	struct slot *sl = pw->in->slot;
	struct err err = { .text = "" };

	if (portwait_taken(pw, &err) == NULL)
		return;
	pw->told = true;
	slot_note(sl, "waits for its port: %s", err.text);
	log_info("%s waits for its port: %s", sl->name, err.text);
	engine_event(
	    sl->prog->en, sl->name, "port", "waits for its port: %s", err.text);
}

static void
portwait_on_timer(struct loop_timer *t, void *arg)
{
	struct portwait *pw = arg;
	struct inst *in = pw->in;
	mono_ms waited = loop_now(in->slot->prog->en->lp) - pw->since;
	int64_t most = in->conf->rare->wait_port_ms;

	if (in->stopping) {
		portwait_free(in);
		inst_not_started(in, "stopped while it waited for its port");
	} else if (portwait_taken(pw, NULL) == NULL) {
		portwait_go_on(in);
	} else if (most != 0 && waited >= most) {
		portwait_give_up(in);
	} else {
		if (!pw->told && waited >= PORTWAIT_TELL_MS)
			portwait_tell(pw);
		pw->pause_ms *= 2;
		if (pw->pause_ms > PORTWAIT_MAX_MS)
			pw->pause_ms = PORTWAIT_MAX_MS;
		if (most != 0 && pw->pause_ms > most - waited)
			pw->pause_ms = most - waited;
		loop_timer_start(t, pw->pause_ms);
	}
}

int
portwait_begin(struct inst *in, struct err *err)
{
	const struct slot *sl = in->slot;
	struct engine *en = sl->prog->en;
	struct portwait *pw;

	/* What runs in the slot has it, and who is to replace it gets it in a
	 * way of their own, or not at all. */
	if (in->conf->rare->wait_port_free == NULL ||
	    (sl->cur != NULL && !sl->cur->dead))
		return 0;
	pw = in->portwait = xcalloc(1, sizeof *pw);
	pw->in = in;
	pw->since = loop_now(en->lp);
	pw->pause_ms = PORTWAIT_FIRST_MS;
	loop_timer_init(&pw->timer, en->lp, portwait_on_timer, pw);
	if (config_slot_ports(&pw->ports, in->conf, sl->index, sl->prog->nslots,
		&en->base_env, err) == -1) {
		err_prefix(err, "wait_port_free: ");
		portwait_free(in);
		return -1;
	}
	if (portwait_taken(pw, NULL) == NULL) {
		portwait_free(in);
		return 0;
	}
	loop_timer_start(&pw->timer, pw->pause_ms);
	return 1;
}

void
portwait_cancel(struct inst *in)
{
	/* Not from here: what follows is not expected inside an order. */
	if (in->portwait != NULL)
		loop_timer_start(&in->portwait->timer, 0);
}
