/*
 * queued_lost - tasks that ran when their reeved was killed.
 *
 * The processes of such a task are nobody's, and may go on for days.  Before
 * it is tried again, or told to be lost, they are killed, and it is seen that
 * they are gone: no task runs twice at the same time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"

#define LOST_FIRST_MS 20
#define LOST_MAX_MS   1000

/* What no other reeved has: boot, pid, start. */
void
queued_host(struct queued *q)
{
	const struct keeper_welcome *w = keeperlink_welcome(q->en->kl);
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	snprintf(q->boot, sizeof q->boot, "?");
	if (f != NULL) {
		if (fscanf(f, "%39s", q->boot) != 1)
			snprintf(q->boot, sizeof q->boot, "?");
		fclose(f);
	}
	snprintf(q->host, sizeof q->host, "%s/%d/%" PRIu64, q->boot,
	    (int)w->origin, w->origin_start);
}

/* false: of another boot, or not known: nothing of it can be found. */
static bool
lost_parse(
    const struct queued *q, const struct queue_task *t, struct tree_lost *tl)
{
	size_t len = strlen(q->boot);
	int pid;

	memset(tl, 0, sizeof *tl);
	tl->task = t->id;
	if (t->host == NULL || strcmp(q->boot, "?") == 0 ||
	    strncmp(t->host, q->boot, len) != 0 ||
	    sscanf(t->host + len, "/%d/%" SCNu64, &pid, &tl->start) != 2)
		return false;
	tl->keeper = pid;
	return pid > 0 && tl->start > 0;
}

static void
lost_over(struct queued *q, struct live *l)
{
	struct queue_task end;

	sched_stopped(q->sched, l->id);
	queue_task_init(&end);
	end.reason = xasprintf("reeved ended while it ran%s",
	    l->lost.killed > 0 ? ", what was left of it was killed" : "");
	live_fail(q, l, QS_LOST, &end);
}

void
lost_begin(struct queued *q, struct live *l, const struct queue_task *t)
{
	l->phase = LP_LOST;
	if (!lost_parse(q, t, &l->lost))
		lost_over(q, l);
}

/* Those that are looked for, in an array of *n; the caller's to free. */
static struct tree_lost *
lost_collect(const struct queued *q, size_t *n)
{
	struct tree_lost *v = NULL;
	struct live *l, *next;

	*n = 0;
	HASH_ITER(hh, q->lives, l, next) {
		if (l->phase != LP_LOST)
			continue;
		v = xreallocarray(v, *n + 1, sizeof *v);
		v[(*n)++] = l->lost;
	}
	return v;
}

static void
lost_again(struct queued *q)
{
	q->lost_ms = q->lost_ms == 0 ? LOST_FIRST_MS : q->lost_ms * 2;
	if (q->lost_ms > LOST_MAX_MS)
		q->lost_ms = LOST_MAX_MS;
	loop_timer_start(&q->lost, q->lost_ms);
}

void
lost_look(struct queued *q)
{
	pid_t keeper = keeperlink_welcome(q->en->kl)->pid;
	bool left = false, killed = false;
	size_t n;
	struct tree_lost *v = lost_collect(q, &n);

	if (n == 0 || q->en->stopping)
		goto out;
	tree_lost_kill(v, n, keeper);
	for (size_t i = 0; i < n; i++) {
		struct live *l = live_find(q, v[i].task);

		if (v[i].killed > 0 && l->lost.killed == 0)
			log_warnx("task %llu: %d processes that are left of "
				  "another reeved are killed",
			    (unsigned long long)l->id, v[i].killed);
		l->lost = v[i];
		left = left || v[i].left > 0;
		killed = killed || v[i].killed > 0;
		if (v[i].left == 0)
			lost_over(q, l);
	}
	if (left)
		lost_again(q);
	else if (killed)
		tree_base_tidy();
out:
	free(v);
}

void
lost_on_timer(struct loop_timer *t, void *arg)
{
	struct queued *q = arg;

	(void)t;
	lost_look(q);
	queued_step(q);
}
