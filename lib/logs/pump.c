/*
 * pump - drains the pipes that programs write to, into files that rotate.
 *
 * Two threads.  The loop's thread (functions "pump_x") queues orders and
 * wakes the other by an eventfd; the pump's (functions "pumper_x") reads the
 * pipes, writes the files, and queues news the same way back.  Both queues
 * are lists under one mutex; an order or news is handed over whole and no
 * longer touched by its sender.  So of a stream or a tap each field belongs
 * to one thread, as noted there; only the counters are read across, and they
 * are atomic.
 *
 * A stream is freed by the loop, when the pumper's last news of it (PN_GONE)
 * has come: older news in the queue may still point at it.
 */
#include "logs/pump.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "logs/rotate.h"

#define PUMP_MAGIC    0x70756d70U
#define PUMP_CHUNK    (128 * 1024) /* bytes a read, see pump_test's figures */
#define PUMP_FULL     (32 * 1024)  /* so much waits: the pipe may be full */
#define PUMP_FLOOD    8            /* so many times in a row: a larger pipe */
#define PUMP_BIG_PIPE (1024 * 1024)
#define PUMP_TAP_MAX  (256 * 1024)
#define PUMP_TAIL_MIN 64

enum pump_order_kind {
	PO_SINK,
	PO_REMOVE,
	PO_FLUSH,
	PO_REOPEN,
	PO_TAP,
	PO_UNTAP,
	PO_STOP
};
enum pump_news_kind {
	PN_FLUSHED,
	PN_SINK,
	PN_TAP,
	PN_UNTAPPED,
	PN_GONE
};

/* The last bytes of a stream: grows up to PUMP_TAIL_MAX, then is a ring. */
struct pump_tail {
	char *data;
	uint16_t cap;
	uint16_t len;
	uint16_t head; /* of a full ring: its oldest byte */
	bool cut;      /* older bytes were lost */
};

struct pump_stream {
	/* the loop's */
	struct pump *pm;
	struct pump_stream *prev;
	struct pump_stream *next;
	bool removed;

	/* the pumper's, from pump_add on */
	bool at_eof;
	bool big_pipe;
	uint8_t fulls;
	int fd;
	uint32_t due; /* bytes to read in this turn */
	bool copy_stderr;
	int32_t shown_errno; /* what the sink callback was last told */
	int64_t maxbytes;
	int64_t backups;
	char *path;
	struct rotate_file *file; /* from the first byte on, as is the tail */
	struct pump_tail *tail;
	struct pump_tap *taps;

	atomic_uint_least64_t bytes;
	atomic_uint_least64_t dropped;
	atomic_uint_least32_t rotations;
	atomic_int last_errno;
	char name[];
};

struct pump_tap {
	/* the loop's */
	struct pump *pm;
	struct pump_stream
	    *st; /* maybe gone: only the pumper looks, if linked */
	pump_tap_cb *cb;
	void *arg;
	struct pump_tap *prev;
	struct pump_tap *next;
	bool closed;
	/* the pumper's */
	bool linked;
	struct pump_tap *sibling;
	/* under the mutex */
	struct buf data;
	uint64_t lost; /* after data */
	bool posted;   /* news of it is in the queue */
};

/* An order, or news: one struct, because both are few and short-lived. */
struct pump_msg {
	struct pump_msg *next;
	enum pump_order_kind order;
	enum pump_news_kind news;
	struct pump_stream *st;
	struct pump_tap *tap;
	pump_flush_cb *cb;
	void *arg;
	struct pump_sink sink; /* its path is text */
	char *text;            /* or the tail of a flush */
	size_t len;
	int errnum;
	uint64_t dropped;
};

struct pump_queue {
	int efd;
	struct pump_msg *first;
	struct pump_msg **last;
};

struct pump {
	unsigned magic;
	/* the loop's */
	pump_sink_cb *cb;
	void *arg;
	struct loop_io io;
	struct pump_stream *streams;
	struct pump_tap *taps;
	struct pump_msg *taken; /* news being told */
	bool telling;           /* inside pump_on_news */
	bool dead;              /* pump_free was called there */
	pthread_t thread;
	/* the pumper's */
	int epfd;
	bool stopping;
	struct pump_msg *gone; /* news of this turn's removed streams */
	char *chunk;
	struct rotate_file stderr_copy;

