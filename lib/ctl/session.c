/*
 * session - one connection: lines in, lines out, and the limits on both.
 *
 * JSON-RPC 2.0, one text a line.  A line that is no JSON object ends the
 * connection, with an error: what follows it can't be trusted to be a line.
 *
 * A client that does not read: its followers (events, tail) write only while
 * less than CTL_OUT_HIGH waits; its next requests are not looked at until
 * then, and when that lasts CTL_STALL_MS it is dropped; so it is when an
 * order's notes make CTL_OUT_MAX wait.
 *
 * Nothing is closed from inside a call: session_kill() marks, and the flush
 * task at the end of the turn closes and frees.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

#define SESSION_MAGIC   0x63746c73U
#define SESSION_READ    (64 * 1024)
#define SESSION_TURN    16 /* requests of one client before others */
#define SESSION_ID_MAX  256
#define SESSION_JSON    (JSON_REJECT_DUPLICATES)
#define SESSION_SEND    (512 * 1024) /* bytes a turn */
#define SESSION_COMPACT (128 * 1024)
#define SESSION_LINE_MS 10000 /* so long may a request take to come */

static size_t
session_waiting(const struct ctl_session *s)
{
	return s->out.len - s->out_off;
}

bool
ctl_session_room(const struct ctl_session *s)
{
	return !s->dead && session_waiting(s) < CTL_OUT_HIGH;
}

static bool
session_has_line(const struct ctl_session *s)
{
	return s->in.len > s->scanned;
}

static void
session_watch(struct ctl_session *s)
{
	int events = 0;

	if (s->dead) {
		loop_io_stop(&s->io);
		return;
	}
	if (!s->eof && !s->closing && !session_has_line(s))
		events |= LOOP_READ;
	if (session_waiting(s) > 0)
		events |= LOOP_WRITE;
	loop_io_set(&s->io, events);
}

static void
session_kill(struct ctl_session *s)
{
	if (s->dead)
		return;
	s->dead = true;
	loop_io_stop(&s->io);
	loop_timer_stop(&s->more);
	loop_timer_stop(&s->stall);
	loop_timer_stop(&s->slow);
	loop_task_queue(s->srv->lp, &s->flush);
}

static void
session_drop(struct ctl_session *s, const char *why)
{
	if (s->dead)
		return;
	if (ctl_log_room(s->srv))
		log_warnx("client pid %d uid %u dropped: %s, %zu bytes waiting",
		    (int)s->who.pid, (unsigned)s->who.uid, why,
		    session_waiting(s));
	s->out_off = s->out.len;
	session_kill(s);
}

/* --- writing -------------------------------------------------------------- */

static void
session_out_begin(struct ctl_session *s)
{
	s->mark = s->out.len;
	jw_init(&s->jw, &s->out);
	jw_obj(&s->jw, NULL);
	jw_str(&s->jw, "jsonrpc", "2.0");
}

static void
session_out_undo(struct ctl_session *s)
{
	if (s->out.len == s->mark)
		return;
	s->out.len = s->mark;
	s->out.data[s->mark] = '\0';
}

/* silent: to nobody, because the request had no id or the client is gone. */
static void
session_out_end(struct ctl_session *s, bool silent)
{
	size_t before = s->mark - s->out_off;

	jw_end_obj(&s->jw);
	buf_addc(&s->out, '\n');
	if (silent || s->dead)
		session_out_undo(s);
	s->mark = s->out.len;
	if (before > CTL_OUT_MAX)
		session_drop(s, "it does not read");
	if (session_waiting(s) > 0)
		loop_task_queue(s->srv->lp, &s->flush);
}

static void
session_req_free(struct ctl_req *r)
{
	TAILQ_REMOVE(&r->s->reqs, r, link);
	r->s->nreqs--;
	/* The client may have half closed, or hit its limit of requests. */
	loop_task_queue(r->s->srv->lp, &r->s->flush);
	free(r->id);
	free(r);
}

