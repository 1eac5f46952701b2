/* due - when a task with a schedule runs.  See due.h. */
#include "engine/due.h"

#include <string.h>

/* The newest times in a span, oldest first. */
struct newest {
	wall_ms v[DUE_RUNS + 1];
	size_t n;
};

static wall_ms
due_next(const struct due_rule *rule, wall_ms after)
{
	time_t next = cron_next(rule->cron, (time_t)(after / 1000), rule->zone);

	return next != -1 ? (wall_ms)next * 1000 : 0;
}

static void
newest_in(struct newest *out, const struct due_rule *rule, wall_ms after,
    wall_ms until)
{
	wall_ms at = after;

	out->n = 0;
	while ((at = due_next(rule, at)) != 0 && at <= until) {
		if (out->n == DUE_RUNS + 1)
			memmove(
			    out->v, out->v + 1, --out->n * sizeof out->v[0]);
		out->v[out->n++] = at;
	}
}

/*
 * Backwards in spans that double: who was away for years with "@every 1s" is
 * not told of every second.
 */
static void
due_newest(
    struct newest *out, const struct due_rule *rule, wall_ms last, wall_ms now)
{
	int64_t span = DUE_LATE_MS;

	do {
		newest_in(
		    out, rule, span < now - last ? now - span : last, now);
		span *= 2;
	} while (out->n <= DUE_RUNS && span / 2 < now - last);
}

void
due_look(struct due_look *out, const struct due_rule *rule, wall_ms last,
    wall_ms now)
{
	struct newest nw;
	size_t from;

	*out = (struct due_look){ .last = last };
	if (last - now > DUE_BACK_MS) {
		out->last = last = now;
		out->anew = true;
	}
	out->next = due_next(rule, last);
	if (out->next == 0 || out->next > now)
		return;
	due_newest(&nw, rule, last, now);
	out->last = nw.v[nw.n - 1];
	out->next = due_next(rule, out->last);
	from = nw.n - 1;
	if (rule->catch_up == CATCH_UP_ALL)
		from = nw.n > DUE_RUNS ? nw.n - DUE_RUNS : 0;
	else if (rule->catch_up == CATCH_UP_NO && now - out->last > DUE_LATE_MS)
		from = nw.n;
	out->missed = from > 0;
	for (size_t i = from; i < nw.n; i++)
		out->runs[out->nruns++] = nw.v[i];
}

int64_t
due_jitter(const char *name, wall_ms due, int64_t most)
{
	uint64_t h = (uint64_t)due;

	if (most == 0)
		return 0;
	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return (int64_t)(h % ((uint64_t)most + 1));
}
