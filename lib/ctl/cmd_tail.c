/*
 * cmd_tail - the end of a slot's output, and what comes after it.
 *
 * The tap is set before the file is read, so nothing is missing in between;
 * bytes that reach the file in just that moment come twice.  What a client
 * does not read in time waits, up to TAIL_WAITING a stream; beyond that it is
 * dropped and the client told how much.  Log bytes are text when they are
 * UTF-8, else base64.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"
#include "logs/pump.h"
#include "logs/tail.h"

#define TAIL_STREAMS 256
#define TAIL_LINES   10
#define TAIL_MAX     (1024 * 1024) /* of old lines, all streams together */
#define TAIL_WAITING (1024 * 1024)
#define TAIL_NOTE    (32 * 1024)

struct tail_stream {
	struct tail *t;
	char *name;
	char *path;
	struct pump_stream *from;
	struct pump_tap *tap;
	struct buf waiting;
	uint64_t dropped;
};

struct tail {
	struct ctl_req *r;
	struct engine *en;
	struct tail_stream *v;
	size_t n;
	bool is_stderr;
	bool follow;
};

static void
tail_free(struct ctl_req *r)
{
	struct tail *t = r->priv;

	for (size_t i = 0; i < t->n; i++) {
		pump_untap(&t->v[i].tap);
		buf_fini(&t->v[i].waiting);
		free(t->v[i].name);
		free(t->v[i].path);
	}
	free(t->v);
	free(t);
}

static void
tail_end(struct tail *t)
{
	struct ctl_req *r = t->r;
	struct jw *w = ctl_result_begin(r);

	jw_obj(w, NULL);
	jw_end_obj(w);
	tail_free(r);
	ctl_result_end(r);
}

/* A cut inside a character would turn text into base64: cut before it. */
static size_t
tail_note_len(const struct buf *b)
{
	size_t n = b->len < TAIL_NOTE ? b->len : TAIL_NOTE;

	for (size_t back = 0; back < 4 && back < n; back++) {
		unsigned char c = (unsigned char)b->data[n - 1 - back];

		if ((c & 0xc0) == 0x80)
			continue;
		if (c >= 0xc0 &&
		    jw_utf8_len(b->data + n - 1 - back, back + 1) == 0 &&
		    n - 1 - back > 0)
			return n - 1 - back;
		break;
	}
	return n;
}

static void
tail_put(struct tail_stream *ts)
{
	struct jw *w = ctl_note_begin(ts->t->r);
	size_t n = tail_note_len(&ts->waiting);

	jw_str(w, "name", ts->name);
	jw_str(w, "stream", ts->t->is_stderr ? "stderr" : "stdout");
	if (ts->dropped > 0)
		jw_int(w, "dropped", (int64_t)ts->dropped);
	ts->dropped = 0;
	if (jw_is_utf8(ts->waiting.data, n))
		jw_strn(w, "text", buf_str(&ts->waiting), n);
	else
		jw_base64(w, "base64", ts->waiting.data, n);
	buf_consume(&ts->waiting, n);
	ctl_note_end(ts->t->r);
}

static void
tail_go_on(struct ctl_req *r)
{
	struct tail *t = r->priv;
	size_t left = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct tail_stream *ts = &t->v[i];

		while ((ts->waiting.len > 0 || ts->dropped > 0) &&
		       ctl_session_room(r->s))
			tail_put(ts);
		left += ts->waiting.len;
		if (ts->waiting.len == 0)
			buf_fini(&ts->waiting);
	}
	if (!t->follow && left == 0 && !r->s->dead)
		tail_end(t);
}

static void
tail_on_data(void *arg, const char *data, size_t len, uint64_t dropped)
{
	struct tail_stream *ts = arg;

	/* What waits is older than what is lost now: it goes first, or too. */
	if (dropped > 0)
		tail_go_on(ts->t->r);
	if ((dropped > 0 && ts->waiting.len > 0) ||
	    ts->waiting.len + len > TAIL_WAITING) {
		ts->dropped += ts->waiting.len;
		buf_clear(&ts->waiting);
	}
	ts->dropped += dropped;
	buf_add(&ts->waiting, data, len);
	if (ctl_session_room(ts->t->r->s))
		tail_go_on(ts->t->r);
}