struct jw *
ctl_result_begin(struct ctl_req *r)
{
	session_out_begin(r->s);
	jw_raw(&r->s->jw, "id", r->id);
	buf_adds(&r->s->out, ",\"result\":");
	r->s->jw.comma = false;
	return &r->s->jw;
}

void
ctl_result_end(struct ctl_req *r)
{
	session_out_end(r->s, r->id == NULL);
	session_req_free(r);
}

struct jw *
ctl_note_begin(struct ctl_req *r)
{
	struct jw *w = &r->s->jw;

	session_out_begin(r->s);
	jw_str(w, "method", "note");
	jw_obj(w, "params");
	jw_raw(w, "id", r->id);
	return w;
}

void
ctl_note_end(struct ctl_req *r)
{
	jw_end_obj(&r->s->jw);
	session_out_end(r->s, r->id == NULL);
}

static int
session_exit_code(enum ctl_code code)
{
	switch (code) {
	case CTL_E_NAME:
		return 3;
	case CTL_E_DENIED:
		return 5;
	case CTL_E_FAILED:
	case CTL_E_BUSY:
		return 1;
	case CTL_E_PARSE:
	case CTL_E_REQUEST:
	case CTL_E_METHOD:
	case CTL_E_PARAMS:
		return 2;
	}
	return 1;
}

static void
session_error(struct ctl_session *s, const char *id, enum ctl_code code,
    const char *more, const char *text)
{
	struct jw *w = &s->jw;

	session_out_begin(s);
	jw_raw(w, "id", id);
	jw_obj(w, "error");
	jw_int(w, "code", code);
	jw_str(w, "message", text);
	jw_obj(w, "data");
	jw_int(w, "exit", session_exit_code(code));
	if (more != NULL)
		buf_addf(&s->out, ",%s", more);
	jw_end_obj(w);
	jw_end_obj(w);
	session_out_end(s, false);
}

static void
session_req_error(
    struct ctl_req *r, enum ctl_code code, const char *more, const char *text)
{
	log_debug("client pid %d: %s refused: %s", (int)r->s->who.pid,
	    r->cmd->name, text);
	session_out_undo(r->s);
	if (r->id != NULL)
		session_error(r->s, r->id, code, more, text);
	session_req_free(r);
}

void
ctl_fail(struct ctl_req *r, enum ctl_code code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	session_req_error(r, code, NULL, text);
}

void
ctl_fail_data(struct ctl_req *r, enum ctl_code code, const char *more,
    const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	session_req_error(r, code, more, text);
}

/* -1: the connection is no more. */
static int
session_send(struct ctl_session *s)
{
	size_t budget = SESSION_SEND, len;
	ssize_t n;

	while ((len = session_waiting(s)) > 0 && budget > 0) {
		n = send(s->fd, s->out.data + s->out_off,
		    len < budget ? len : budget, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1)
			return -1;
		s->out_off += (size_t)n;
		budget -= (size_t)n;
	}
	if (s->out_off == s->out.len) {
		/* One large answer is no reason to keep its memory. */
		if (s->out.cap > CTL_OUT_HIGH)
			buf_fini(&s->out);
		buf_clear(&s->out);
		s->out_off = s->mark = 0;
	} else if (s->out_off > SESSION_COMPACT &&
		   s->out_off >= session_waiting(s)) {
		/* Less is moved than was sent, however long the answer is. */
		buf_consume(&s->out, s->out_off);
		s->out_off = 0;
		s->mark = s->out.len;
	}
	return 0;
}

static void
session_drain(struct ctl_session *s)
{
	struct ctl_req *r, *next;

	for (r = TAILQ_FIRST(&s->reqs); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (!ctl_session_room(s))
			return;
		if (r->drain != NULL)
			r->drain(r);
	}
}

/* --- reading -------------------------------------------------------------- */

