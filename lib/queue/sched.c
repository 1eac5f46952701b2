/*
 * sched - which task of the queue is next.  See sched.h.
 *
 * A task that waits for others is in no heap; one that waits for its time is
 * in the heap of times; one that only waits for a place is in its group's
 * heap.  Groups take turns.
 */
#include "queue/sched.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

/* uthash's own falls through its cases in a way that clang warns of. */
#define HASH_FUNCTION(key, len, hash)                                          \
	(hash) = (unsigned)((*(const uint64_t *)(key)*UINT64_C(                \
				0x9e3779b97f4a7c15)) >>                        \
			    32)
#include <uthash.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS   60000

enum sched_state {
	SS_BLOCKED, /* waits for others */
	SS_DELAYED, /* waits for its time */
	SS_READY,   /* waits for a place */
	SS_RUNNING, /* has one */
	SS_STOPPED, /* had one */
};

struct item {
	UT_hash_handle hh;
	uint64_t id;
	struct sched_group *group;
	enum sched_state state;
	int32_t priority;
	int64_t not_before;
	size_t at; /* in its heap */
	size_t blockers;
	uint64_t *after; /* those it still waits for, and some that ended */
	size_t nafter;
	uint64_t *waiters; /* those that wait for it, and some that are gone */
	size_t nwaiters, waiters_cap;
};

struct heap {
	struct item **v;
	size_t n, cap;
	bool (*before)(const struct item *a, const struct item *b);
};

struct sched_group {
	TAILQ_ENTRY(sched_group) entry;
	uid_t uid;
	char *name;
	int parallel; /* 0: the standard */
	bool detached;
	int running;
	size_t items;
	bool paused;
	struct heap ready;
};

TAILQ_HEAD(group_list, sched_group);

struct sched {
	int parallel;
	struct item *items;
	struct group_list groups; /* the next to have its turn is first */
	struct heap delayed;
	size_t running;
};

/* --- heaps ------------------------------------------------------------------
 */

static bool
item_sooner(const struct item *a, const struct item *b)
{
	return a->priority != b->priority ? a->priority > b->priority
					  : a->id < b->id;
}

static bool
item_earlier(const struct item *a, const struct item *b)
{
	return a->not_before != b->not_before ? a->not_before < b->not_before
					      : a->id < b->id;
}

static void
heap_put(struct heap *h, size_t at, struct item *it)
{
	h->v[at] = it;
	it->at = at;
}

static void
heap_up(struct heap *h, size_t at)
{
	struct item *it = h->v[at];

	for (; at > 0 && h->before(it, h->v[(at - 1) / 2]); at = (at - 1) / 2)
		heap_put(h, at, h->v[(at - 1) / 2]);
	heap_put(h, at, it);
}

static void
heap_down(struct heap *h, size_t at)
{
	struct item *it = h->v[at];
	size_t child;

	while ((child = 2 * at + 1) < h->n) {
		if (child + 1 < h->n && h->before(h->v[child + 1], h->v[child]))
			child++;
		if (!h->before(h->v[child], it))
			break;
		heap_put(h, at, h->v[child]);
		at = child;
	}
	heap_put(h, at, it);
}

static void
heap_add(struct heap *h, struct item *it)
{
	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 16 : h->cap * 2;
		h->v = xreallocarray(h->v, h->cap, sizeof *h->v);
	}
	heap_put(h, h->n++, it);
	heap_up(h, it->at);
}

static void
heap_remove(struct heap *h, struct item *it)
{
	size_t at = it->at;
	struct item *last = h->v[--h->n];

	BUG_ON(at > h->n || (at < h->n && h->v[at] != it));
	if (last != it) {
		heap_put(h, at, last);
		heap_up(h, at);
		heap_down(h, last->at);
	}
	if (h->n == 0) {
		freep(&h->v);
		h->cap = 0;
	}
}

/* --- groups -----------------------------------------------------------------
 */

static struct sched_group *
sched_group(struct sched *s, uid_t uid, const char *name)
{
	struct sched_group *g;

	TAILQ_FOREACH(g, &s->groups, entry)
		if (g->uid == uid && strcmp(g->name, name) == 0)
			return g;
	g = xcalloc(1, sizeof *g);
	g->uid = uid;
	g->name = xstrdup(name);
	g->detached = strcmp(name, SCHED_DETACHED) == 0;
	g->ready.before = item_sooner;
	TAILQ_INSERT_TAIL(&s->groups, g, entry);
	return g;
}

