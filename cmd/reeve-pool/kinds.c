/*
 * kinds - which kinds of jobs there are, and which threads run them.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "pool/kinds/kinds.h"
#include "reeve-pool.h"

static struct pd_pool *
pool_find(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->npools; i++)
		if (strcmp(d->pools[i].name, name != NULL ? name : "") == 0)
			return &d->pools[i];
	return NULL;
}

struct pd_kind *
kinds_find(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->nkinds; i++)
		if (strcmp(d->kinds[i].name, name) == 0)
			return &d->kinds[i];
	return NULL;
}

static uint64_t
file_print(const char *path)
{
	char text[128];
	struct stat st;

	if (path == NULL || stat(path, &st) == -1)
		return 0;
	(void)snprintf(text, sizeof text, "%llu:%llu:%lld.%09ld",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return str_hash(text);
}

/* One that was set before, with the same plugin; NULL: none. */
static const struct pd_kind *
kind_of_plugin(struct daemon *d, const struct set_job *j)
{
	for (const struct set_job *o = d->set.jobs; o != j; o++)
		if (o->plugin != NULL && strcmp(o->plugin, j->plugin) == 0)
			return kinds_find(d, o->kind);
	return NULL;
}

static int
kind_set(struct daemon *d, struct pd_kind *k, const struct set_job *j,
    struct err *err)
{
	const struct pd_kind *same;

	k->pool = pool_find(d, j->pool);
	if (k->pool == NULL)
		return err_set(err, "[job:%s] pool = %s: there is no [pool:%s]",
		    j->kind, j->pool, j->pool);
	k->queue_timeout_ms = j->queue_timeout_ms;
	k->run_timeout_ms = j->run_timeout_ms;
	k->cls.limit = j->concurrency;
	if (j->plugin == NULL) {
		if (k->plugin != NULL)
			return 0;
		return err_set(err,
		    "[job:%s] no such kind is built in, and there is no plugin",
		    j->kind);
	}
	k->print = file_print(j->plugin);
	same = kind_of_plugin(d, j);
	if (same != NULL) {
		/* One plugin, two kinds: with limits of their own. */
		k->plugin = same->plugin;
		return 0;
	}
	k->loaded = job_plugin_open(j->plugin, err);
	if (k->loaded == NULL)
		return err_prefix(err, "[job:%s]: ", j->kind);
	k->plugin = job_plugin_entry(k->loaded);
	return 0;
}

static struct pd_kind *
kind_new(struct daemon *d, const char *name)
{
	struct pd_kind *k = &d->kinds[d->nkinds++];

	(void)snprintf(k->name, sizeof k->name, "%s", name);
	k->pool = &d->pools[0];
	return k;
}

int
kinds_set(struct daemon *d, const struct settings *s, struct err *err)
{
	struct pd_kind *k;
	size_t n = s->njobs;

	if (job_kinds_load(err) == -1)
		return -1;
	for (size_t i = 0; job_kinds[i] != NULL; i++)
		n++;
	/* They are pointed to: the array stays where it is. */
	d->kinds = xcalloc(n, sizeof *k);
	for (size_t i = 0; job_kinds[i] != NULL; i++)
		kind_new(d, job_kinds[i]->name)->plugin = job_kinds[i];
	for (size_t i = 0; i < s->njobs; i++) {
		k = kinds_find(d, s->jobs[i].kind);
		if (k == NULL)
			k = kind_new(d, s->jobs[i].kind);
		if (kind_set(d, k, &s->jobs[i], err) == -1)
			return -1;
	}
	return 0;
}

void
kinds_free(struct daemon *d)
{
	for (size_t i = 0; i < d->nkinds; i++)
		job_plugin_close(d->kinds[i].loaded);
	if (d->kinds != NULL)
		job_kinds_unload();
	free(d->kinds);
	d->kinds = NULL;
	d->nkinds = 0;
}
