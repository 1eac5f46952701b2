/* loop_fake - loop.h without a kernel: fake time, events on order. */
#include "loop_fake.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURNS_MAX 1000000

/* What the fake keeps of a watcher, in the watcher's priv. */
struct fake_timer {
	mono_ms due;
	uint64_t seq; /* of two due at once, the one started first */
	bool pending;
};

struct fake_io {
	int fd;
	int events;
	int pending;
};

struct fake_signal {
	int signo;
	bool pending;
};

/* The active watchers of one kind, in the order they were started. */
struct fake_set {
	void **v;
	size_t n;
	size_t cap;
};

struct loop {
	struct fake_set timers;
	struct fake_set walls;
	struct fake_set ios;
	struct fake_set signals;
	struct loop_task *tasks;
	struct loop_task **tasks_tail;
	uint64_t seq;
	bool stopped;
};

_Static_assert(
    sizeof(struct fake_timer) <= LOOP_PRIV_WORDS * 8, "fake_timer grew");
_Static_assert(sizeof(struct fake_io) <= LOOP_PRIV_WORDS * 8, "fake_io grew");

/* --- time ------------------------------------------------------------------
 * Threads of a module under test read the clock, so this is atomic.
 */

static atomic_bool clock_fake;
static _Atomic int64_t clock_mono;
static _Atomic int64_t clock_wall_ahead; /* wall - mono */

static int64_t
clock_read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

mono_ms
clock_mono_ms(void)
{
	if (atomic_load(&clock_fake))
		return atomic_load(&clock_mono);
	return clock_read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_boot_ms(void)
{
	return clock_mono_ms();
}

wall_ms
clock_wall_ms(void)
{
	if (atomic_load(&clock_fake))
		return atomic_load(&clock_mono) +
		       atomic_load(&clock_wall_ahead);
	return clock_read_ms(CLOCK_REALTIME);
}

void
fake_clock_set(mono_ms now)
{
	wall_ms wall = clock_wall_ms();

	atomic_store(&clock_mono, now);
	atomic_store(&clock_wall_ahead, wall - now);
	atomic_store(&clock_fake, true);
}

void
fake_wall_set(wall_ms now)
{
	if (!atomic_load(&clock_fake))
		fake_clock_set(clock_mono_ms());
	atomic_store(&clock_wall_ahead, now - atomic_load(&clock_mono));
}

void
fake_clock_real(void)
{
	atomic_store(&clock_fake, false);
}

/* --- sets of watchers ------------------------------------------------------
 */

static void fake_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void
fake_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("loop_fake: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

static bool
set_has(const struct fake_set *s, const void *w)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] == w)
			return true;
	}
	return false;
}

static void
set_add(struct fake_set *s, void *w)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 16 : s->cap * 2;
		s->v = realloc(s->v, s->cap * sizeof *s->v);
		if (s->v == NULL)
			fake_die("no memory");
	}
	s->v[s->n++] = w;
}

static void
set_del(struct fake_set *s, const void *w)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] != w)
			continue;
		memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof *s->v);
		s->n--;
		return;
	}
}

/* --- the face --------------------------------------------------------------
 */

struct loop *
loop_new(void)
{
	struct loop *lp = calloc(1, sizeof *lp);

	if (lp != NULL)
		lp->tasks_tail = &lp->tasks;
	return lp;
}

void
loop_free(struct loop *lp)
{
	if (lp == NULL)
		return;
	free(lp->timers.v);
	free(lp->walls.v);
	free(lp->ios.v);
	free(lp->signals.v);
	free(lp);
}

void
loop_stop(struct loop *lp)
{
	lp->stopped = true;
}

mono_ms
loop_now(const struct loop *lp)
{
	(void)lp;
	return clock_mono_ms();
}

void
loop_refresh(struct loop *lp)
{
	(void)lp;
}

static struct fake_timer *
fake_timer(struct loop_timer *t)
{
	return (struct fake_timer *)t->priv;
}

void
loop_timer_init(
    struct loop_timer *t, struct loop *lp, loop_timer_cb *cb, void *arg)
{
	if (set_has(&lp->timers, t))
		fake_die("loop_timer_init of an active timer");
	*t = (struct loop_timer){ .lp = lp, .cb = cb, .arg = arg };
}