static void
tail_add(void *arg, const struct slot_info *si)
{
	struct tail *t = arg;
	struct tail_stream *ts;

	if (!ctl_may(t->r, si->program, si->name))
		return;
	t->v = xreallocarray(t->v, t->n + 1, sizeof *t->v);
	ts = &t->v[t->n++];
	memset(ts, 0, sizeof *ts);
	buf_init(&ts->waiting);
	ts->name = xstrdup(si->name);
	ts->from = engine_stream(t->en, si->name, t->is_stderr, &ts->path);
}

/* 0, or -1: the request was failed and is gone, t as well. */
static int
tail_check(struct tail *t)
{
	struct ctl_req *r = t->r;

	for (size_t i = 0; i < t->n; i++) {
		struct tail_stream *ts = &t->v[i];

		if (ts->path != NULL || (t->follow && ts->from != NULL))
			continue;
		ctl_fail(r, CTL_E_FAILED,
		    "%s has no %s log: its %s_logfile is NONE%s", ts->name,
		    t->is_stderr ? "stderr" : "stdout",
		    t->is_stderr ? "stderr" : "stdout",
		    t->is_stderr ? " or redirect_stderr is on" : "");
		return -1;
	}
	if (t->n <= TAIL_STREAMS)
		return 0;
	ctl_fail(r, CTL_E_BUSY, "%zu logs at once, %d are possible", t->n,
	    TAIL_STREAMS);
	return -1;
}

static const char *
tail_lost(const struct ctl_req *r)
{
	const struct tail *t = r->priv;

	for (size_t i = 0; i < t->n; i++)
		if (!ctl_may_name(r, t->v[i].name))
			return t->v[i].name;
	return NULL;
}

static void
tail_start(struct tail *t, unsigned lines)
{
	struct err err;

	for (size_t i = 0; i < t->n; i++) {
		struct tail_stream *ts = &t->v[i];

		ts->t = t;
		if (t->follow && ts->from != NULL)
			ts->tap = pump_tap(ts->from, tail_on_data, ts);
		if (ts->path == NULL || lines == 0)
			continue;
		if (tail_read(ts->path, lines, TAIL_MAX / t->n, &ts->waiting,
			&err) == -1)
			log_warnx("tail %s: %s", ts->name, err.text);
	}
	t->r->priv = t;
	t->r->drain = tail_go_on;
	t->r->close = tail_free;
	t->r->lost = tail_lost;
	tail_go_on(t->r);
}

static void
tail_request(struct tail *t, const struct strv *names, const char *stream,
    unsigned lines)
{
	struct ctl_req *r = t->r;
	struct err err;

	t->is_stderr = str_equal(stream, "stderr");
	if (stream != NULL && !t->is_stderr && strcmp(stream, "stdout") != 0) {
		ctl_fail(r, CTL_E_PARAMS,
		    "parameter \"stream\" must be stdout or stderr");
		goto fail;
	}
	if (engine_each(t->en, names->v, names->n, tail_add, t, &err) == -1) {
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
		goto fail;
	}
	if (tail_check(t) == -1)
		goto fail;
	tail_start(t, lines);
	return;
fail:
	tail_free(&(struct ctl_req){ .priv = t });
}

void
cmd_tail(struct ctl_req *r, struct args *a)
{
	struct strv names;
	struct tail *t;
	const char *stream;
	int64_t lines;
	bool follow;

	strv_init(&names);
	args_strv(a, "names", true, &names);
	stream = args_str(a, "stream", false);
	lines = args_int(a, "lines", 0, 1000000, TAIL_LINES);
	follow = args_bool(a, "follow", false);
	if (args_end(a, r) == 0) {
		t = xcalloc(1, sizeof *t);
		t->r = r;
		t->en = r->s->srv->en;
		t->follow = follow;
		tail_request(t, &names, stream, (unsigned)lines);
	}
	strv_fini(&names);
}