static bool
group_has_room(const struct sched *s, const struct sched_group *g)
{
	int n = g->parallel != 0 ? g->parallel
		: g->detached    ? SCHED_UNLIMITED
				 : s->parallel;

	return !g->paused && g->running < n;
}

static void
group_free(struct sched *s, struct sched_group *g)
{
	TAILQ_REMOVE(&s->groups, g, entry);
	free(g->ready.v);
	free(g->name);
	free(g);
}

/* One that is as if it had never been. */
static void
group_tidy(struct sched *s, struct sched_group *g)
{
	if (g->items == 0 && g->parallel == 0 && !g->paused)
		group_free(s, g);
}

void
sched_parallel(struct sched *s, uid_t uid, const char *group, int n)
{
	struct sched_group *g = sched_group(s, uid, group);

	g->parallel = n;
	group_tidy(s, g);
}

void
sched_pause(struct sched *s, uid_t uid, const char *group, bool paused)
{
	struct sched_group *g = sched_group(s, uid, group);

	g->paused = paused;
	group_tidy(s, g);
}

/* --- tasks ------------------------------------------------------------------
 */

struct sched *
sched_new(int parallel)
{
	struct sched *s = xcalloc(1, sizeof *s);

	s->parallel = parallel;
	s->delayed.before = item_earlier;
	TAILQ_INIT(&s->groups);
	return s;
}

static struct item *
sched_find(const struct sched *s, uint64_t id)
{
	struct item *it;

	HASH_FIND(hh, s->items, &id, sizeof id, it);
	return it;
}

/* It waits for no other. */
static void
item_wait(struct sched *s, struct item *it)
{
	if (it->not_before > 0) {
		it->state = SS_DELAYED;
		heap_add(&s->delayed, it);
	} else {
		it->state = SS_READY;
		heap_add(&it->group->ready, it);
	}
}

static void
item_leave(struct sched *s, struct item *it)
{
	switch (it->state) {
	case SS_DELAYED:
		heap_remove(&s->delayed, it);
		break;
	case SS_READY:
		heap_remove(&it->group->ready, it);
		break;
	case SS_RUNNING:
		it->group->running--;
		s->running--;
		break;
	case SS_BLOCKED:
	case SS_STOPPED:
		break;
	}
	it->state = SS_STOPPED;
}

static void
item_run(struct sched *s, struct item *it)
{
	it->state = SS_RUNNING;
	it->group->running++;
	s->running++;
}

static void
item_block(struct item *it, struct item *by)
{
	if (by->nwaiters == by->waiters_cap) {
		by->waiters_cap = by->waiters_cap * 2 + 4;
		by->waiters = xreallocarray(
		    by->waiters, by->waiters_cap, sizeof *by->waiters);
	}
	by->waiters[by->nwaiters++] = it->id;
	it->after = xreallocarray(it->after, it->nafter + 1, sizeof *it->after);
	it->after[it->nafter++] = by->id;
	it->blockers++;
}

static bool
item_waits_for(const struct item *it, uint64_t id)
{
	for (size_t i = 0; i < it->nafter; i++)
		if (it->after[i] == id)
			return true;
	return false;
}

static struct item *
item_new(struct sched *s, const struct sched_task *t)
{
	struct item *it = xcalloc(1, sizeof *it);

	BUG_ON(sched_find(s, t->id) != NULL);
	it->id = t->id;
	it->group = sched_group(s, t->uid, t->group);
	it->priority = t->priority;
	it->not_before = t->not_before;
	it->group->items++;
	HASH_ADD(hh, s->items, id, sizeof it->id, it);
	return it;
}

static void
item_free(struct sched *s, struct item *it)
{
	HASH_DEL(s->items, it);
	it->group->items--;
	group_tidy(s, it->group);
	free(it->after);
	free(it->waiters);
	free(it);
}

void
sched_add(struct sched *s, const struct sched_task *t)
{
	struct item *it = item_new(s, t);

	for (size_t i = 0; i < t->nafter; i++) {
		struct item *by = sched_find(s, t->after[i]);

		if (by != NULL && by != it && !item_waits_for(it, by->id))
			item_block(it, by);
	}
	if (it->blockers == 0)
		item_wait(s, it);
	else
		it->state = SS_BLOCKED;
}

void
sched_add_running(struct sched *s, const struct sched_task *t)
{
	item_run(s, item_new(s, t));
}

/* Those whose time has come wait for a place from now on. */
static void
sched_pass(struct sched *s, int64_t now)
{
	struct item *it;

	while (s->delayed.n > 0 && s->delayed.v[0]->not_before <= now) {
		it = s->delayed.v[0];
		heap_remove(&s->delayed, it);
		it->state = SS_READY;
		heap_add(&it->group->ready, it);
	}
}