void
loop_timer_start(struct loop_timer *t, int64_t after_ms)
{
	struct fake_timer *ft = fake_timer(t);

	set_del(&t->lp->timers, t);
	ft->due = clock_mono_ms() + (after_ms > 0 ? after_ms : 0);
	ft->seq = t->lp->seq++;
	ft->pending = false;
	set_add(&t->lp->timers, t);
}

void
loop_timer_stop(struct loop_timer *t)
{
	if (t->lp != NULL)
		set_del(&t->lp->timers, t);
}

bool
loop_timer_active(const struct loop_timer *t)
{
	return t->lp != NULL && set_has(&t->lp->timers, t);
}

/* Fires when it is due, not earlier: steps of the clock are not told. */
void
loop_wall_init(
    struct loop_wall *w, struct loop *lp, loop_wall_cb *cb, void *arg)
{
	*w = (struct loop_wall){ .lp = lp, .cb = cb, .arg = arg };
}

void
loop_wall_start(struct loop_wall *w, wall_ms at)
{
	w->at = at;
	set_del(&w->lp->walls, w);
	set_add(&w->lp->walls, w);
}

void
loop_wall_stop(struct loop_wall *w)
{
	if (w->lp != NULL)
		set_del(&w->lp->walls, w);
}

static struct fake_io *
fake_io(struct loop_io *io)
{
	return (struct fake_io *)io->priv;
}

void
loop_io_init(struct loop_io *io, struct loop *lp, int fd, int events,
    loop_io_cb *cb, void *arg)
{
	if (set_has(&lp->ios, io))
		fake_die("loop_io_init of an active watcher, fd %d", fd);
	*io = (struct loop_io){ .lp = lp, .cb = cb, .arg = arg };
	fake_io(io)->fd = fd;
	fake_io(io)->events = events;
}

void
loop_io_start(struct loop_io *io)
{
	if (set_has(&io->lp->ios, io))
		return;
	if (fake_io(io)->fd < 0)
		fake_die("loop_io_start with fd %d", fake_io(io)->fd);
	fake_io(io)->pending = 0;
	set_add(&io->lp->ios, io);
}

void
loop_io_stop(struct loop_io *io)
{
	if (io->lp != NULL)
		set_del(&io->lp->ios, io);
}

void
loop_io_set(struct loop_io *io, int events)
{
	if (events == 0) {
		loop_io_stop(io);
		return;
	}
	fake_io(io)->events = events;
	fake_io(io)->pending &= events;
	loop_io_start(io);
}

static struct fake_signal *
fake_signal(struct loop_signal *s)
{
	return (struct fake_signal *)s->priv;
}

void
loop_signal_init(struct loop_signal *s, struct loop *lp, int signo,
    loop_signal_cb *cb, void *arg)
{
	if (set_has(&lp->signals, s))
		fake_die("loop_signal_init of an active watcher");
	*s = (struct loop_signal){ .lp = lp, .cb = cb, .arg = arg };
	fake_signal(s)->signo = signo;
}

void
loop_signal_start(struct loop_signal *s)
{
	if (set_has(&s->lp->signals, s))
		return;
	fake_signal(s)->pending = false;
	set_add(&s->lp->signals, s);
}

void
loop_signal_stop(struct loop_signal *s)
{
	if (s->lp != NULL)
		set_del(&s->lp->signals, s);
}

void
loop_task_init(struct loop_task *t, loop_task_cb *cb, void *arg)
{
	*t = (struct loop_task){ .cb = cb, .arg = arg };
}

void
loop_task_queue(struct loop *lp, struct loop_task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*lp->tasks_tail = t;
	lp->tasks_tail = &t->next;
}

void
loop_task_cancel(struct loop *lp, struct loop_task *t)
{
	struct loop_task **pp;

	if (!t->queued)
		return;
	for (pp = &lp->tasks; *pp != t; pp = &(*pp)->next) {
		if (*pp == NULL)
			fake_die("loop_task_cancel on another loop");
	}
	*pp = t->next;
	if (*pp == NULL)
		lp->tasks_tail = pp;
	t->queued = false;
}

/* --- turns ------------------------------------------------------------------
 * Callbacks may stop, start and free any watcher, so what is to be called is
 * marked first and looked up again before each call.
 */