	pthread_mutex_t mutex;
	struct pump_queue orders;
	struct pump_queue news;
};

/* --- queues -------------------------------------------------------------- */

static int
pump_queue_init(struct pump_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->efd == -1 ? -1 : 0;
}

static void
pump_msg_free(struct pump_msg *m)
{
	free(m->text);
	free(m);
}

static void
pump_msgs_free(struct pump_msg *m)
{
	struct pump_msg *next;

	for (; m != NULL; m = next) {
		next = m->next;
		pump_msg_free(m);
	}
}

static void
pump_queue_fini(struct pump_queue *q)
{
	pump_msgs_free(q->first);
	fd_closep(&q->efd);
}

/* Takes m.  The receiver takes the whole list, so one wake-up is enough. */
static void
pump_post(struct pump *pm, struct pump_queue *q, struct pump_msg *m)
{
	uint64_t one = 1;
	bool was_empty;

	pthread_mutex_lock(&pm->mutex);
	was_empty = q->first == NULL;
	*q->last = m;
	q->last = &m->next;
	pthread_mutex_unlock(&pm->mutex);
	if (was_empty && write(q->efd, &one, sizeof one) != sizeof one)
		BUG_ON(errno != EAGAIN);
}

static void
pump_hush(struct pump_queue *q)
{
	uint64_t n;

	if (read(q->efd, &n, sizeof n) == -1)
		BUG_ON(errno != EAGAIN);
}

/* Returns what is queued, oldest first; the caller frees. */
static struct pump_msg *
pump_take(struct pump *pm, struct pump_queue *q)
{
	struct pump_msg *m;

	pthread_mutex_lock(&pm->mutex);
	m = q->first;
	q->first = NULL;
	q->last = &q->first;
	pthread_mutex_unlock(&pm->mutex);
	return m;
}

static struct pump_msg *
pump_order(enum pump_order_kind kind, struct pump_stream *st)
{
	struct pump_msg *m = xcalloc(1, sizeof *m);

	m->order = kind;
	m->st = st;
	return m;
}

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

	atomic_fetch_add_explicit(&st->bytes, n, memory_order_relaxed);
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

	if (at_eof == st->at_eof)
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
	do {
		n = read(
		    st->fd, pm->chunk, max < PUMP_CHUNK ? max : PUMP_CHUNK);
	} while (n == -1 && errno == EINTR);
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

/* --- the pumper: orders -------------------------------------------------- */

