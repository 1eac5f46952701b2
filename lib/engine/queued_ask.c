/* queued_ask - what others want to know of the queue's tasks. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"

char *
queued_waits(struct engine *en, const struct queue_task *t)
{
	struct queued *q = queued_get(en);
	struct live *l = live_find(q, t->id);
	struct buf b;

	if (l == NULL || l->phase != LP_WAITING)
		return NULL;
	switch (sched_waits(q->sched, t->id)) {
	case SCHED_WAIT_NOTHING:
		return NULL;
	case SCHED_WAIT_OTHERS:
		break;
	case SCHED_WAIT_TIME:
		return xstrdup("its time");
	case SCHED_WAIT_PAUSED:
		return xasprintf("group %s, which is paused", t->group);
	case SCHED_WAIT_PLACE:
		return xasprintf(
		    "a place: group %s runs as many as it may", t->group);
	case SCHED_WAIT_SLOT:
		return xasprintf("a CPU: cpu_slots is %d, and all are taken",
		    slots_total(q->slots));
	}
	buf_init(&b);
	for (size_t i = 0; i < t->nafter; i++)
		if (live_find(q, t->after[i]) != NULL)
			buf_addf(&b, "%s%llu", b.len > 0 ? ", " : "task ",
			    (unsigned long long)t->after[i]);
	return buf_steal(&b);
}

pid_t
queued_pid(struct engine *en, uint64_t id)
{
	struct live *l = en->queued != NULL ? live_find(en->queued, id) : NULL;

	return l != NULL && l->work != NULL ? task_pid(l->work->task) : 0;
}

void
queued_watch(struct engine *en, struct queued_watch *w)
{
	struct queued *q = queued_get(en);

	w->next = q->watches;
	q->watches = w;
}

void
queued_unwatch(struct engine *en, struct queued_watch *w)
{
	struct queued_watch **at = &queued_get(en)->watches;

	while (*at != NULL && *at != w)
		at = &(*at)->next;
	if (*at != NULL)
		*at = w->next;
}
