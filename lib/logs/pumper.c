/*
 * pumper - the thread of the pump: reads the pipes, writes the files.
 *
 * Does what the loop orders and posts news of it; pump.c tells which fields
 * are this thread's.  Nothing here waits but epoll_wait and, for its bytes, a
 * disk.
 */
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "logs/pump_priv.h"
#include "logs/rotate.h"

#define PUMP_CHUNK    (128 * 1024) /* bytes a read; 256 KiB are half as fast */
#define PUMP_FULL     (32 * 1024)  /* so much waits: the pipe may be full */
#define PUMP_FLOOD    8            /* so many times in a row: a larger pipe */
#define PUMP_BIG_PIPE (1024 * 1024)
#define PUMP_TAP_MAX  (256 * 1024)
#define PUMP_TAIL_MIN 64
#define PUMP_PIECE    (1024 * 1024) /* of a plain file, in a turn */

/* The last bytes of a stream: grows up to PUMP_TAIL_MAX, then is a ring. */
struct pump_tail {
	char *data;
	uint16_t cap;
	uint16_t len;
	uint16_t head; /* of a full ring: its oldest byte */
	bool cut;      /* older bytes were lost */
};

static struct pump_msg *
pumper_news(enum pump_news_kind kind, struct pump_stream *st)
{
	struct pump_msg *m = xcalloc(1, sizeof *m);

	m->news = kind;
	m->st = st;
	return m;
}

/* --- tail ---------------------------------------------------------------- */

/* Only until it is as large as it gets: a ring is never grown. */
static void
pump_tail_grow(struct pump_tail *t, size_t want)
{
	size_t cap = t->cap != 0 ? t->cap : PUMP_TAIL_MIN;

	while (cap < want && cap < PUMP_TAIL_MAX)
		cap *= 2;
	if (cap == t->cap)
		return;
	t->data = xreallocarray(t->data, cap, 1);
	t->cap = (uint16_t)cap;
}

static void
pump_tail_add(struct pump_tail *t, const char *data, size_t n)
{
	size_t end, part;

	if (n > PUMP_TAIL_MAX) {
		t->cut = true;
		data += n - PUMP_TAIL_MAX;
		n = PUMP_TAIL_MAX;
	}
	pump_tail_grow(t, t->len + n);
	end = (size_t)(t->head + t->len) % t->cap;
	part = n < t->cap - end ? n : t->cap - end;
	memcpy(t->data + end, data, part);
	memcpy(t->data, data + part, n - part);
	if (t->len + n > t->cap) {
		t->cut = true;
		t->head = (uint16_t)((end + n) % t->cap);
		t->len = t->cap;
	} else {
		t->len = (uint16_t)(t->len + n);
	}
}

/* Moves the tail into m, without the half line that a cut left in front. */
static void
pump_tail_move(struct pump_tail *t, struct pump_msg *m)
{
	size_t part =
	    t->len < t->cap - t->head ? t->len : (size_t)(t->cap - t->head);
	const char *nl;
	size_t skip = 0;
	char *text = xmalloc(t->len);

	memcpy(text, t->data + t->head, part);
	memcpy(text + part, t->data, t->len - part);
	nl = t->cut ? memchr(text, '\n', t->len) : NULL;
	if (nl != NULL && nl + 1 < text + t->len)
		skip = (size_t)(nl + 1 - text);
	m->len = t->len - skip;
	memmove(text, text + skip, m->len);
	m->text = text;
}

static void
pump_tail_free(struct pump_tail *t)
{
	if (t == NULL)
		return;
	free(t->data);
	free(t);
}

/* --- the pumper: sinks --------------------------------------------------- */

/* One message when trouble begins, one when it is over. */
static void
pumper_tell_sink(struct pump_stream *st, int errnum)
{
	struct pump_msg *m;

	atomic_store_explicit(&st->last_errno, errnum, memory_order_relaxed);
	if ((errnum != 0) == (st->shown_errno != 0))
		return;
	st->shown_errno = errnum;
	m = pumper_news(PN_SINK, st);
	m->text = xstrdup(st->path);
	m->errnum = errnum;
	m->dropped = atomic_load_explicit(&st->dropped, memory_order_relaxed);
	pump_post(st->pm, &st->pm->news, m);
}