static void session_garbage(struct ctl_session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends the connection once the error has been sent. */
static void
session_garbage(struct ctl_session *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (ctl_log_room(s->srv))
		log_info("client pid %d uid %u closed: %s", (int)s->who.pid,
		    (unsigned)s->who.uid, text);
	session_error(s, NULL, CTL_E_PARSE, NULL, text);
	s->closing = true;
	loop_timer_stop(&s->slow);
	buf_clear(&s->in);
	s->scanned = 0;
}

static struct ctl_req *
session_req_new(
    struct ctl_session *s, const struct ctl_cmd *cmd, const char *id)
{
	struct ctl_req *r = xcalloc(1, sizeof *r);

	r->s = s;
	r->cmd = cmd;
	r->id = id != NULL ? xstrdup(id) : NULL;
	TAILQ_INSERT_TAIL(&s->reqs, r, link);
	s->nreqs++;
	return r;
}

static void
session_call(
    struct ctl_session *s, const char *method, json_t *params, const char *id)
{
	const struct ctl_cmd *cmd = ctl_cmd_find(method);
	const char *near;
	char text[160];
	struct ctl_req *r;
	struct args a;

	if (cmd == NULL) {
		near = ctl_cmd_nearest(method);
		snprintf(text, sizeof text, "no method \"%.64s\"%s%s%s", method,
		    near != NULL ? ", did you mean \"" : "",
		    near != NULL ? near : "", near != NULL ? "\"?" : "");
		if (id != NULL)
			session_error(s, id, CTL_E_METHOD, NULL, text);
		return;
	}
	if (s->nreqs >= CTL_REQUESTS_MAX) {
		snprintf(text, sizeof text,
		    "%d requests are under way on this connection",
		    CTL_REQUESTS_MAX);
		if (id != NULL)
			session_error(s, id, CTL_E_BUSY, NULL, text);
		return;
	}
	args_init(&a, params);
	r = session_req_new(s, cmd, id);
	if (ctl_grant(r, params) == 0)
		cmd->handler(r, &a);
}

static const char *
session_check(const json_t *msg, const char *id)
{
	const json_t *params = json_object_get(msg, "params");
	const json_t *idv = json_object_get(msg, "id");
	const char *version =
	    json_string_value(json_object_get(msg, "jsonrpc"));

	if (!json_is_object(msg))
		return "a batch is not spoken here: send one request a line";
	if (version == NULL || strcmp(version, "2.0") != 0)
		return "member \"jsonrpc\" must be \"2.0\"";
	if (idv != NULL && !json_is_string(idv) && !json_is_number(idv))
		return "member \"id\" must be a string or a number";
	if (id != NULL && strlen(id) > SESSION_ID_MAX)
		return "member \"id\" is too long";
	if (!json_is_string(json_object_get(msg, "method")))
		return "member \"method\" must be a string";
	if (params != NULL && !json_is_object(params))
		return "member \"params\" must be an object";
	return NULL;
}

static void
session_request(struct ctl_session *s, json_t *msg, size_t len)
{
	json_t *idv = json_object_get(msg, "id");
	const char *bad, *method;
	char *id = NULL;

	if (idv != NULL)
		id = json_dumps(idv, JSON_ENCODE_ANY | JSON_COMPACT);
	bad = session_check(msg, id);
	if (bad != NULL) {
		session_error(s,
		    id != NULL && strlen(id) <= SESSION_ID_MAX ? id : NULL,
		    CTL_E_REQUEST, NULL, bad);
	} else {
		method = json_string_value(json_object_get(msg, "method"));
		log_debug("client pid %d: %.64s, %zu bytes", (int)s->who.pid,
		    method, len);
		session_call(s, method, json_object_get(msg, "params"), id);
	}
	free(id);
}

static void
session_line(struct ctl_session *s, const char *line, size_t len)
{
	json_error_t jerr;
	json_t *msg;

	if (strspn(line, " \t\r") == len)
		return;
	msg = json_loadb(line, len, SESSION_JSON, &jerr);
	if (msg == NULL) {
		session_garbage(s, "not a JSON text: %s", jerr.text);
		return;
	}
	session_request(s, msg, len);
	json_decref(msg);
}

/*
 * Moves scanned to the end of what holds no newline.  A line that can't
 * become a request is not waited for.
 */
static void
session_scan(struct ctl_session *s)
{
	const char *start = s->in.data, *nl;
	size_t len = s->in.len;

	if (len == 0)
		return;
	nl = memchr(start + s->scanned, '\n', len - s->scanned);
	s->scanned = nl != NULL ? (size_t)(nl - start) : len;
	while (len > 0 && strchr(" \t\r\n", *start) != NULL && *start != '\0')
		start++, len--;
	if (len > 0 && *start != '{' && *start != '[')
		session_garbage(s, "not a JSON text: '{' expected");
	else if (s->scanned > CTL_LINE_MAX)
		session_garbage(
		    s, "a request is longer than %d bytes", CTL_LINE_MAX);
}

static void
session_stalled(struct loop_timer *t, void *arg)
{
	struct ctl_session *s = arg;

	(void)t;
	session_drop(s, "it asks and does not read");
}

static void
session_too_slow(struct loop_timer *t, void *arg)
{
	struct ctl_session *s = arg;

	(void)t;
	session_garbage(
	    s, "a request has not ended after %d ms", SESSION_LINE_MS);
	ctl_peer_close_fds(s);
	session_watch(s);
}

/* Half a request holds memory and descriptors: not for ever. */
static void
session_clock(struct ctl_session *s, bool ended)
{
	bool half = s->in.len > 0 && !session_has_line(s) && !s->closing;

	if (ended || !half)
		loop_timer_stop(&s->slow);
	if (half && !s->dead && !loop_timer_active(&s->slow))
		loop_timer_start(&s->slow, SESSION_LINE_MS);
}

/* Takes the lines that are there, a few a turn. */
static void
session_turn(struct ctl_session *s)
{
	size_t off = 0, end;
	int n;

	for (n = 0; n < SESSION_TURN && session_has_line(s); n++) {
		if (s->closing || !ctl_session_room(s))
			break;
		end = s->scanned;
		s->in.data[end] = '\0';
		session_line(s, s->in.data + off, end - off);
		ctl_peer_close_fds(s);
		if (s->closing)
			return;
		off = s->scanned = end + 1;
		if (off < s->in.len) {
			char *nl =
			    memchr(s->in.data + off, '\n', s->in.len - off);

			s->scanned =
			    nl != NULL ? (size_t)(nl - s->in.data) : s->in.len;
		}
	}
	buf_consume(&s->in, off);
	s->scanned -= off;
	if (!session_has_line(s))
		session_scan(s);
	session_clock(s, n > 0);
	if (s->dead || s->closing || !session_has_line(s))
		return;
	if (ctl_session_room(s))
		loop_timer_start(&s->more, 0);
	else if (!loop_timer_active(&s->stall))
		loop_timer_start(&s->stall, CTL_STALL_MS);
}

static void
session_more(struct loop_timer *t, void *arg)
{
	struct ctl_session *s = arg;

	(void)t;
	session_turn(s);
	session_watch(s);
}

static bool
session_hung_up(const struct ctl_session *s)
{
	struct pollfd pfd = { .fd = s->fd };

	return poll(&pfd, 1, 0) == 1 &&
	       (pfd.revents & (POLLHUP | POLLERR)) != 0;
}

/* It shut down its side: the answers still go out, if it is there. */
static void
session_end_of_input(struct ctl_session *s)
{
	s->eof = true;
	if (session_hung_up(s)) {
		session_kill(s);
		return;
	}
	if (s->in.len > 0 && !s->closing)
		session_garbage(s, "the last line has no end");
	loop_task_queue(s->srv->lp, &s->flush);
}

static void
session_read(struct ctl_session *s)
{
	void *room = buf_reserve(&s->in, SESSION_READ);
	bool whole;
	ssize_t n = ctl_peer_recv(s, room, SESSION_READ, &whole);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		session_kill(s);
		return;
	}
	if (!whole) {
		session_garbage(s,
		    "descriptors that can't be taken: more than "
		    "%d with a request, or no room for them",
		    CTL_FDS_MAX);
		ctl_peer_close_fds(s);
		return;
	}
	if (n == 0) {
		session_end_of_input(s);
		return;
	}
	s->in.len += (size_t)n;
	s->in.data[s->in.len] = '\0';
	session_scan(s);
	session_turn(s);
	if (s->in.len == 0 && s->in.cap > SESSION_READ * 2)
		buf_fini(&s->in);
}

