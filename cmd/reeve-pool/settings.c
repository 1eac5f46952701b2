/*
 * settings - the pool's file: [pool], [pool:NAME], [job:KIND].
 */
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "cluster/cpus.h"
#include "reeve-pool.h"

#define QUEUE_DEFAULT    10000
#define GRACE_DEFAULT_MS 5000

struct reading {
	struct settings *s;
	const char *file;
	struct err *err;
	bool failed;
};

/* 0, by which inih knows the line; the first one is told. */
static int
bad(struct reading *r, const char *what, const char *value)
{
	if (!r->failed)
		err_set(r->err, "%s: \"%s\"", what, value);
	r->failed = true;
	return 0;
}

static bool
number(const char *value, int64_t min, int64_t max, uint32_t *out)
{
	int64_t n;

	if (!str_to_i64(value, min, max, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

static struct set_pool *
pool_section(struct settings *s, const char *name)
{
	struct set_pool *p;

	for (size_t i = 0; i < s->npools; i++)
		if (strcmp(s->pools[i].name, name) == 0)
			return &s->pools[i];
	if (strlen(name) >= NAME_MAX_LEN)
		return NULL;
	s->pools = xreallocarray(s->pools, s->npools + 1, sizeof *p);
	p = &s->pools[s->npools++];
	*p = (struct set_pool){ .threads = (unsigned)cpus_usable(NULL),
		.queue = QUEUE_DEFAULT,
		.grace_ms = GRACE_DEFAULT_MS };
	memcpy(p->name, name, strlen(name));
	return p;
}

static struct set_job *
job_section(struct settings *s, const char *kind)
{
	struct set_job *j;

	for (size_t i = 0; i < s->njobs; i++)
		if (strcmp(s->jobs[i].kind, kind) == 0)
			return &s->jobs[i];
	if (strlen(kind) >= NAME_MAX_LEN)
		return NULL;
	s->jobs = xreallocarray(s->jobs, s->njobs + 1, sizeof *j);
	j = &s->jobs[s->njobs++];
	*j = (struct set_job){ .plugin = NULL };
	memcpy(j->kind, kind, strlen(kind));
	return j;
}

/* Numbers with blanks between them, or none. */
static bool
allow_uid(struct settings *s, const char *value)
{
	unsigned long n;
	char *end;

	s->guarded = true;
	for (; *value != '\0'; value = end + strspn(end, " ")) {
		n = strtoul(value, &end, 10);
		if (end == value || n >= UINT32_MAX)
			return false;
		s->uids = xreallocarray(s->uids, s->nuids + 1, sizeof *s->uids);
		s->uids[s->nuids++] = (uid_t)n;
	}
	return true;
}

static int
pool_key(
    struct reading *r, const char *section, const char *key, const char *value)
{
	struct set_pool *p =
	    pool_section(r->s, section[4] == ':' ? section + 5 : "");

	if (p == NULL)
		return bad(r, "a name that is too long", section);
	if (p == &r->s->pools[0] && strcmp(key, "allow_uid") == 0)
		return allow_uid(r->s, value) ? 1 : bad(r, "no uid", value);
	if (strcmp(key, "threads") == 0 && strcmp(value, "auto") == 0)
		return 1;
	if (strcmp(key, "threads") == 0)
		return number(value, 1, POOL_THREADS_MAX, &p->threads)
			   ? 1
			   : bad(r, "threads is auto or 1 to 1024", value);
	if (strcmp(key, "queue") == 0)
		return number(value, 1, POOL_BOUND_MAX, &p->queue)
			   ? 1
			   : bad(r, "queue is 1 to 1000000", value);
	if (strcmp(key, "grace_ms") == 0)
		return number(value, 1, INT32_MAX, &p->grace_ms)
			   ? 1
			   : bad(r, "grace_ms is at least 1", value);
	return bad(r, "[pool] has threads, queue and grace_ms, not", key);
}

static int
job_key(
    struct reading *r, const char *section, const char *key, const char *value)
{
	struct set_job *j = job_section(r->s, section + 4);
	uint32_t *n;

	if (j == NULL)
		return bad(r, "a name that is too long", section);
	if (strcmp(key, "plugin") == 0 || strcmp(key, "pool") == 0) {
		char **to = key[1] == 'l' ? &j->plugin : &j->pool;

		free(*to);
		*to = xstrdup(value);
		return 1;
	}
	n = strcmp(key, "concurrency") == 0        ? &j->concurrency
	    : strcmp(key, "queue_timeout_ms") == 0 ? &j->queue_timeout_ms
	    : strcmp(key, "run_timeout_ms") == 0   ? &j->run_timeout_ms
						   : NULL;
	if (n == NULL)
		return bad(r,
		    "[job:KIND] has plugin, pool, concurrency, "
		    "queue_timeout_ms and "
		    "run_timeout_ms, not",
		    key);
	return number(value, 0, INT32_MAX, n) ? 1
					      : bad(r, "not a number", value);
}

static int
on_key(void *arg, const char *section, const char *key, const char *value)
{
	struct reading *r = arg;

	if (strcmp(section, "pool") == 0 || str_starts(section, "pool:"))
		return pool_key(r, section, key, value);
	if (str_starts(section, "job:"))
		return job_key(r, section, key, value);
	return bad(
	    r, "a section is [pool], [pool:NAME] or [job:KIND], not", section);
}

int
settings_load(struct settings *s, const char *file, struct err *err)
{
	struct reading r = { s, file, err, false };
	int line;

	*s = (struct settings){ 0 };
	pool_section(s, "");
	line = file == NULL ? 0 : ini_parse(file, on_key, &r);
	if (line == -1)
		err_sys(err, "%s", file);
	else if (line > 0 && !r.failed)
		err_set(err, "not a line of an INI file");
	if (line > 0)
		err_prefix(err, "%s:%d: ", file, line);
	if (line == 0 && !r.failed)
		return 0;
	settings_fini(s);
	return -1;
}

void
settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->njobs; i++) {
		free(s->jobs[i].plugin);
		free(s->jobs[i].pool);
	}
	free(s->jobs);
	free(s->pools);
	free(s->uids);
	*s = (struct settings){ 0 };
}