static void
pumper_close_sink(struct pump_stream *st)
{
	if (st->file == NULL)
		return;
	rotate_fini(st->file);
	freep(&st->file);
}

static void
pumper_write_sink(
    struct pump_stream *st, const char *data, size_t n, mono_ms now)
{
	struct rotate_file *f = st->file;
	uint64_t rotated;
	size_t done;

	if (st->path == NULL)
		return;
	if (f == NULL) {
		f = st->file = xmalloc(sizeof *f);
		rotate_init(f, st->path, st->maxbytes, st->backups);
	}
	rotated = f->rotations;
	done = rotate_write(f, data, n, now);
	atomic_fetch_add_explicit(&st->dropped, n - done, memory_order_relaxed);
	atomic_fetch_add_explicit(&st->rotations,
	    (uint_least32_t)(f->rotations - rotated), memory_order_relaxed);
	pumper_tell_sink(st, f->errnum);
}

/* The same path keeps its file: only the limits change. */
static void
pumper_set_sink(struct pump_stream *st, struct pump_msg *m)
{
	const struct pump_sink *to = &m->sink;

	st->maxbytes = to->maxbytes;
	st->backups = to->backups;
	st->copy_stderr = to->copy_stderr;
	if (str_equal(st->path, m->text)) {
		if (st->file != NULL) {
			st->file->maxbytes = to->maxbytes;
			st->file->backups = to->backups;
		}
		return;
	}
	pumper_close_sink(st);
	st->shown_errno = 0;
	atomic_store_explicit(&st->last_errno, 0, memory_order_relaxed);
	free(st->path);
	st->path = m->text;
	m->text = NULL;
}

/* --- the pumper: pipes --------------------------------------------------- */

static void
pumper_tap(struct pump *pm, struct pump_tap *tap, const char *data, size_t n)
{
	struct pump_msg *m;
	bool post;

	pthread_mutex_lock(&pm->mutex);
	/* Once something was lost, all is until the loop has taken it. */
	if (tap->lost != 0 || tap->data.len + n > PUMP_TAP_MAX)
		tap->lost += n;
	else
		buf_add(&tap->data, data, n);
	post = !tap->posted;
	tap->posted = true;
	pthread_mutex_unlock(&pm->mutex);
	if (!post)
		return;
	m = pumper_news(PN_TAP, NULL);
	m->tap = tap;
	pump_post(pm, &pm->news, m);
}

static void
pumper_feed(struct pump_stream *st, const char *data, size_t n)
{
	struct pump *pm = st->pm;
	mono_ms now = clock_mono_ms();

	/* First: an engine that dies between two of these has told it. */
	if (st->scans != NULL)
		pumper_scan(st, data, n,
		    atomic_load_explicit(&st->bytes, memory_order_relaxed) - n);
	if (st->tail == NULL)
		st->tail = xcalloc(1, sizeof *st->tail);
	pump_tail_add(st->tail, data, n);
	pumper_write_sink(st, data, n, now);
	if (st->copy_stderr)
		rotate_write(&pm->stderr_copy, data, n, now);
	for (struct pump_tap *tap = st->taps; tap != NULL; tap = tap->sibling)
		pumper_tap(pm, tap, data, n);
}

/*
 * A pipe without writers is readable for ever (EPOLLHUP); edge-triggered it
 * is so once, and again when somebody opens it (through /proc) and writes.
 */
static void
pumper_watch(struct pump_stream *st, bool at_eof)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = st };

	if (at_eof == st->at_eof || st->plain)
		return;
	st->at_eof = at_eof;
	if (at_eof)
		ev.events |= EPOLLET;
	epoll_ctl(st->pm->epfd, EPOLL_CTL_MOD, st->fd, &ev);
}

/* Returns the bytes read, at most max; 0: there are none now. */
static size_t
pumper_read(struct pump_stream *st, size_t max)
{
	struct pump *pm = st->pm;
	ssize_t n;

	if (pm->chunk == NULL)
		pm->chunk = xmalloc(PUMP_CHUNK);
	/* Who asks for the position finds both, or neither. */
	pthread_mutex_lock(&pm->mutex);
	do {
		n = read(
		    st->fd, pm->chunk, max < PUMP_CHUNK ? max : PUMP_CHUNK);
	} while (n == -1 && errno == EINTR);
	if (n > 0)
		atomic_fetch_add_explicit(
		    &st->bytes, (uint64_t)n, memory_order_relaxed);
	pthread_mutex_unlock(&pm->mutex);
	/* Any other error is for ever, as the end is. */
	if (n == 0 || (n == -1 && errno != EAGAIN))
		pumper_watch(st, true);
	if (n <= 0)
		return 0;
	pumper_watch(st, false);
	st->due -= (size_t)n < st->due ? (uint32_t)n : st->due;
	pumper_feed(st, pm->chunk, (size_t)n);
	return (size_t)n;
}

