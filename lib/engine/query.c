/* query - what the control server may ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine_priv.h"
#include "engine/watching.h"

static void
query_uptime(char *out, size_t size, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 86400)
		snprintf(out, size, "%lld:%02lld:%02lld", (long long)(s / 3600),
		    (long long)(s / 60 % 60), (long long)(s % 60));
	else
		snprintf(out, size, "%lld d %lld:%02lld:%02lld",
		    (long long)(s / 86400), (long long)(s / 3600 % 24),
		    (long long)(s / 60 % 60), (long long)(s % 60));
}

/* ", 34.5 MiB", where somebody looks. */
static void
query_memory(char *out, size_t size, const struct inst *in)
{
	char bytes[32];

	out[0] = '\0';
	if (in == NULL || recycle_memory(in) == -1)
		return;
	str_bytes(bytes, sizeof bytes, recycle_memory(in));
	snprintf(out, size, ", %s", bytes);
}

static void
query_starting(const struct slot *sl, char *out, size_t size)
{
	const char *error = sl->cur != NULL ? probing_error(sl->cur) : "";

	if (error[0] != '\0')
		snprintf(out, size, "not ready: %s", error);
	else
		snprintf(out, size, "%s", str_text(sl->note));
}

static const char *
query_channel(const struct slot *sl)
{
	if (sl->cur == NULL || sl->cur->channel == NULL)
		return NULL;
	return channel_is_open(sl->cur->channel) ? "open" : "closed";
}

static int64_t
query_waiting(const struct slot *sl)
{
	if (sl->cur == NULL || sl->cur->channel == NULL)
		return -1;
	return (int64_t)channel_waiting(sl->cur->channel);
}

/* ", 12 messages wait" */
static void
query_messages(char *out, size_t size, const struct slot *sl)
{
	int64_t n = query_waiting(sl);

	out[0] = '\0';
	if (n > 0)
		snprintf(out, size, ", %lld message%s", (long long)n,
		    n == 1 ? " waits" : "s wait");
}

static void
query_ill(char *out, size_t size, const struct slot *sl)
{
	int64_t ms = sl->retry_at_ms - loop_now(sl->prog->en->lp);
	char rate[CONFIG_NAME_MAX + 32], span[32];

	if (!vitals_await_turn(sl->cur)) {
		snprintf(out, size, "UNHEALTHY: %s", vitals_error(sl->cur));
		return;
	}
	budget_text(sl, rate, sizeof rate);
	str_duration(span, sizeof span, ms > 0 ? ms : 0);
	snprintf(out, size, "UNHEALTHY: %s; %s: restart in %s",
	    vitals_error(sl->cur), rate, span);
}

static void
query_describe(const struct slot *sl, int64_t uptime_ms, int64_t retry_ms,
    char *out, size_t size)
{
	char up[64], memory[40], waiting[40], rate[CONFIG_NAME_MAX + 32];

	switch (sl->state) {
	case PS_RUNNING:
		query_memory(memory, sizeof memory, sl->cur);
		query_messages(waiting, sizeof waiting, sl);
		query_uptime(up, sizeof up, uptime_ms);
		if (sl->cur != NULL && vitals_are_lost(sl->cur))
			query_ill(out, size, sl);
		else if (sl->cur != NULL && sl->cur->status != NULL)
			snprintf(out, size, "%s", sl->cur->status);
		else
			snprintf(out, size, "pid %d, uptime %s%s%s",
			    sl->cur != NULL ? (int)sl->cur->pid : 0, up, memory,
			    waiting);
		return;
	case PS_BACKOFF:
		str_duration(up, sizeof up, retry_ms);
		budget_text(sl, rate, sizeof rate);
		if (sl->failures == 0)
			snprintf(out, size, "%.80s; %s: start in %s",
			    str_text(sl->note), rate, up);
		else
			snprintf(out, size, "%s; try %u in %s",
			    str_text(sl->note), sl->failures + 1, up);
		return;
	case PS_FATAL:
		str_duration(up, sizeof up, retry_ms);
		snprintf(out, size, "%s%s%s", str_text(sl->note),
		    retry_ms >= 0 ? "; next try in " : "",
		    retry_ms >= 0 ? up : "");
		return;
	case PS_STOPPED:
		snprintf(out, size, "%s",
		    sl->note != NULL      ? sl->note
		    : sl->generation == 0 ? "not started"
					  : "");
		return;
	case PS_STARTING:
		query_starting(sl, out, size);
		return;
	case PS_STOPPING:
	case PS_EXITED:
	case PS_UNKNOWN:
	case PS__N:
		snprintf(out, size, "%s", str_text(sl->note));
		return;
	}
}

