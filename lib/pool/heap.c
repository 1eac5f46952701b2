/*
 * heap, list - a binary heap of the deadlines, and lists that know their
 * members' place: both take a job out from anywhere, and allocate nothing.
 */
#include "base/log.h"
#include "pool/pool_priv.h"

static void
heap_put(struct pool *p, unsigned i, struct pool_job *job)
{
	p->heap[i] = job;
	job->heap_at = i + 1;
}

static void
heap_up(struct pool *p, unsigned i, struct pool_job *job)
{
	unsigned up;

	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (p->heap[up]->deadline_ns <= job->deadline_ns)
			break;
		heap_put(p, i, p->heap[up]);
	}
	heap_put(p, i, job);
}

static void
heap_down(struct pool *p, unsigned i, struct pool_job *job)
{
	unsigned down;

	for (; (down = 2 * i + 1) < p->nheap; i = down) {
		if (down + 1 < p->nheap &&
		    p->heap[down + 1]->deadline_ns < p->heap[down]->deadline_ns)
			down++;
		if (job->deadline_ns <= p->heap[down]->deadline_ns)
			break;
		heap_put(p, i, p->heap[down]);
	}
	heap_put(p, i, job);
}

void
pool_deadline_clear(struct pool *p, struct pool_job *job)
{
	unsigned i = job->heap_at;
	struct pool_job *last;

	if (i-- == 0)
		return;
	job->heap_at = 0;
	last = p->heap[--p->nheap];
	if (last == job)
		return;
	if (i > 0 && last->deadline_ns < p->heap[(i - 1) / 2]->deadline_ns)
		heap_up(p, i, last);
	else
		heap_down(p, i, last);
}

void
pool_deadline_set(struct pool *p, struct pool_job *job, int64_t at_ns)
{
	pool_deadline_clear(p, job);
	BUG_ON(p->nheap >= p->heap_room);
	job->deadline_ns = at_ns;
	heap_up(p, p->nheap++, job);
}

struct pool_job *
pool_deadline_first(const struct pool *p)
{
	return p->nheap == 0 ? NULL : p->heap[0];
}

void
pool_list_append(struct pool_list *l, struct pool_job *job)
{
	job->next = NULL;
	job->prev = l->last;
	if (l->last != NULL)
		l->last->next = job;
	else
		l->first = job;
	l->last = job;
}

void
pool_list_insert(struct pool_list *l, struct pool_job *job)
{
	struct pool_job *next = l->first;

	/* Few are before it: only what was parked and may run by now. */
	while (next != NULL && next->parked_at != 0 &&
	       next->parked_at < job->parked_at)
		next = next->next;
	if (next == NULL) {
		pool_list_append(l, job);
		return;
	}
	job->next = next;
	job->prev = next->prev;
	*(job->prev != NULL ? &job->prev->next : &l->first) = job;
	next->prev = job;
}

void
pool_list_remove(struct pool_list *l, struct pool_job *job)
{
	*(job->prev != NULL ? &job->prev->next : &l->first) = job->next;
	*(job->next != NULL ? &job->next->prev : &l->last) = job->prev;
	job->next = job->prev = NULL;
}
