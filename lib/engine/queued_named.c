/* queued_named - tasks of the queue that have not ended, by their names. */
#include <stdlib.h>
#include <string.h>

#include "engine/queued_priv.h"

/* Is it the task whose run it is, and not one that it depends on? */
static bool
live_is(const struct live *l, const char *name)
{
	size_t n = strlen(name);

	return l->key != NULL && strncmp(l->key, name, n) == 0 &&
	       l->key[n] == '@' && strcmp(queue_key_name(l->key), name) == 0;
}

static bool
live_in(const struct live *l, const char *run)
{
	size_t n = run != NULL ? strlen(run) : 0;

	return run != NULL && l->key != NULL && strncmp(l->key, run, n) == 0 &&
	       l->key[n] == '/';
}

size_t
queued_named_count(struct engine *en, const char *name, const char *run)
{
	struct live *l, *next;
	size_t n = 0;

	HASH_ITER(hh, queued_get(en)->lives, l, next)
		n += live_is(l, name) && !live_in(l, run);
	return n;
}

bool
queued_named_has(struct engine *en, const char *name, const char *run)
{
	struct live *l, *next;

	HASH_ITER(hh, queued_get(en)->lives, l, next)
		if (live_is(l, name) && live_in(l, run))
			return true;
	return false;
}

bool
queued_named_busy(struct engine *en, const char *name)
{
	struct live *l, *next;
	bool busy = false;

	HASH_ITER(hh, queued_get(en)->lives, l, next) {
		if (!live_is(l, name) || l->cancel)
			continue;
		if (l->phase != LP_WAITING)
			busy = true;
		else if (l->key[strlen(name) + 1] != NAMED_CHANGE)
			continue;
		else if (l->tries == 0)
			busy = true;
		else
			queued_cancel(en, l->id);
	}
	return busy;
}

void
queued_named_cancel(struct engine *en, const char *name, const char *run)
{
	struct live *l, *next;
	size_t n = strlen(name);

	HASH_ITER(hh, queued_get(en)->lives, l, next)
		if (l->key != NULL && strncmp(l->key, name, n) == 0 &&
		    l->key[n] == '@' && !live_in(l, run))
			queued_cancel(en, l->id);
}

int64_t
queued_backoff(const struct queued *q, const struct live *l)
{
	const char *name = queue_key_name(l->key);
	const struct config_task *t =
	    name != NULL ? config_task_find(q->en->cf, name) : NULL;
	int64_t ms;

	if (t == NULL)
		return sched_backoff_ms((unsigned)l->tries);
	ms = t->backoff_min_ms;
	for (int i = 1; i < l->tries && ms < t->backoff_max_ms; i++)
		ms *= 2;
	return ms < t->backoff_max_ms ? ms : t->backoff_max_ms;
}

size_t
named_live(const struct engine *en, const char *name)
{
	struct live *l, *next;
	size_t n = 0;

	if (en->queued == NULL)
		return 0;
	HASH_ITER(hh, en->queued->lives, l, next)
		n += str_equal(queue_key_name(l->key), name);
	return n;
}

void
named_cancel(struct engine *en, const char *run)
{
	struct live *l, *next;

	HASH_ITER(hh, queued_get(en)->lives, l, next)
		if (live_in(l, run))
			queued_cancel(en, l->id);
}
