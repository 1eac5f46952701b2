/*
 * loop - timers, descriptors, signals and end-of-turn work of one thread.
 *
 * A watcher is a struct inside its owner's; init fills it, start and stop may
 * be repeated, and after stop it never calls back.  Stop before freeing the
 * owner or closing the descriptor.  Callbacks run from loop_run only. loop_ev.c
 * (the one file that knows libev) is the real thing, tests/fake/loop_fake.c the
 * other: fake time, and events on order.
 *
 * Time is CLOCK_MONOTONIC in milliseconds; no step of the wall clock changes
 * a delay.  A loop with nothing due does not wake.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct loop;

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2
};

struct loop_timer;
struct loop_wall;
struct loop_io;
struct loop_signal;
struct loop_task;

typedef void loop_timer_cb(struct loop_timer *t, void *arg);
typedef void loop_wall_cb(struct loop_wall *w, void *arg);
typedef void loop_io_cb(struct loop_io *io, int events, void *arg);
typedef void loop_signal_cb(struct loop_signal *s, int signo, void *arg);
typedef void loop_task_cb(void *arg);

#define LOOP_PRIV_WORDS 6
#define LOOP_WALL_WORDS 8

struct loop_timer {
	struct loop *lp;
	loop_timer_cb *cb;
	void *arg;
	uint64_t priv[LOOP_PRIV_WORDS];
};

/* A time of day: the one thing here that goes by the wall clock. */
struct loop_wall {
	struct loop *lp;
	loop_wall_cb *cb;
	void *arg;
	wall_ms at;
	uint64_t priv[LOOP_WALL_WORDS];
};

struct loop_io {
	struct loop *lp;
	loop_io_cb *cb;
	void *arg;
	uint64_t priv[LOOP_PRIV_WORDS];
};

struct loop_signal {
	struct loop *lp;
	loop_signal_cb *cb;
	void *arg;
	uint64_t priv[LOOP_PRIV_WORDS];
};

/* Work for the end of this turn, once: freeing oneself, calling back. */
struct loop_task {
	struct loop_task *next;
	loop_task_cb *cb;
	void *arg;
	bool queued;
};

/* NULL and errno when the kernel refuses. */
struct loop *loop_new(void);
void loop_free(struct loop *lp);
void loop_run(struct loop *lp);
void loop_stop(struct loop *lp);
/* The time of this turn; loop_refresh reads the clock again. */
mono_ms loop_now(const struct loop *lp);
void loop_refresh(struct loop *lp);

void loop_timer_init(
    struct loop_timer *t, struct loop *lp, loop_timer_cb *cb, void *arg);
/* Fires once, after_ms from now (< 0 counts as 0); starting again moves it. */
void loop_timer_start(struct loop_timer *t, int64_t after_ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_active(const struct loop_timer *t);

/*
 * Fires once, at that time; and before it when the clock was set, forward or
 * back: who asked looks at the clock, and starts it again.
 */
void loop_wall_init(
    struct loop_wall *w, struct loop *lp, loop_wall_cb *cb, void *arg);
void loop_wall_start(struct loop_wall *w, wall_ms at);
void loop_wall_stop(struct loop_wall *w);

void loop_io_init(struct loop_io *io, struct loop *lp, int fd, int events,
    loop_io_cb *cb, void *arg);
void loop_io_start(struct loop_io *io);
void loop_io_stop(struct loop_io *io);
/* Changes what is waited for; 0 stops. */
void loop_io_set(struct loop_io *io, int events);

/* Through a signalfd: the signal is blocked in this process from start on. */
void loop_signal_init(struct loop_signal *s, struct loop *lp, int signo,
    loop_signal_cb *cb, void *arg);
void loop_signal_start(struct loop_signal *s);
void loop_signal_stop(struct loop_signal *s);

void loop_task_init(struct loop_task *t, loop_task_cb *cb, void *arg);
void loop_task_queue(struct loop *lp, struct loop_task *t);
void loop_task_cancel(struct loop *lp, struct loop_task *t);

#endif