uint64_t
sched_next(struct sched *s, int64_t now, bool slot)
{
	struct sched_group *g;
	struct item *it;

	sched_pass(s, now);
	TAILQ_FOREACH(g, &s->groups, entry)
		if (g->ready.n > 0 && g->detached != slot &&
		    group_has_room(s, g))
			break;
	if (g == NULL)
		return 0;
	it = g->ready.v[0];
	heap_remove(&g->ready, it);
	item_run(s, it);
	TAILQ_REMOVE(&s->groups, g, entry);
	TAILQ_INSERT_TAIL(&s->groups, g, entry);
	return it->id;
}

bool
sched_take(struct sched *s, uint64_t id, int64_t now)
{
	struct item *it = sched_find(s, id);

	sched_pass(s, now);
	if (it == NULL || it->state != SS_READY ||
	    !group_has_room(s, it->group))
		return false;
	heap_remove(&it->group->ready, it);
	item_run(s, it);
	return true;
}

bool
sched_wants_slot(struct sched *s, int64_t now)
{
	const struct sched_group *g;

	sched_pass(s, now);
	TAILQ_FOREACH(g, &s->groups, entry)
		if (g->ready.n > 0 && !g->detached && group_has_room(s, g))
			return true;
	return false;
}

void
sched_standard(struct sched *s, int parallel)
{
	s->parallel = parallel;
}

void
sched_stopped(struct sched *s, uint64_t id)
{
	struct item *it = sched_find(s, id);

	if (it != NULL)
		item_leave(s, it);
}

void
sched_again(struct sched *s, uint64_t id, int64_t not_before)
{
	struct item *it = sched_find(s, id);

	if (it == NULL)
		return;
	item_leave(s, it);
	it->not_before = not_before;
	item_wait(s, it);
}

static void
item_unblock(struct sched *s, struct item *it)
{
	BUG_ON(it->blockers == 0 || it->state != SS_BLOCKED);
	if (--it->blockers == 0)
		item_wait(s, it);
}

void
sched_end(struct sched *s, uint64_t id, bool ok,
    void (*failed)(void *arg, uint64_t id), void *arg)
{
	struct item *it = sched_find(s, id), *waiter;
	uint64_t *waiters;
	size_t n;

	if (it == NULL)
		return;
	item_leave(s, it);
	waiters = it->waiters;
	n = it->nwaiters;
	it->waiters = NULL;
	item_free(s, it);
	for (size_t i = 0; i < n; i++) {
		waiter = sched_find(s, waiters[i]);
		if (waiter == NULL || waiter->state != SS_BLOCKED)
			continue;
		if (ok)
			item_unblock(s, waiter);
		else
			failed(arg, waiter->id);
	}
	free(waiters);
}

/* --- questions --------------------------------------------------------------
 */

enum sched_wait
sched_waits(const struct sched *s, uint64_t id)
{
	const struct item *it = sched_find(s, id);

	if (it == NULL)
		return SCHED_WAIT_NOTHING;
	switch (it->state) {
	case SS_BLOCKED:
		return SCHED_WAIT_OTHERS;
	case SS_DELAYED:
		return SCHED_WAIT_TIME;
	case SS_READY:
		if (it->group->paused)
			return SCHED_WAIT_PAUSED;
		return group_has_room(s, it->group) ? SCHED_WAIT_SLOT
						    : SCHED_WAIT_PLACE;
	case SS_RUNNING:
	case SS_STOPPED:
		break;
	}
	return SCHED_WAIT_NOTHING;
}

int64_t
sched_due(const struct sched *s)
{
	return s->delayed.n > 0 ? s->delayed.v[0]->not_before : INT64_MAX;
}

bool
sched_has(const struct sched *s, uint64_t id)
{
	return sched_find(s, id) != NULL;
}

size_t
sched_running(const struct sched *s)
{
	return s->running;
}

size_t
sched_count(const struct sched *s)
{
	return HASH_COUNT(s->items);
}

int64_t
sched_backoff_ms(unsigned tries)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (; tries > 1 && ms < BACKOFF_MAX_MS; tries--)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void
sched_free(struct sched *s)
{
	struct sched_group *g;
	struct item *it, *next;

	if (s == NULL)
		return;
	HASH_ITER(hh, s->items, it, next)
		item_free(s, it);
	while ((g = TAILQ_FIRST(&s->groups)) != NULL)
		group_free(s, g);
	free(s->delayed.v);
	free(s);
}
