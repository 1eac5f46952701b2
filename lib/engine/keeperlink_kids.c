/* keeperlink_kids - the engine's copy of the keeper's table of children. */
#include "engine/keeperlink_kids.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

/* Where id is, or would be. */
static size_t
kids_place(const struct kids *ks, uint64_t id)
{
	size_t lo = 0, hi = ks->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ks->v[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct keeper_kid *
kids_find(const struct kids *ks, uint64_t id)
{
	size_t i = kids_place(ks, id);

	return i < ks->n && ks->v[i].id == id ? &ks->v[i] : NULL;
}

struct keeper_kid *
kids_add(struct kids *ks, uint64_t id, const char *label)
{
	size_t i = kids_place(ks, id);

	BUG_ON(i < ks->n && ks->v[i].id == id);
	if (ks->n == ks->cap) {
		ks->cap += ks->cap / 4 + 16;
		ks->v = xreallocarray(ks->v, ks->cap, sizeof *ks->v);
	}
	memmove(&ks->v[i + 1], &ks->v[i], (ks->n - i) * sizeof *ks->v);
	ks->n++;
	ks->v[i] = (struct keeper_kid){ .id = id };
	/* Of instances, which stay, it would be a block among those that
	 * come and go, and a hole for each. */
	if (label[0] == '!')
		ks->v[i].label = xstrdup(label);
	return &ks->v[i];
}

void
kids_started(struct kids *ks, uint64_t id, pid_t pid, mono_ms started_ms)
{
	struct keeper_kid *k = kids_find(ks, id);

	if (k == NULL)
		return;
	k->pid = pid;
	k->started_ms = started_ms;
}

void
kids_over(struct kids *ks, uint64_t id, const struct keeper_exit *ex, int stage,
    int errnum)
{
	struct keeper_kid *k = kids_find(ks, id);

	if (k == NULL)
		return;
	if (k->end == NULL)
		k->end = xcalloc(1, sizeof *k->end);
	k->end->ran = ex != NULL;
	k->end->stage = stage;
	k->end->errnum = errnum;
	if (ex != NULL)
		k->end->ex = *ex;
}

void
kids_remove(struct kids *ks, uint64_t id)
{
	size_t i = kids_place(ks, id);

	if (i == ks->n || ks->v[i].id != id)
		return;
	free(ks->v[i].label);
	free(ks->v[i].end);
	ks->n--;
	memmove(&ks->v[i], &ks->v[i + 1], (ks->n - i) * sizeof *ks->v);
}

void
kids_fini(struct kids *ks)
{
	while (ks->n > 0)
		kids_remove(ks, ks->v[ks->n - 1].id);
	free(ks->v);
	ks->v = NULL;
	ks->cap = 0;
}