/* A larger pipe lets the writer go on while we write; refused is fine. */
static void
pumper_note_flood(struct pump_stream *st)
{
	if (st->due < PUMP_FULL) {
		st->fulls = 0;
		return;
	}
	if (st->big_pipe || ++st->fulls < PUMP_FLOOD)
		return;
	st->big_pipe = true;
	fcntl(st->fd, F_SETPIPE_SZ, PUMP_BIG_PIPE);
}

static void
pumper_look(struct pump_stream *st, uint32_t events)
{
	int avail;

	if (ioctl(st->fd, FIONREAD, &avail) == -1)
		avail = PUMP_CHUNK;
	st->due = (uint32_t)avail;
	if (avail == 0 && (events & (EPOLLHUP | EPOLLERR)) != 0)
		pumper_watch(st, true);
	pumper_note_flood(st);
}

static void
pumper_read_due(struct pump_stream *st)
{
	while (st->due > 0 && pumper_read(st, st->due) > 0)
		;
	st->due = 0;
}

static void
pumper_drain(struct pump_stream *st)
{
	int avail = 0;
	size_t left, got;

	if (ioctl(st->fd, FIONREAD, &avail) == -1)
		return;
	for (left = (size_t)avail; left > 0; left -= got) {
		got = pumper_read(st, left);
		if (got == 0)
			return;
	}
}

/* Up to that place of the file, or so much; false: there is nothing more. */
static bool
pumper_read_file(struct pump_stream *st, int64_t until, size_t most)
{
	int64_t at = lseek(st->fd, 0, SEEK_CUR);
	size_t left, got;

	if (at < 0 || at >= until)
		return false;
	left = (uint64_t)(until - at) < most ? (size_t)(until - at) : most;
	for (; left > 0; left -= got) {
		got = pumper_read(st, left);
		if (got == 0)
			return false;
	}
	return lseek(st->fd, 0, SEEK_CUR) < until;
}

static void
pumper_unfeed(struct pump_stream *st)
{
	struct pump_stream **pp = &st->pm->hungry;

	while (*pp != NULL && *pp != st)
		pp = &(*pp)->next_hungry;
	if (*pp != NULL)
		*pp = st->next_hungry;
	st->until = 0;
}

static void
pumper_begin_feed(struct pump_stream *st, int64_t until)
{
	if (st->until == 0) {
		st->next_hungry = st->pm->hungry;
		st->pm->hungry = st;
	}
	if (until > st->until)
		st->until = until;
}

/* A piece of each file in a turn: pipes do not wait for long ones. */
static void
pumper_feed_files(struct pump *pm)
{
	struct pump_stream *st, *next;

	for (st = pm->hungry; st != NULL; st = next) {
		next = st->next_hungry;
		if (!pumper_read_file(st, st->until, PUMP_PIECE))
			pumper_unfeed(st);
	}
}

/* --- the pumper: orders -------------------------------------------------- */

static void
pumper_flush(struct pump_stream *st, const struct pump_msg *order)
{
	struct pump_msg *m = pumper_news(PN_FLUSHED, st);

	if (st->plain)
		pumper_read_file(st, order->until, SIZE_MAX);
	else
		pumper_drain(st);
	m->cb = order->cb;
	m->arg = order->arg;
	if (st->tail != NULL && st->tail->len > 0)
		pump_tail_move(st->tail, m);
	pump_tail_free(st->tail);
	st->tail = NULL;
	pump_post(st->pm, &st->pm->news, m);
}

static void
pumper_link_tap(struct pump_stream *st, struct pump_tap *tap)
{
	tap->linked = true;
	tap->sibling = st->taps;
	st->taps = tap;
}