/* --- life ----------------------------------------------------------------- */

static void
session_on_io(struct loop_io *io, int events, void *arg)
{
	struct ctl_session *s = arg;

	(void)io;
	BUG_ON(s->magic != SESSION_MAGIC);
	if ((events & LOOP_WRITE) != 0)
		loop_task_queue(s->srv->lp, &s->flush);
	if ((events & LOOP_READ) != 0 && !s->eof && !s->closing)
		session_read(s);
	session_watch(s);
}

/* The end of a turn: send, let followers go on, or end. */
static void
session_flush(void *arg)
{
	struct ctl_session *s = arg;
	size_t before = s->out_off;

	BUG_ON(s->magic != SESSION_MAGIC);
	if (!s->dead && session_send(s) == -1)
		session_kill(s);
	if (s->dead) {
		ctl_session_free(s);
		return;
	}
	if (session_waiting(s) == 0 &&
	    (s->closing || (s->eof && s->nreqs == 0 && s->in.len == 0))) {
		ctl_session_free(s);
		return;
	}
	if (s->out_off != before)
		loop_timer_stop(&s->stall);
	if (s->closing && !loop_timer_active(&s->stall))
		loop_timer_start(&s->stall, CTL_STALL_MS);
	if (ctl_session_room(s)) {
		session_drain(s);
		if (session_has_line(s) && !s->closing)
			loop_timer_start(&s->more, 0);
	}
	session_watch(s);
}