static void
run_tasks(struct loop *lp)
{
	struct loop_task *t;

	for (int i = 0; (t = lp->tasks) != NULL; i++) {
		if (i == TURNS_MAX)
			fake_die("tasks queue tasks for ever");
		lp->tasks = t->next;
		if (lp->tasks == NULL)
			lp->tasks_tail = &lp->tasks;
		t->queued = false;
		t->cb(t->arg);
	}
}

static struct loop_timer *
first_timer(const struct loop *lp, bool pending_only)
{
	struct loop_timer *best = NULL;

	for (size_t i = 0; i < lp->timers.n; i++) {
		struct loop_timer *t = lp->timers.v[i];
		const struct fake_timer *a = fake_timer(t);
		const struct fake_timer *b;

		if (pending_only && !a->pending)
			continue;
		b = best != NULL ? fake_timer(best) : NULL;
		if (b == NULL || a->due < b->due ||
		    (a->due == b->due && a->seq < b->seq))
			best = t;
	}
	return best;
}

static int
run_timers(struct loop *lp)
{
	mono_ms now = clock_mono_ms();
	struct loop_timer *t;
	int calls = 0;

	for (size_t i = 0; i < lp->timers.n; i++) {
		struct fake_timer *ft = fake_timer(lp->timers.v[i]);

		ft->pending = ft->due <= now;
	}
	while ((t = first_timer(lp, true)) != NULL) {
		set_del(&lp->timers, t);
		t->cb(t, t->arg);
		calls++;
	}
	return calls;
}

static int
run_ios(struct loop *lp)
{
	int calls = 0;

again:
	for (size_t i = 0; i < lp->ios.n; i++) {
		struct loop_io *io = lp->ios.v[i];
		int events = fake_io(io)->pending;

		if (events == 0)
			continue;
		fake_io(io)->pending = 0;
		io->cb(io, events, io->arg);
		calls++;
		goto again;
	}
	return calls;
}

static void
run_walls(struct loop *lp)
{
	wall_ms now = clock_wall_ms();

	for (size_t i = 0; i < lp->walls.n; i++) {
		struct loop_wall *w = lp->walls.v[i];

		if (w->at > now)
			continue;
		set_del(&lp->walls, w);
		w->cb(w, w->arg);
		i = (size_t)-1; /* from the beginning: it may be another set */
	}
}

void
fake_loop_turn(struct loop *lp)
{
	run_timers(lp);
	run_walls(lp);
	run_tasks(lp);
}

void
fake_loop_advance(struct loop *lp, int64_t ms)
{
	mono_ms end;

	if (!atomic_load(&clock_fake))
		fake_clock_set(clock_mono_ms());
	end = clock_mono_ms() + ms;
	run_tasks(lp);
	for (int i = 0;; i++) {
		const struct loop_timer *t = first_timer(lp, false);

		if (t == NULL)
			break;
		mono_ms due = ((const struct fake_timer *)t->priv)->due;

		if (due > end)
			break;
		if (i == TURNS_MAX)
			fake_die("a timer restarts itself for ever");
		if (due > clock_mono_ms())
			atomic_store(&clock_mono, due);
		fake_loop_turn(lp);
	}
	if (end > clock_mono_ms())
		atomic_store(&clock_mono, end);
	run_walls(lp);
	run_tasks(lp);
}

int
fake_loop_io(struct loop *lp, int fd, int events)
{
	int calls;

	for (size_t i = 0; i < lp->ios.n; i++) {
		struct fake_io *f = fake_io(lp->ios.v[i]);

		if (f->fd == fd)
			f->pending = f->events & events;
	}
	calls = run_ios(lp);
	run_tasks(lp);
	return calls;
}

int
fake_loop_signal(struct loop *lp, int signo)
{
	int calls = 0;

	for (size_t i = 0; i < lp->signals.n; i++) {
		struct fake_signal *f = fake_signal(lp->signals.v[i]);

		f->pending = f->signo == signo;
	}
again:
	for (size_t i = 0; i < lp->signals.n; i++) {
		struct loop_signal *s = lp->signals.v[i];

		if (!fake_signal(s)->pending)
			continue;
		fake_signal(s)->pending = false;
		s->cb(s, signo, s->arg);
		calls++;
		goto again;
	}
	run_tasks(lp);
	return calls;
}

