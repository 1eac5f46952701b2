/*
 * loop_ev - the loop on libev.
 *
 * ev_loop_new, never the default loop: libev's default loop reaps every
 * child, and reaping is the keeper's alone.  An ev_periodic far away is kept
 * active for one reason: only with one does libev 4.33 use a timerfd to see
 * clock jumps, and without that it wakes once a minute to look.
 */
#include "loop/loop.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_S (365.25 * 86400)

struct loop {
	struct ev_loop *ev;
	ev_periodic far_away;
	ev_prepare turn_end; /* runs tasks right before the loop sleeps */
	struct loop_task *tasks;
	struct loop_task **tasks_tail;
};

_Static_assert(sizeof(ev_timer) <= LOOP_PRIV_WORDS * 8, "ev_timer grew");
_Static_assert(sizeof(ev_periodic) <= LOOP_WALL_WORDS * 8, "ev_periodic grew");
_Static_assert(sizeof(ev_io) <= LOOP_PRIV_WORDS * 8, "ev_io grew");
_Static_assert(sizeof(ev_signal) <= LOOP_PRIV_WORDS * 8, "ev_signal grew");

static void
loop_far_away(struct ev_loop *ev, ev_periodic *w, int revents)
{
	(void)revents;
	ev_periodic_stop(ev, w);
	ev_periodic_set(w, ev_now(ev) + 100 * YEAR_S, 0, NULL);
	ev_periodic_start(ev, w);
}

/* Tasks queued by tasks run in the same turn: a chain ends before sleep. */
static void
loop_run_tasks(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *lp = w->data;
	struct loop_task *t;

	(void)ev;
	(void)revents;
	while ((t = lp->tasks) != NULL) {
		lp->tasks = t->next;
		if (lp->tasks == NULL)
			lp->tasks_tail = &lp->tasks;
		t->queued = false;
		t->cb(t->arg);
	}
}

struct loop *
loop_new(void)
{
	struct loop *lp = calloc(1, sizeof *lp);

	if (lp == NULL)
		return NULL;
	lp->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_SIGNALFD | EVFLAG_NOENV);
	if (lp->ev == NULL) {
		free(lp);
		return NULL;
	}
	lp->tasks_tail = &lp->tasks;
	ev_periodic_init(&lp->far_away, loop_far_away,
	    ev_now(lp->ev) + 100 * YEAR_S, 0, NULL);
	ev_periodic_start(lp->ev, &lp->far_away);
	ev_unref(lp->ev);
	ev_prepare_init(&lp->turn_end, loop_run_tasks);
	lp->turn_end.data = lp;
	ev_prepare_start(lp->ev, &lp->turn_end);
	ev_unref(lp->ev);
	return lp;
}

void
loop_free(struct loop *lp)
{
	if (lp == NULL)
		return;
	ev_ref(lp->ev);
	ev_periodic_stop(lp->ev, &lp->far_away);
	ev_ref(lp->ev);
	ev_prepare_stop(lp->ev, &lp->turn_end);
	ev_loop_destroy(lp->ev);
	free(lp);
}

void
loop_run(struct loop *lp)
{
	ev_run(lp->ev, 0);
}

void
loop_stop(struct loop *lp)
{
	ev_break(lp->ev, EVBREAK_ALL);
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
	ev_now_update(lp->ev);
}

static void
loop_on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct loop_timer *t = w->data;

	(void)ev;
	(void)revents;
	t->cb(t, t->arg);
}

void
loop_timer_init(
    struct loop_timer *t, struct loop *lp, loop_timer_cb *cb, void *arg)
{
	ev_timer *w = (ev_timer *)t->priv;

	t->lp = lp;
	t->cb = cb;
	t->arg = arg;
	ev_timer_init(w, loop_on_timer, 0, 0);
	w->data = t;
}

void
loop_timer_start(struct loop_timer *t, int64_t after_ms)
{
	ev_timer *w = (ev_timer *)t->priv;

	ev_timer_stop(t->lp->ev, w);
	/* ev_timer counts from the loop's idea of now, which may be old. */
	ev_now_update(t->lp->ev);
	ev_timer_set(w, after_ms > 0 ? (double)after_ms / 1000 : 0, 0);
	ev_timer_start(t->lp->ev, w);
}

void
loop_timer_stop(struct loop_timer *t)
{
	if (t->lp != NULL)
		ev_timer_stop(t->lp->ev, (ev_timer *)t->priv);
}