void
ctl_session_new(struct ctl_server *srv, int fd)
{
	struct ctl_session *s = xcalloc(1, sizeof *s);

	s->magic = SESSION_MAGIC;
	s->srv = srv;
	s->fd = fd;
	buf_init(&s->in);
	buf_init(&s->out);
	TAILQ_INIT(&s->reqs);
	ctl_peer_init(s);
	loop_task_init(&s->flush, session_flush, s);
	loop_timer_init(&s->more, srv->lp, session_more, s);
	loop_timer_init(&s->stall, srv->lp, session_stalled, s);
	loop_timer_init(&s->slow, srv->lp, session_too_slow, s);
	loop_io_init(&s->io, srv->lp, fd, LOOP_READ, session_on_io, s);
	loop_io_start(&s->io);
	TAILQ_INSERT_TAIL(&srv->sessions, s, link);
	srv->nsessions++;
	log_debug("client pid %d uid %u connected", (int)s->who.pid,
	    (unsigned)s->who.uid);
}

void
ctl_session_free(struct ctl_session *s)
{
	struct ctl_req *r;

	BUG_ON(s->magic != SESSION_MAGIC);
	if (!s->dead)
		session_send(s);
	s->dead = true;
	while ((r = TAILQ_FIRST(&s->reqs)) != NULL) {
		if (r->close != NULL)
			r->close(r);
		session_req_free(r);
	}
	loop_io_stop(&s->io);
	loop_timer_stop(&s->more);
	loop_timer_stop(&s->stall);
	loop_timer_stop(&s->slow);
	loop_task_cancel(s->srv->lp, &s->flush);
	log_debug("client pid %d gone", (int)s->who.pid);
	TAILQ_REMOVE(&s->srv->sessions, s, link);
	s->srv->nsessions--;
	ctl_peer_close_fds(s);
	ctl_peer_close(&s->fd);
	ctl_server_refill(s->srv);
	free(s->groups);
	buf_fini(&s->in);
	buf_fini(&s->out);
	s->magic = 0;
	free(s);
}
