/*
 * event - the numbered log of what happened.
 *
 * Event N is record N % EVENT_RING of a region.  The newest number is told by
 * the records themselves, and kept twice in front of them as well, in case
 * the newest record is lost.  Adding from inside a watcher is fine: everybody
 * is told of everything in order.
 */
#include "state/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "state/region.h"
#include "state/table.h"

#define EVENT_VERSION 1

struct ring {
	uint64_t last;
	uint64_t check; /* ~last */
	struct event events[EVENT_RING];
};

struct event_log {
	struct region rg;
	struct ring *ring;
	uint64_t first, last;
	uint64_t told; /* newest that the watchers have been told of */
	bool is_telling;
	struct event_watcher *watchers;
	struct event_watcher *turn; /* next to be told of this event */
};

static uint32_t
event_sum(const struct event *ev)
{
	return region_sum(0, ev, offsetof(struct event, sum));
}

static bool
event_is_whole(const struct event *ev)
{
	return ev->seq != 0 && ev->sum == event_sum(ev) &&
	       memchr(ev->name, '\0', sizeof ev->name) != NULL &&
	       memchr(ev->kind, '\0', sizeof ev->kind) != NULL &&
	       memchr(ev->text, '\0', sizeof ev->text) != NULL;
}

static struct event *
event_at(const struct event_log *el, uint64_t seq)
{
	return &el->ring->events[seq % EVENT_RING];
}

/* What the engine before has left. */
static void
event_read(struct event_log *el)
{
	const struct ring *rn = el->ring;

	if (rn->check == ~rn->last)
		el->last = rn->last;
	for (uint64_t i = 0; i < EVENT_RING; i++) {
		struct event *ev = event_at(el, i);

		if (!event_is_whole(ev) || ev->seq % EVENT_RING != i)
			ev->seq = 0;
		if (ev->seq > el->last)
			el->last = ev->seq;
	}
	el->first = el->last >= EVENT_RING ? el->last - EVENT_RING + 1 : 1;
	while (el->first <= el->last && event_get(el, el->first) == NULL)
		el->first++;
	el->told = el->last;
}

uint32_t
event_layout(void)
{
	const size_t sizes[] = { EVENT_VERSION, sizeof(struct event),
		EVENT_RING };

	return region_sum(0, sizes, sizeof sizes);
}

struct event_log *
event_open(int fd, struct err *err)
{
	struct event_log *el = xcalloc(1, sizeof *el);

	if (region_init(&el->rg, fd, "reeve-events", event_layout(),
		sizeof *el->ring, err) == -1) {
		free(el);
		return NULL;
	}
	el->ring = (struct ring *)(void *)(el->rg.map + REGION_HEAD);
	event_read(el);
	return el;
}

void
event_close(struct event_log *el)
{
	if (el == NULL)
		return;
	BUG_ON(el->is_telling);
	region_fini(&el->rg);
	free(el);
}

int
event_fd(const struct event_log *el)
{
	return el->rg.fd;
}

/* Cuts between characters: half of one is no UTF-8. */
static void
event_copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (n >= size) {
		n = size - 1;
		for (int i = 0; i < 3 && (from[n] & 0xc0) == 0x80; i++)
			n--;
	}
	memcpy(to, from, n);
	memset(to + n, 0, size - n);
}

static void
event_tell(struct event_log *el)
{
	el->is_telling = true;
	while (el->told < el->last) {
		const struct event *there = event_get(el, ++el->told);
		struct event ev;

		if (there == NULL)
			continue;
		ev = *there; /* a watcher may fill the ring */
		for (struct event_watcher *w = el->watchers; w != NULL;
		     w = el->turn) {
			el->turn = w->next;
			w->cb(w->arg, &ev);
		}
	}
	el->is_telling = false;
}

void
event_add(
    struct event_log *el, const char *name, const char *kind, const char *text)
{
	struct event *at,
	    ev = { .seq = el->last + 1, .at_ms = clock_wall_ms() };

	event_copy(ev.name, sizeof ev.name, name);
	event_copy(ev.kind, sizeof ev.kind, kind);
	event_copy(ev.text, sizeof ev.text, text);
	ev.sum = event_sum(&ev);
	at = event_at(el, ev.seq);
	*at = ev;
	region_barrier();
	el->ring->last = ev.seq;
	el->ring->check = ~ev.seq;
	el->last = ev.seq;
	if (el->last - el->first >= EVENT_RING)
		el->first = el->last - EVENT_RING + 1;
	if (!el->is_telling)
		event_tell(el);
}

uint64_t
event_last(const struct event_log *el)
{
	return el->last;
}

uint64_t
event_first(const struct event_log *el)
{
	return el->first;
}

const struct event *
event_get(const struct event_log *el, uint64_t seq)
{
	const struct event *ev = event_at(el, seq);

	return seq != 0 && ev->seq == seq ? ev : NULL;
}

void
event_watch(
    struct event_log *el, struct event_watcher *w, event_cb *cb, void *arg)
{
	w->cb = cb;
	w->arg = arg;
	w->next = el->watchers;
	el->watchers = w;
}

void
event_unwatch(struct event_log *el, struct event_watcher *w)
{
	struct event_watcher **p = &el->watchers;

	if (el->turn == w)
		el->turn = w->next;
	while (*p != NULL && *p != w)
		p = &(*p)->next;
	if (*p != NULL)
		*p = w->next;
}