bool
loop_timer_active(const struct loop_timer *t)
{
	const ev_timer *w = (const ev_timer *)t->priv;

	/* As ev_is_active, whose cast drops the const. */
	return t->lp != NULL && w->active != 0;
}

/* --- the wall clock ------------------------------------------------------- */

static void
loop_on_wall(struct ev_loop *ev, ev_periodic *p, int revents)
{
	struct loop_wall *w = p->data;

	(void)revents;
	ev_periodic_stop(ev, p);
	w->cb(w, w->arg);
}

/* libev asks at the start, after a jump of the clock, and when it is due. */
static ev_tstamp
loop_wall_when(ev_periodic *p, ev_tstamp now)
{
	const struct loop_wall *w = p->data;
	ev_tstamp at = (ev_tstamp)w->at / 1000;

	return ev_is_active(p) || at < now ? now : at;
}

void
loop_wall_init(
    struct loop_wall *w, struct loop *lp, loop_wall_cb *cb, void *arg)
{
	ev_periodic *p = (ev_periodic *)w->priv;

	w->lp = lp;
	w->cb = cb;
	w->arg = arg;
	ev_periodic_init(p, loop_on_wall, 0, 0, loop_wall_when);
	p->data = w;
}

void
loop_wall_start(struct loop_wall *w, wall_ms at)
{
	ev_periodic *p = (ev_periodic *)w->priv;

	ev_periodic_stop(w->lp->ev, p);
	ev_now_update(w->lp->ev);
	w->at = at;
	ev_periodic_start(w->lp->ev, p);
}

void
loop_wall_stop(struct loop_wall *w)
{
	if (w->lp != NULL)
		ev_periodic_stop(w->lp->ev, (ev_periodic *)w->priv);
}

static void
loop_on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct loop_io *io = w->data;

	(void)ev;
	io->cb(io,
	    ((revents & EV_READ) != 0 ? LOOP_READ : 0) |
		((revents & EV_WRITE) != 0 ? LOOP_WRITE : 0),
	    io->arg);
}

static int
loop_ev_events(int events)
{
	return ((events & LOOP_READ) != 0 ? EV_READ : 0) |
	       ((events & LOOP_WRITE) != 0 ? EV_WRITE : 0);
}

void
loop_io_init(struct loop_io *io, struct loop *lp, int fd, int events,
    loop_io_cb *cb, void *arg)
{
	ev_io *w = (ev_io *)io->priv;

	io->lp = lp;
	io->cb = cb;
	io->arg = arg;
	ev_io_init(w, loop_on_io, fd, loop_ev_events(events));
	w->data = io;
}

void
loop_io_start(struct loop_io *io)
{
	ev_io_start(io->lp->ev, (ev_io *)io->priv);
}

void
loop_io_stop(struct loop_io *io)
{
	if (io->lp != NULL)
		ev_io_stop(io->lp->ev, (ev_io *)io->priv);
}

void
loop_io_set(struct loop_io *io, int events)
{
	ev_io *w = (ev_io *)io->priv;
	int want = loop_ev_events(events);

	if (ev_is_active(w) && (w->events & (EV_READ | EV_WRITE)) == want)
		return;
	ev_io_stop(io->lp->ev, w);
	if (want == 0)
		return;
	ev_io_set(w, w->fd, want);
	ev_io_start(io->lp->ev, w);
}

static void
loop_on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct loop_signal *s = w->data;

	(void)ev;
	(void)revents;
	s->cb(s, w->signum, s->arg);
}

void
loop_signal_init(struct loop_signal *s, struct loop *lp, int signo,
    loop_signal_cb *cb, void *arg)
{
	ev_signal *w = (ev_signal *)s->priv;

	s->lp = lp;
	s->cb = cb;
	s->arg = arg;
	ev_signal_init(w, loop_on_signal, signo);
	w->data = s;
}

void
loop_signal_start(struct loop_signal *s)
{
	ev_signal_start(s->lp->ev, (ev_signal *)s->priv);
}

void
loop_signal_stop(struct loop_signal *s)
{
	if (s->lp != NULL)
		ev_signal_stop(s->lp->ev, (ev_signal *)s->priv);
}

void
loop_task_init(struct loop_task *t, loop_task_cb *cb, void *arg)
{
	t->next = NULL;
	t->cb = cb;
	t->arg = arg;
	t->queued = false;
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
	for (pp = &lp->tasks; *pp != t; pp = &(*pp)->next)
		;
	*pp = t->next;
	if (*pp == NULL)
		lp->tasks_tail = pp;
	t->queued = false;
}