static void
pumper_flush(struct pump_stream *st, const struct pump_msg *order)
{
	struct pump_msg *m = pumper_news(PN_FLUSHED, st);

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
pumper_remove(struct pump_stream *st)
{
	struct pump *pm = st->pm;
	struct pump_msg *m;

	pumper_drain(st);
	epoll_ctl(pm->epfd, EPOLL_CTL_DEL, st->fd, NULL);
	fd_closep(&st->fd);
	pumper_close_sink(st);
	pump_tail_free(st->tail);
	st->tail = NULL;
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
		pumper_remove(m->st);
		return;
	case PO_FLUSH:
		pumper_flush(m->st, m);
		return;
	case PO_REOPEN:
		if (m->st->file != NULL)
			rotate_reopen(m->st->file);
		return;
	case PO_TAP:
		pumper_link_tap(m->st, m->tap);
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

	n = epoll_wait(pm->epfd, evs, 64, -1);
	BUG_ON(n == -1 && errno != EINTR);
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
	pumper_let_go(pm);
}

static void *
pumper_main(void *arg)
{
	struct pump *pm = arg;

	pthread_setname_np(pthread_self(), "reeve-pump"); /* for ps -L */
	while (!pm->stopping)
		pumper_turn(pm);
	return NULL;
}

/* --- the loop: news ------------------------------------------------------ */

static void
pump_stream_free(struct pump_stream *st)
{
	if (st->prev != NULL)
		st->prev->next = st->next;
	else
		st->pm->streams = st->next;
	if (st->next != NULL)
		st->next->prev = st->prev;
	free(st);
}

static void
pump_tap_free(struct pump *pm, struct pump_tap *tap)
{
	if (tap->prev != NULL)
		tap->prev->next = tap->next;
	else
		pm->taps = tap->next;
	if (tap->next != NULL)
		tap->next->prev = tap->prev;
	buf_fini(&tap->data);
	free(tap);
}

/* The callback may untap, which frees nothing before a later message. */
static void
pump_tell_tap(struct pump *pm, struct pump_tap *tap)
{
	struct buf data;
	uint64_t lost;

	pthread_mutex_lock(&pm->mutex);
	data = tap->data;
	lost = tap->lost;
	buf_init(&tap->data);
	tap->lost = 0;
	tap->posted = false;
	pthread_mutex_unlock(&pm->mutex);
	if (data.len > 0 && !tap->closed)
		tap->cb(tap->arg, data.data, data.len, 0);
	if (!pm->dead && lost > 0 && !tap->closed)
		tap->cb(tap->arg, "", 0, lost);
	buf_fini(&data);
}

static void
pump_tell(struct pump *pm, struct pump_msg *m)
{
	struct pump_stream *st = m->st;

	switch (m->news) {
	case PN_FLUSHED:
		if (!st->removed)
			m->cb(m->arg, m->text != NULL ? m->text : "", m->len);
		return;
	case PN_SINK:
		if (!st->removed && pm->cb != NULL)
			pm->cb(
			    pm->arg, st->name, m->text, m->errnum, m->dropped);
		return;
	case PN_TAP:
		pump_tell_tap(pm, m->tap);
		return;
	case PN_UNTAPPED:
		pump_tap_free(pm, m->tap);
		return;
	case PN_GONE:
		pump_stream_free(st);
		return;
	}
}

/* A callback may free the pump: then only the struct is left, for us. */
static void
pump_on_news(struct loop_io *io, int events, void *arg)
{
	struct pump *pm = arg;
	struct pump_msg *m;

	(void)io;
	(void)events;
	BUG_ON(pm->magic != PUMP_MAGIC);
	pm->telling = true;
	pump_hush(&pm->news);
	pm->taken = pump_take(pm, &pm->news);
	while ((m = pm->taken) != NULL) {
		pm->taken = m->next;
		pump_tell(pm, m);
		pump_msg_free(m);
	}
	pm->telling = false;
	if (pm->dead)
		free(pm);
}

/* --- the loop: orders ---------------------------------------------------- */

/* Signals are the engine's loop's; SIGPIPE of a FIFO stays pending here. */
static int
pump_start_thread(struct pump *pm)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&pm->thread, NULL, pumper_main, pm);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

static void
pump_release(struct pump *pm)
{
	pump_queue_fini(&pm->orders);
	pump_queue_fini(&pm->news);
	fd_closep(&pm->epfd);
	rotate_fini(&pm->stderr_copy);
	pthread_mutex_destroy(&pm->mutex);
	free(pm->chunk);
	pm->magic = 0;
	pm->dead = true;
	if (!pm->telling)
		free(pm);
}

struct pump *
pump_new(struct loop *lp, pump_sink_cb *cb, void *arg, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pump *pm = xcalloc(1, sizeof *pm);

	pm->magic = PUMP_MAGIC;
	pm->cb = cb;
	pm->arg = arg;
	pm->orders.efd = pm->news.efd = -1;
	pthread_mutex_init(&pm->mutex, NULL);
	rotate_init(&pm->stderr_copy, "/dev/stderr", 0, 0);
	pm->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (pm->epfd == -1 || pump_queue_init(&pm->orders) == -1 ||
	    pump_queue_init(&pm->news) == -1 ||
	    epoll_ctl(pm->epfd, EPOLL_CTL_ADD, pm->orders.efd, &ev) == -1 ||
	    pump_start_thread(pm) == -1) {
		err_sys(err, "start the log thread");
		pump_release(pm);
		return NULL;
	}
	loop_io_init(&pm->io, lp, pm->news.efd, LOOP_READ, pump_on_news, pm);
	loop_io_start(&pm->io);
	return pm;
}

void
pump_free(struct pump *pm)
{
	if (pm == NULL)
		return;
	BUG_ON(pm->magic != PUMP_MAGIC);
	loop_io_stop(&pm->io);
	for (struct pump_stream *st = pm->streams; st != NULL; st = st->next) {
		if (!st->removed)
			pump_post(pm, &pm->orders, pump_order(PO_REMOVE, st));
	}
	pump_post(pm, &pm->orders, pump_order(PO_STOP, NULL));
	pthread_join(pm->thread, NULL);
	while (pm->streams != NULL)
		pump_stream_free(pm->streams);
	while (pm->taps != NULL)
		pump_tap_free(pm, pm->taps);
	pump_msgs_free(pm->taken);
	pm->taken = NULL;
	pump_release(pm);
}