/* The stream may be gone already: then it let go of the tap. */
static void
pumper_unlink_tap(struct pump *pm, struct pump_stream *st, struct pump_tap *tap)
{
	struct pump_msg *m = pumper_news(PN_UNTAPPED, NULL);
	struct pump_tap **pp;

	if (tap->linked) {
		for (pp = &st->taps; *pp != tap; pp = &(*pp)->sibling)
			;
		*pp = tap->sibling;
	}
	m->tap = tap;
	pump_post(pm, &pm->news, m);
}

static void
pumper_remove(struct pump_stream *st, int64_t until)
{
	struct pump *pm = st->pm;
	struct pump_msg *m;

	if (st->plain)
		pumper_read_file(st, until, SIZE_MAX);
	else
		pumper_drain(st);
	pumper_unfeed(st);
	epoll_ctl(pm->epfd, EPOLL_CTL_DEL, st->fd, NULL);
	fd_closep(&st->fd);
	pumper_close_sink(st);
	pump_tail_free(st->tail);
	st->tail = NULL;
	pumper_unscan_all(st);
	freep(&st->path);
	for (struct pump_tap *tap = st->taps; tap != NULL; tap = tap->sibling)
		tap->linked = false;
	st->taps = NULL;
	m = pumper_news(PN_GONE, st);
	m->next = pm->gone;
	pm->gone = m;
}

static void
pumper_obey(struct pump *pm, struct pump_msg *m)
{
	switch (m->order) {
	case PO_SINK:
		pumper_set_sink(m->st, m);
		return;
	case PO_REMOVE:
		pumper_remove(m->st, m->until);
		return;
	case PO_FLUSH:
		pumper_flush(m->st, m);
		return;
	case PO_FEED:
		pumper_begin_feed(m->st, m->until);
		return;
	case PO_REOPEN:
		if (m->st->file != NULL)
			rotate_reopen(m->st->file);
		return;
	case PO_TAP:
		pumper_link_tap(m->st, m->tap);
		return;
	case PO_SCAN:
		m->scan->next = m->st->scans;
		m->st->scans = m->scan;
		m->scan = NULL;
		return;
	case PO_UNSCAN:
		pumper_unscan(m->st, m->id);
		return;
	case PO_UNTAP:
		pumper_unlink_tap(pm, m->st, m->tap);
		return;
	case PO_STOP:
		pm->stopping = true;
		return;
	}
}

static void
pumper_obey_all(struct pump *pm)
{
	struct pump_msg *m, *next;

	for (m = pump_take(pm, &pm->orders); m != NULL; m = next) {
		next = m->next;
		pumper_obey(pm, m);
		pump_msg_free(m);
	}
}

/* From here on these streams are the loop's. */
static void
pumper_let_go(struct pump *pm)
{
	struct pump_msg *m;

	while ((m = pm->gone) != NULL) {
		pm->gone = m->next;
		m->next = NULL;
		pump_post(pm, &pm->news, m);
	}
}

/*
 * Bytes that were written after an order was given are handled after it, so
 * that they go where pump_set_sink or pump_tap says: look how much is there,
 * then obey, then read that much.  A flush reads it as well, and takes it off
 * what is due; a stream that was removed has no descriptor any more.
 */
static void
pumper_turn(struct pump *pm)
{
	struct epoll_event evs[64];
	int n;

	n = epoll_wait(pm->epfd, evs, 64, pm->hungry != NULL ? 0 : -1);
	BUG_ON(n == -1 && errno != EINTR);
	pthread_mutex_lock(&pm->gate);
	pthread_mutex_unlock(&pm->gate);
	for (int i = 0; i < n; i++) {
		if (evs[i].data.ptr == NULL)
			pump_hush(&pm->orders);
		else
			pumper_look(evs[i].data.ptr, evs[i].events);
	}
	pumper_obey_all(pm);
	for (int i = 0; i < n; i++) {
		struct pump_stream *st = evs[i].data.ptr;

		if (st != NULL && st->fd != -1)
			pumper_read_due(st);
	}
	pumper_feed_files(pm);
	pumper_let_go(pm);
}

void *
pumper_main(void *arg)
{
	struct pump *pm = arg;

	pthread_setname_np(pthread_self(), "reeve-pump"); /* for ps -L */
	while (!pm->stopping)
		pumper_turn(pm);
	return NULL;
}
