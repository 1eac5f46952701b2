/*
 * event - the numbered log of what happened.
 *
 * Events have numbers that only grow, also over a restart of the engine: the
 * ring lies in a memfd that the keeper holds.  A reader remembers the last
 * number it saw and asks for what came since; when the ring has moved past
 * it, it is told where the gap ends.
 */
#ifndef STATE_EVENT_H
#define STATE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define EVENT_TEXT_MAX 152 /* bytes with the NUL; longer texts are cut */
#define EVENT_RING     1024

/*
 * Kind "roll" with a program's name: a text that begins with "done" or
 * "aborted: " ends a roll of it.  That is how a client whose engine died in
 * the middle learns what came of its roll (ctl/cmd_resume.c).
 */
struct event {
	uint64_t seq; /* from 1 */
	wall_ms at_ms;
	char name[72]; /* slot, program, or "" for reeved itself */
	char kind[16]; /* "state" "exit" "roll" "reload" "order" "scale" ... */
	char text[EVENT_TEXT_MAX]; /* "STARTING --UP-> RUNNING" */
	uint32_t sum;
};

struct event_log;
typedef void event_cb(void *arg, const struct event *ev);

/* Number of the newest event, 0 when there is none. */
uint64_t event_last(const struct event_log *el);
/* Oldest number still there. */
uint64_t event_first(const struct event_log *el);
/* NULL when seq is not (or no longer) there; valid until the next event. */
const struct event *event_get(const struct event_log *el, uint64_t seq);

/* Calls back for every new event until removed; embed, link by event_watch. */
struct event_watcher {
	struct event_watcher *next;
	event_cb *cb;
	void *arg;
};
void event_watch(
    struct event_log *el, struct event_watcher *w, event_cb *cb, void *arg);
void event_unwatch(struct event_log *el, struct event_watcher *w);

#endif