static int
query_draining(const struct slot *sl)
{
	const struct inst *in;
	int n = 0;

	TAILQ_FOREACH(in, &sl->draining, entry)
		n += !in->dead;
	return n;
}

/* watch= that does not watch all is said beside whatever else there is. */
static void
query_watch(const struct program *pg, char *text, size_t size)
{
	struct watching_info wi;
	size_t n = strlen(text);

	if (watching_get(pg->en, pg->conf->name, true, &wi) &&
	    wi.trouble != NULL)
		snprintf(
		    text + n, size - n, "%s%s", n > 0 ? ", " : "", wi.trouble);
}

static void
query_slot(const struct slot *sl, engine_slot_cb *cb, void *arg)
{
	const struct program *pg = sl->prog;
	mono_ms now = loop_now(pg->en->lp);
	const struct inst *in = sl->cur;
	char text[256], waits[160];
	bool waiting = wait_text(sl, waits, sizeof waits);
	struct slot_info si = {
		.name = sl->name,
		.program = pg->conf->name,
		.group = pg->conf->group,
		.slot = sl->index,
		.state = sl->state,
		.ready = in != NULL && in->ready,
		.stop_wanted = !sl->wanted,
		.pid = in != NULL ? in->pid : 0,
		.generation = in != NULL ? in->generation : sl->generation,
		.uptime_ms =
		    in != NULL && in->pid != 0 ? now - in->started_ms : -1,
		.restarts = sl->restarts,
		.health_losses = sl->health_losses,
		.exit_code = -1,
		.next_retry_ms = sl->retry_at_ms == 0    ? -1
				 : sl->retry_at_ms > now ? sl->retry_at_ms - now
							 : 0,
		.memory_bytes = in != NULL ? recycle_memory(in) : -1,
		.channel = query_channel(sl),
		.messages_waiting = query_waiting(sl),
		.recycle_at_ms =
		    in != NULL && in->pid != 0 ? recycle_next_ms(in) : 0,
		.draining = query_draining(sl),
		.description = text,
		.depends_on = &pg->conf->depends_on,
		.bind_to = &pg->conf->bind_to,
		.health = in != NULL ? vitals_word(in) : NULL,
		.waits_for = waiting ? waits : NULL,
		.program_note = str_text(pg->note),
	};

	if (slot_last_death(sl)->at_ms != 0) {
		si.exit_code = slot_last_death(sl)->code;
		si.exit_signal = slot_last_death(sl)->signo;
	}
	query_describe(sl, si.uptime_ms, si.next_retry_ms, text, sizeof text);
	if (waiting)
		snprintf(text, sizeof text, "waits for %s", waits);
	query_watch(pg, text, sizeof text);
	cb(arg, &si);
}

