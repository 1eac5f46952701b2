/*
 * pump - drains the pipes that programs write to, into files that rotate.
 *
 * Two threads.  The loop's, here, queues orders and wakes the other by an
 * eventfd; the pump's (pumper.c) reads the pipes, writes the files, and queues
 * news the same way back.  Both queues are lists under one mutex; an order or
 * news is handed over whole and no longer touched by its sender.  So each
 * field of a stream or a tap belongs to one thread, as pump_priv.h notes; only
 * the counters are read across, and they are atomic.
 *
 * A stream is freed by the loop, when the pumper's last news of it (PN_GONE)
 * has come: older news in the queue may still point at it.
 */
#include "logs/pump.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

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
#include "base/xalloc.h"
#include "logs/pump_priv.h"
#include "logs/rotate.h"

#define PUMP_MAGIC 0x70756d70U

/* --- queues -------------------------------------------------------------- */

static int
pump_queue_init(struct pump_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->efd == -1 ? -1 : 0;
}

void
pump_msg_free(struct pump_msg *m)
{
	pump_scan_free(m->scan);
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
void
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

void
pump_hush(struct pump_queue *q)
{
	uint64_t n;

	if (read(q->efd, &n, sizeof n) == -1)
		BUG_ON(errno != EAGAIN);
}

/* Returns what is queued, oldest first; the caller frees. */
struct pump_msg *
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

static struct pump_msg *
pump_order(enum pump_order_kind kind, struct pump_stream *st)
{
	struct pump_msg *m = xcalloc(1, sizeof *m);

	m->order = kind;
	m->st = st;
	return m;
}

/* Its descriptor stays until it is removed: fstat and lseek may look. */
static struct pump_msg *
pump_order_read(enum pump_order_kind kind, struct pump_stream *st)
{
	struct pump_msg *m = pump_order(kind, st);
	struct stat sb;

	if (st->plain && fstat(st->fd, &sb) == 0)
		m->until = sb.st_size;
	return m;
}

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
	pthread_mutex_destroy(&pm->gate);
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
	pthread_mutex_init(&pm->gate, NULL);
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

/* libtsan does not know pthread_clockjoin_np, and would see races with a
 * thread that has ended. */
#ifdef __SANITIZE_THREAD__
#define PUMP_CLOCK               CLOCK_REALTIME
#define pump_join_by(thread, at) pthread_timedjoin_np(thread, NULL, at)
#else
#define PUMP_CLOCK CLOCK_MONOTONIC
#define pump_join_by(thread, at)                                               \
	pthread_clockjoin_np(thread, NULL, PUMP_CLOCK, at)
#endif

/* 0: the thread has ended; ms -1: it is waited for as long as it takes. */
static int
pump_join(struct pump *pm, int64_t ms)
{
	struct timespec at;

	if (ms < 0)
		return pthread_join(pm->thread, NULL);
	clock_gettime(PUMP_CLOCK, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return pump_join_by(pm->thread, &at);
}

int
pump_end(struct pump *pm, int64_t ms)
{
	if (pm == NULL)
		return 0;
	BUG_ON(pm->magic != PUMP_MAGIC);
	loop_io_stop(&pm->io);
	for (struct pump_stream *st = pm->streams; st != NULL; st = st->next) {
		if (!st->removed)
			pump_post(
			    pm, &pm->orders, pump_order_read(PO_REMOVE, st));
	}
	pump_post(pm, &pm->orders, pump_order(PO_STOP, NULL));
	if (pump_join(pm, ms) != 0)
		return -1;
	while (pm->streams != NULL)
		pump_stream_free(pm->streams);
	while (pm->taps != NULL)
		pump_tap_free(pm, pm->taps);
	pump_msgs_free(pm->taken);
	pm->taken = NULL;
	pump_release(pm);
	return 0;
}

void
pump_free(struct pump *pm)
{
	pump_end(pm, -1);
}

void
pump_hold(struct pump *pm)
{
	pthread_mutex_lock(&pm->gate);
}

void
pump_go_on(struct pump *pm)
{
	pthread_mutex_unlock(&pm->gate);
}

static int
pump_watch_pipe(struct pump_stream *st, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = st };

	st->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (st->fd == -1 || st->plain)
		return st->fd == -1 ? -1 : 0;
	if (fd_nonblock(st->fd) == -1)
		return -1;
	return epoll_ctl(st->pm->epfd, EPOLL_CTL_ADD, st->fd, &ev);
}

static struct pump_stream *
pump_add_kind(struct pump *pm, const char *name, int fd,
    const struct pump_sink *sink, bool plain)
{
	size_t len = strlen(name) + 1;
	struct pump_stream *st = xcalloc(1, sizeof *st + len);

	BUG_ON(pm->magic != PUMP_MAGIC);
	memcpy(st->name, name, len);
	st->pm = pm;
	st->plain = plain;
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

struct pump_stream *
pump_add(
    struct pump *pm, const char *name, int fd, const struct pump_sink *sink)
{
	return pump_add_kind(pm, name, fd, sink, false);
}

struct pump_stream *
pump_add_file(
    struct pump *pm, const char *name, int fd, const struct pump_sink *sink)
{
	return pump_add_kind(pm, name, fd, sink, true);
}

void
pump_feed(struct pump_stream *st)
{
	pump_post(st->pm, &st->pm->orders, pump_order_read(PO_FEED, st));
}

int64_t
pump_file_place(const struct pump_stream *st)
{
	return lseek(st->fd, 0, SEEK_CUR);
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
	struct pump_msg *m = pump_order_read(PO_FLUSH, st);

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