static int
poll_timeout(const struct loop *lp, int timeout_ms)
{
	int64_t next = fake_loop_next(lp);

	if (lp->tasks != NULL)
		return 0;
	/* Fake time does not pass by waiting, but what is due is due. */
	if (next < 0 || (atomic_load(&clock_fake) && next > 0))
		return timeout_ms;
	/* The clock is cut to milliseconds: one more, or it comes too early. */
	if (next > 0)
		next++;
	return timeout_ms >= 0 && timeout_ms < next ? timeout_ms : (int)next;
}

int
fake_loop_poll(struct loop *lp, int timeout_ms)
{
	size_t n = lp->ios.n;
	struct pollfd *p = calloc(n + 1, sizeof *p);
	int calls;

	if (p == NULL)
		fake_die("no memory");
	for (size_t i = 0; i < n; i++) {
		const struct fake_io *f = fake_io(lp->ios.v[i]);

		p[i].fd = f->fd;
		p[i].events =
		    (short)(((f->events & LOOP_READ) != 0 ? POLLIN : 0) |
			    ((f->events & LOOP_WRITE) != 0 ? POLLOUT : 0));
	}
	if (poll(p, n, poll_timeout(lp, timeout_ms)) == -1 && errno != EINTR)
		fake_die("poll: %s", strerror(errno));
	for (size_t i = 0; i < n; i++) {
		struct fake_io *f = fake_io(lp->ios.v[i]);
		int got = 0;

		if ((p[i].revents & POLLNVAL) != 0)
			fake_die("fd %d is watched but closed", f->fd);
		if ((p[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0)
			got |= LOOP_READ;
		if ((p[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
			got |= LOOP_WRITE;
		f->pending = got & f->events;
	}
	free(p);
	calls = run_ios(lp);
	calls += run_timers(lp);
	run_tasks(lp);
	return calls;
}

bool
fake_loop_until(struct loop *lp, const bool *done, int timeout_ms)
{
	mono_ms end = clock_read_ms(CLOCK_MONOTONIC) + timeout_ms;

	while (!*done) {
		int64_t left = end - clock_read_ms(CLOCK_MONOTONIC);

		if (left <= 0)
			break;
		fake_loop_poll(lp, (int)left);
	}
	return *done;
}

/* Until loop_stop, or until nothing is left that could ever happen. */
void
loop_run(struct loop *lp)
{
	lp->stopped = false;
	run_tasks(lp);
	while (!lp->stopped && fake_loop_active(lp) > 0) {
		int64_t next = fake_loop_next(lp);

		if (atomic_load(&clock_fake) && next >= 0) {
			if (fake_loop_poll(lp, 0) == 0)
				fake_loop_advance(lp, next);
			continue;
		}
		fake_loop_poll(lp, -1);
	}
}

/* --- looking in ------------------------------------------------------------
 */

int64_t
fake_loop_next(const struct loop *lp)
{
	const struct loop_timer *t = first_timer(lp, false);
	mono_ms now = clock_mono_ms();

	if (t == NULL)
		return -1;
	mono_ms due = ((const struct fake_timer *)t->priv)->due;

	return due > now ? due - now : 0;
}

size_t
fake_loop_timers(const struct loop *lp)
{
	return lp->timers.n;
}

size_t
fake_loop_ios(const struct loop *lp)
{
	return lp->ios.n;
}

size_t
fake_loop_signals(const struct loop *lp)
{
	return lp->signals.n;
}

size_t
fake_loop_tasks(const struct loop *lp)
{
	size_t n = 0;

	for (const struct loop_task *t = lp->tasks; t != NULL; t = t->next)
		n++;
	return n;
}

size_t
fake_loop_active(const struct loop *lp)
{
	return lp->timers.n + lp->ios.n + lp->signals.n + fake_loop_tasks(lp);
}

int
fake_loop_watched(const struct loop *lp, int fd)
{
	int events = 0;

	for (size_t i = 0; i < lp->ios.n; i++) {
		const struct fake_io *f = fake_io(lp->ios.v[i]);

		if (f->fd == fd)
			events |= f->events;
	}
	return events;
}