int
engine_each(struct engine *en, char *const *names, size_t n, engine_slot_cb *cb,
    void *arg, struct err *err)
{
	struct slot **v;
	size_t count;

	if (names_match(en, names, n, &v, &count, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++)
		query_slot(v[i], cb, arg);
	free(v);
	return 0;
}

static struct slot *
query_one(struct engine *en, const char *name, struct err *err)
{
	union {
		const char *in;
		char *out;
	} u = { .in = name };
	struct slot **v, *sl;
	size_t n;

	if (names_match(en, &u.out, 1, &v, &n, err) == -1)
		return NULL;
	sl = n == 1 ? v[0] : NULL;
	if (n != 1)
		err_set(err, "'%s' are %zu slots, name one: %s", name, n,
		    n != 0 ? v[0]->name : "none is there");
	free(v);
	return sl;
}

static void
query_death(const struct slot *sl, int i, const struct slot_info *si,
    engine_death_cb *cb, void *arg)
{
	const struct table_death *d = &slot_history(sl)->deaths[i];
	char text[256] = "";
	struct death_info di = {
		.at_ms = d->at_ms,
		.cause = (enum death_cause)d->cause,
		.generation = d->generation,
		.pid = d->pid,
		.ran_ms = d->ran_ms,
		.exit_code = d->code,
		.exit_signal = d->signo,
		.core = d->core,
		.oom = (enum death_oom)d->oom,
		.killed = d->killed,
		.by_person = d->by_person,
		.by_uid = d->by_uid,
		.by_pid = d->by_pid,
		.max_rss_kb = d->max_rss_kb,
		.text = text,
		.tail = str_text(slot_history(sl)->tail[i]),
	};
	struct spawn_err se = { (enum spawn_stage)d->stage, d->errnum };

	if (di.cause == DEATH_NO_START && d->stage != 0)
		start_err_text(text, sizeof text, &se, sl->prog->conf);
	else if (di.cause == DEATH_NO_START)
		snprintf(text, sizeof text, "%.255s", di.tail);
	else if (slot_history(sl)->text[i] != NULL)
		snprintf(text, sizeof text, "%s", slot_history(sl)->text[i]);
	else
		snprintf(text, sizeof text, "%s", limits_oom_text(di.oom));
	cb(arg, si, &di);
}

struct query_why {
	const struct slot *sl;
	engine_slot_cb *slot_cb;
	engine_death_cb *cb;
	void *arg;
};

static void
query_why_slot(void *arg, const struct slot_info *si)
{
	struct query_why *q = arg;

	q->slot_cb(q->arg, si);
	for (int i = 0;
	     i < TABLE_DEATHS && slot_history(q->sl)->deaths[i].at_ms != 0; i++)
		query_death(q->sl, i, si, q->cb, q->arg);
}

int
engine_why(struct engine *en, const char *slot, engine_slot_cb *slot_cb,
    engine_death_cb *cb, void *arg, struct err *err)
{
	struct query_why q = { NULL, slot_cb, cb, arg };
	union {
		const char *in;
		char *out;
	} u = { .in = slot };
	struct slot **v;
	size_t n;

	/* A program's name stands for all of its slots here, too. */
	if (names_match(en, &u.out, 1, &v, &n, err) == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		q.sl = v[i];
		query_slot(v[i], query_why_slot, &q);
	}
	free(v);
	return 0;
}

struct pump_stream *
engine_stream(struct engine *en, const char *slot, bool is_stderr, char **path)
{
	struct err err;
	struct slot *sl = query_one(en, slot, &err);

	*path = NULL;
	if (sl == NULL)
		return NULL;
	slot_streams(sl);
	is_stderr = is_stderr && sl->err != NULL;
	*path = slot_log_path(sl, is_stderr);
	return is_stderr ? sl->err : sl->out;
}

struct event_log *
engine_events(struct engine *en)
{
	return en->events;
}

const struct config_program *
engine_in_force(const struct engine *en, const struct config_program *p)
{
	for (size_t i = 0; i < en->nprograms; i++)
		if (strcmp(en->programs[i]->conf->name, p->name) == 0)
			return en->programs[i]->conf;
	return p;
}

const struct config *
engine_config(const struct engine *en)
{
	return en->cf;
}

pid_t
engine_reeved_pid(const struct engine *en)
{
	return keeperlink_welcome(en->kl)->pid;
}

unsigned
engine_incarnation(const struct engine *en)
{
	return keeperlink_welcome(en->kl)->incarnation;
}

int64_t
engine_uptime_ms(const struct engine *en)
{
	return loop_now(en->lp) - keeperlink_welcome(en->kl)->started_ms;
}

mono_ms
engine_now(const struct engine *en)
{
	return loop_now(en->lp);
}

int
engine_usable_cpus(const struct engine *en)
{
	return en->usable_cpus;
}
