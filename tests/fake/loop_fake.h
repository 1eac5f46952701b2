/*
 * loop_fake - loop.h without a kernel: fake time, events on order.
 *
 * Linked into every unit test before libreeve.a, so it is the loop there.
 * Two ways to use it, and both in one test if need be:
 *
 *	by script	fake_clock_set(1000); ... fake_loop_advance(lp, 500);
 *			fake_loop_io(lp, fd, LOOP_READ); fake_loop_signal(...)
 *	for real	fake_loop_poll(lp, 100), or loop_run(lp): poll(2) on
 *what is watched, and timers by the clock
 *
 * One turn of the loop is: io or timer or signal callbacks, then the queued
 * tasks.  Every function here that delivers something ends its turns so.
 *
 * Time is real until fake_clock_set (or the first fake_loop_advance, which
 * freezes it); from then on clock_mono_ms, clock_wall_ms and loop_now only
 * move by fake_loop_advance, and loop_run jumps from timer to timer.  A test
 * that counts milliseconds calls fake_clock_set before it starts a timer.
 *
 * init of a watcher that is active aborts the test: the real loop would be
 * corrupted by it.
 */
#ifndef FAKE_LOOP_FAKE_H
#define FAKE_LOOP_FAKE_H

#include <stddef.h>

#include "base/clock.h"
#include "loop/loop.h"

/* Time is fake from here on. */
void fake_clock_set(mono_ms now);
/* A step of the wall clock alone; the monotonic one goes on as it was. */
void fake_wall_set(wall_ms now);
void fake_clock_real(void);

/* Time passes; every timer that comes due fires, in order, at its time. */
void fake_loop_advance(struct loop *lp, int64_t ms);
/* Delivers events to what watches fd for them; returns how many it told. */
int fake_loop_io(struct loop *lp, int fd, int events);
int fake_loop_signal(struct loop *lp, int signo);
/* One turn without an event: timers that are due, and the tasks. */
void fake_loop_turn(struct loop *lp);

/*
 * Waits with poll(2) for a watched descriptor or (when time is real) for a
 * timer, at most timeout_ms (-1: for ever), and makes one turn of it.
 * Returns the number of callbacks.
 */
int fake_loop_poll(struct loop *lp, int timeout_ms);
/* fake_loop_poll until *done or timeout_ms of real time; is it done? */
bool fake_loop_until(struct loop *lp, const bool *done, int timeout_ms);

/* Milliseconds to the next timer, -1 when none is active. */
int64_t fake_loop_next(const struct loop *lp);
size_t fake_loop_timers(const struct loop *lp);
size_t fake_loop_ios(const struct loop *lp);
size_t fake_loop_signals(const struct loop *lp);
size_t fake_loop_tasks(const struct loop *lp);
/* All four: 0 when everybody has stopped what they started. */
size_t fake_loop_active(const struct loop *lp);
/* What fd is watched for, by all watchers together. */
int fake_loop_watched(const struct loop *lp, int fd);

#endif
