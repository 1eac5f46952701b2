/*
 * report - what is told of the pool: JSON.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "ctl/jw.h"
#include "reeve-pool.h"

/* The last job that is listed, and what ends the answer, fit behind it. */
#define JOBS_TEXT_MAX (POOL_MSG_MAX - 128 * 1024)

static void
report_times(struct jw *w, const char *key, const struct hist *h)
{
	jw_obj(w, key);
	jw_int(w, "mean", h->n == 0 ? 0 : (int64_t)(h->sum / h->n));
	jw_int(w, "p50", (int64_t)hist_percentile(h, 50));
	jw_int(w, "p95", (int64_t)hist_percentile(h, 95));
	jw_int(w, "p99", (int64_t)hist_percentile(h, 99));
	jw_int(w, "max", (int64_t)h->max);
	jw_end_obj(w);
}

static void
report_pool(struct jw *w, const struct pd_pool *p)
{
	struct pool_stats st;

	pool_get_stats(p->pool, &st);
	jw_obj(w, NULL);
	jw_str(w, "name", p->name);
	jw_int(w, "threads", st.threads);
	jw_int(w, "busy", st.busy);
	jw_int(w, "abandoned", st.abandoned);
	jw_int(w, "queued", st.queued);
	jw_int(w, "queue", st.bound);
	jw_int(w, "submitted", (int64_t)st.submitted);
	jw_int(w, "refused", (int64_t)st.refused);
	jw_int(w, "stuck", (int64_t)st.stuck);
	jw_end_obj(w);
}

static void
report_kind(struct jw *w, const struct pd_kind *k, bool all)
{
	jw_obj(w, NULL);
	jw_str(w, "kind", k->name);
	jw_str(w, "pool", k->pool->name);
	if (!all) {
		jw_str(w, "summary", k->plugin->summary);
		jw_bool(w, "plugin", k->loaded != NULL);
		jw_int(w, "concurrency", k->cls.limit);
		jw_end_obj(w);
		return;
	}
	jw_obj(w, "results");
	for (unsigned i = 0; i < PR_N; i++)
		if (k->results[i] > 0)
			jw_int(w, pool_status_name(i), (int64_t)k->results[i]);
	jw_end_obj(w);
	report_times(w, "wait_us", &k->wait);
	report_times(w, "run_us", &k->run);
	jw_end_obj(w);
}

static bool
kind_was_used(const struct pd_kind *k)
{
	for (unsigned i = 0; i < PR_N; i++)
		if (k->results[i] > 0)
			return true;
	return false;
}

/* A client's; as long as it likes to make it. */
static void
report_name(struct jw *w, const char *key, const char *name)
{
	char text[PATH_MAX];

	if (name != NULL && strlen(name) >= sizeof text) {
		(void)snprintf(text, sizeof text, "%.4000s...", name);
		name = text;
	}
	jw_str(w, key, name);
}

static void
report_job(struct jw *w, const struct pd_job *j)
{
	char text[JOB_TEXT_MAX + 1];
	int percent = job_progress_get(&j->progress, text, sizeof text);

	jw_obj(w, NULL);
	jw_int(w, "id", (int64_t)j->serial);
	jw_str(w, "kind", j->kind->name);
	jw_str(w, "state", atomic_load(&j->running) ? "running" : "queued");
	report_name(w, "input", j->spec.in.name);
	report_name(w, "output", j->spec.out.name);
	jw_int(w, "priority", j->pj.priority);
	jw_int(w, "percent", percent);
	jw_str(w, "doing", text);
	jw_end_obj(w);
}

static size_t
report_of(struct jw *w, const struct buf *b, const struct peer *p, bool run)
{
	size_t left = 0;

	for (const struct pd_job *j = p->jobs; j != NULL; j = j->next) {
		if (atomic_load(&j->running) != run)
			continue;
		if (b->len < JOBS_TEXT_MAX)
			report_job(w, j);
		else
			left++;
	}
	return left;
}

/* Those that run, or those that wait, as long as there is room. */
static size_t
report_some(struct jw *w, const struct buf *b, struct daemon *d, bool run)
{
	size_t left =
	    d->kept != NULL ? report_of(w, b, kept_nobody(d), run) : 0;

	for (const struct peer *p = d->peers; p != NULL; p = p->next)
		left += report_of(w, b, p, run);
	return left;
}

static void
report_jobs(struct jw *w, const struct buf *b, struct daemon *d)
{
	size_t left;

	jw_arr(w, "jobs");
	left = report_some(w, b, d, true);
	left += report_some(w, b, d, false);
	jw_end_arr(w);
	jw_int(w, "not_listed", (int64_t)left);
}

static bool
report_cancel_of(struct peer *p, uint64_t serial)
{
	for (struct pd_job *j = p->jobs; j != NULL; j = j->next)
		if (j->serial == serial) {
			job_cancel(p, j->id);
			return true;
		}
	return false;
}

/* "cancel 17": by the number that `jobs` tells. */
static bool
report_cancel(struct daemon *d, const char *number)
{
	int64_t serial;

	if (!str_to_i64(number, 1, INT64_MAX, &serial))
		return false;
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (report_cancel_of(p, (uint64_t)serial))
			return true;
	return d->kept != NULL &&
	       report_cancel_of(kept_nobody(d), (uint64_t)serial);
}

char *
report_make(struct daemon *d, const char *what)
{
	bool stats = strcmp(what, "stats") == 0;
	bool kinds = strcmp(what, "kinds") == 0;
	struct buf b;
	struct jw w;

	if (str_starts(what, "cancel "))
		return xasprintf("{\"cancelled\":%s}",
		    report_cancel(d, what + 7) ? "true" : "false");
	if (!stats && !kinds && strcmp(what, "jobs") != 0)
		return NULL;
	buf_init(&b);
	jw_init(&w, &b);
	jw_obj(&w, NULL);
	if (stats) {
		jw_int(&w, "pid", getpid());
		jw_int(&w, "clients", (int64_t)d->npeers);
		jw_int(&w, "jobs", (int64_t)d->njobs);
		jw_arr(&w, "pools");
		for (size_t i = 0; i < d->npools; i++)
			report_pool(&w, &d->pools[i]);
		jw_end_arr(&w);
	}
	if (stats || kinds) {
		jw_arr(&w, "kinds");
		for (size_t i = 0; i < d->nkinds; i++)
			if (kinds || kind_was_used(&d->kinds[i]))
				report_kind(&w, &d->kinds[i], stats);
		jw_end_arr(&w);
	} else {
		report_jobs(&w, &b, d);
	}
	jw_end_obj(&w);
	return buf_steal(&b);
}