static int
pump_watch_pipe(struct pump_stream *st, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = st };

	st->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (st->fd == -1 || fd_nonblock(st->fd) == -1)
		return -1;
	return epoll_ctl(st->pm->epfd, EPOLL_CTL_ADD, st->fd, &ev);
}

struct pump_stream *
pump_add(
    struct pump *pm, const char *name, int fd, const struct pump_sink *sink)
{
	size_t len = strlen(name) + 1;
	struct pump_stream *st = xcalloc(1, sizeof *st + len);

	BUG_ON(pm->magic != PUMP_MAGIC);
	memcpy(st->name, name, len);
	st->pm = pm;
	st->maxbytes = sink->maxbytes;
	st->backups = sink->backups;
	st->copy_stderr = sink->copy_stderr;
	st->path = sink->path != NULL ? xstrdup(sink->path) : NULL;
	/* Last: from then on the pumper has it. */
	if (pump_watch_pipe(st, fd) == -1) {
		fd_closep(&st->fd);
		free(st->path);
		free(st);
		return NULL;
	}
	st->next = pm->streams;
	if (st->next != NULL)
		st->next->prev = st;
	pm->streams = st;
	return st;
}

void
pump_set_sink(struct pump_stream *st, const struct pump_sink *sink)
{
	struct pump_msg *m = pump_order(PO_SINK, st);

	m->sink = *sink;
	m->sink.path = NULL;
	m->text = sink->path != NULL ? xstrdup(sink->path) : NULL;
	pump_post(st->pm, &st->pm->orders, m);
}

void
pump_remove(struct pump_stream **stp)
{
	struct pump_stream *st = *stp;

	*stp = NULL;
	if (st == NULL)
		return;
	BUG_ON(st->removed);
	st->removed = true;
	pump_post(st->pm, &st->pm->orders, pump_order(PO_REMOVE, st));
}

void
pump_flush(struct pump_stream *st, pump_flush_cb *cb, void *arg)
{
	struct pump_msg *m = pump_order(PO_FLUSH, st);

	m->cb = cb;
	m->arg = arg;
	pump_post(st->pm, &st->pm->orders, m);
}

void
pump_stats(struct pump_stream *st, struct pump_stats *out)
{
	out->bytes = atomic_load_explicit(&st->bytes, memory_order_relaxed);
	out->dropped = atomic_load_explicit(&st->dropped, memory_order_relaxed);
	out->rotations =
	    atomic_load_explicit(&st->rotations, memory_order_relaxed);
	out->last_errno =
	    atomic_load_explicit(&st->last_errno, memory_order_relaxed);
}

void
pump_reopen(struct pump *pm)
{
	for (struct pump_stream *st = pm->streams; st != NULL; st = st->next) {
		if (!st->removed)
			pump_post(pm, &pm->orders, pump_order(PO_REOPEN, st));
	}
}

struct pump_tap *
pump_tap(struct pump_stream *st, pump_tap_cb *cb, void *arg)
{
	struct pump_tap *tap = xcalloc(1, sizeof *tap);
	struct pump *pm = st->pm;
	struct pump_msg *m = pump_order(PO_TAP, st);

	tap->pm = pm;
	tap->st = st;
	tap->cb = cb;
	tap->arg = arg;
	buf_init(&tap->data);
	tap->next = pm->taps;
	if (tap->next != NULL)
		tap->next->prev = tap;
	pm->taps = tap;
	m->tap = tap;
	pump_post(pm, &pm->orders, m);
	return tap;
}

void
pump_untap(struct pump_tap **tp)
{
	struct pump_tap *tap = *tp;
	struct pump *pm;
	struct pump_msg *m;

	*tp = NULL;
	if (tap == NULL)
		return;
	pm = tap->pm;
	tap->closed = true;
	m = pump_order(PO_UNTAP, tap->st);
	m->tap = tap;
	pump_post(pm, &pm->orders, m);
}
