/*
 * cmd_event - the numbered event log, from any number on.
 *
 * A follower is a number, the next to send: it writes while its client reads
 * and holds back when not, and when the ring has moved past it meanwhile the
 * client is told which numbers it missed.  So it costs the same however slow
 * the client is.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

struct follower {
	struct ctl_req *r;
	struct event_log *el;
	struct event_watcher watcher;
	struct strv names; /* empty: all */
	uint64_t next;
	bool follow;
};

static bool
event_of(const struct follower *f, const struct event *ev)
{
	size_t len;

	if (!ctl_may_name(f->r, ev->name))
		return false;
	for (size_t i = 0; i < f->names.n; i++) {
		const char *name = f->names.v[i];

		len = strlen(name);
		if (fnmatch(name, ev->name, 0) == 0)
			return true;
		if (strncmp(name, ev->name, len) == 0 && ev->name[len] == '.')
			return true;
	}
	return f->names.n == 0;
}

static void
event_put(struct follower *f, const struct event *ev)
{
	struct jw *w = ctl_note_begin(f->r);

	jw_obj(w, "event");
	jw_int(w, "seq", (int64_t)ev->seq);
	jw_int(w, "at_ms", ev->at_ms);
	jw_str(w, "name", ev->name);
	jw_str(w, "kind", ev->kind);
	jw_str(w, "text", ev->text);
	jw_end_obj(w);
	ctl_note_end(f->r);
}

static void
event_put_gap(struct follower *f, uint64_t first)
{
	struct jw *w = ctl_note_begin(f->r);

	jw_obj(w, "gap");
	jw_int(w, "after", (int64_t)f->next - 1);
	jw_int(w, "next", (int64_t)first);
	jw_end_obj(w);
	ctl_note_end(f->r);
	f->next = first;
}

static void
follower_free(struct ctl_req *r)
{
	struct follower *f = r->priv;

	if (f->follow)
		event_unwatch(f->el, &f->watcher);
	strv_fini(&f->names);
	free(f);
}

static void
follower_end(struct follower *f)
{
	struct ctl_req *r = f->r;
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_int(w, "last", (int64_t)f->next - 1);
	jw_end_obj(w);
	follower_free(r);
	ctl_result_end(r);
}

/* Sends what is due and fits. */
static void
follower_go_on(struct ctl_req *r)
{
	struct follower *f = r->priv;
	const struct event *ev;

	while (f->next <= event_last(f->el) && ctl_session_room(r->s)) {
		if (f->next < event_first(f->el)) {
			event_put_gap(f, event_first(f->el));
			continue;
		}
		ev = event_get(f->el, f->next);
		if (ev != NULL && event_of(f, ev))
			event_put(f, ev);
		f->next++;
	}
	if (!f->follow && !r->s->dead && f->next > event_last(f->el))
		follower_end(f);
}

static void
follower_on_event(void *arg, const struct event *ev)
{
	struct follower *f = arg;

	(void)ev;
	follower_go_on(f->r);
}

/* One that names nothing, or a glob, goes on with what may still be seen. */
static const char *
follower_lost(const struct ctl_req *r)
{
	const struct follower *f = r->priv;

	for (size_t i = 0; i < f->names.n; i++)
		if (strpbrk(f->names.v[i], "*?[") == NULL &&
		    !ctl_may_name(r, f->names.v[i]))
			return f->names.v[i];
	return ctl_may_some(r) ? NULL : "";
}

static void
follower_start(struct follower *f, int64_t since)
{
	uint64_t last = event_last(f->el), first = event_first(f->el);

	if (since >= 0 && (uint64_t)since <= last)
		f->next = (uint64_t)since + 1;
	else if (since < 0 && f->follow)
		f->next = last + 1;
	else
		f->next = first;
	/* A number that is yet to come was another daemon's. */
	if (since > 0 && (uint64_t)since > last) {
		f->next = (uint64_t)since + 1;
		event_put_gap(f, first);
	}
	if (f->follow)
		event_watch(f->el, &f->watcher, follower_on_event, f);
	follower_go_on(f->r);
}

void
cmd_events(struct ctl_req *r, struct args *a)
{
	struct follower *f = xcalloc(1, sizeof *f);
	int64_t since = args_int(a, "since", 0, INT64_MAX - 1, -1);

	f->r = r;
	f->el = engine_events(r->s->srv->en);
	f->follow = args_bool(a, "follow", false);
	strv_init(&f->names);
	args_strv(a, "names", false, &f->names);
	if (args_end(a, r) == -1) {
		strv_fini(&f->names);
		free(f);
		return;
	}
	r->priv = f;
	r->drain = follower_go_on;
	r->close = follower_free;
	r->lost = follower_lost;
	follower_start(f, since);
}
