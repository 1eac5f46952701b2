/* jobs - [pool] and [job:x]: made, freed, and the program they come to. */
#include "config/jobs.h"

#include <sys/stat.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/ini.h"
#include "config/snapshot.h"
#include "config/value.h"

/* No key of a file: it begins with a byte that none may have. */
#define PRINT_KEY "\002print"

/* --- objects ---------------------------------------------------------------
 */

static struct config_pool *
jobs_pool_new(
    struct config_jobs *jobs, const char *name, const char *file, int line)
{
	struct config_pool *p = xcalloc(1, sizeof *p);

	p->name = xstrdup(name);
	p->file = xstrdup(file);
	p->line = line;
	origins_init(&p->origins);
	config_defaults(p, SECTION_POOL, NULL);
	jobs->pools =
	    xreallocarray(jobs->pools, jobs->npools + 1, sizeof *jobs->pools);
	jobs->pools[jobs->npools++] = p;
	return p;
}

static struct config_job *
jobs_job_new(
    struct config_jobs *jobs, const char *kind, const char *file, int line)
{
	struct config_job *j = xcalloc(1, sizeof *j);

	j->kind = xstrdup(kind);
	j->file = xstrdup(file);
	j->line = line;
	origins_init(&j->origins);
	config_defaults(j, SECTION_JOB, NULL);
	jobs->jobs =
	    xreallocarray(jobs->jobs, jobs->njobs + 1, sizeof *jobs->jobs);
	jobs->jobs[jobs->njobs++] = j;
	return j;
}

void *
jobs_section(struct config *cf, enum schema_section kind, const char *name,
    const char *file, int line)
{
	/* [pool] is there also when only a [job:x] asks for it. */
	if (cf->jobs == NULL) {
		cf->jobs = xcalloc(1, sizeof *cf->jobs);
		cf->jobs->refs = 1;
		jobs_pool_new(cf->jobs, "", file, line);
	}
	if (kind == SECTION_JOB)
		return jobs_job_new(cf->jobs, name, file, line);
	return *name == '\0' ? cf->jobs->pools[0]
			     : jobs_pool_new(cf->jobs, name, file, line);
}

struct config_origins *
jobs_origins(void *object, enum schema_section kind)
{
	return kind == SECTION_JOB ? &((struct config_job *)object)->origins
				   : &((struct config_pool *)object)->origins;
}

static void
jobs_pool_free(struct config_pool *p)
{
	config_clear(p, SECTION_POOL);
	origins_fini(&p->origins);
	free(p->name);
	free(p->file);
	free(p);
}

static void
jobs_job_free(struct config_job *j)
{
	config_clear(j, SECTION_JOB);
	origins_fini(&j->origins);
	free(j->kind);
	free(j->print);
	free(j->file);
	free(j);
}

void
config_jobs_unref(struct config_jobs *jobs)
{
	if (jobs == NULL || --jobs->refs > 0)
		return;
	for (size_t i = 0; i < jobs->npools; i++)
		jobs_pool_free(jobs->pools[i]);
	for (size_t i = 0; i < jobs->njobs; i++)
		jobs_job_free(jobs->jobs[i]);
	free(jobs->pools);
	free(jobs->jobs);
	free(jobs->uids);
	free(jobs->dir);
	free(jobs->settings);
	free(jobs->socket);
	free(jobs);
}

/* --- plugins ---------------------------------------------------------------
 */

static char *
jobs_print(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return xstrdup("none");
	return xasprintf("%llu:%llu:%lld:%lld.%09ld",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
}

static void
jobs_prints(struct config_jobs *jobs)
{
	for (size_t i = 0; i < jobs->njobs; i++) {
		struct config_job *j = jobs->jobs[i];

		if (j->plugin != NULL && j->print == NULL)
			j->print = jobs_print(j->plugin);
	}
}

void
jobs_snapshot(struct config *cf)
{
	for (size_t i = 0; cf->jobs != NULL && i < cf->jobs->njobs; i++) {
		const struct config_job *j = cf->jobs->jobs[i];

		if (j->print != NULL)
			snapshot_add(&cf->snapshot, j->file, j->line, j->kind,
			    PRINT_KEY, j->print);
	}
}

bool
jobs_take_print(struct config *cf, const struct ini_entry *e)
{
	if (e->key == NULL || strcmp(e->key, PRINT_KEY) != 0)
		return false;
	for (size_t i = 0; cf->jobs != NULL && i < cf->jobs->njobs; i++) {
		struct config_job *j = cf->jobs->jobs[i];

		if (strcmp(j->kind, e->section) != 0)
			continue;
		free(j->print);
		j->print = xstrdup(e->value);
	}
	return true;
}

/* --- the program -----------------------------------------------------------
 */

void
jobs_program(struct config *cf, const char *here)
{
	struct config_program *p;

	if (cf->jobs == NULL || config_program_find(cf, CONFIG_POOL) != NULL)
		return;
	p = config_program_new(CONFIG_POOL);
	p->jobs = cf->jobs;
	p->jobs->refs++;
	p->here = intern(here);
	p->file = intern(cf->jobs->pools[0]->file);
	p->line = cf->jobs->pools[0]->line;
	config_defaults(p, SECTION_PROGRAM, p->name);
	cf->programs = xreallocarray(
	    cf->programs, cf->nprograms + 1, sizeof *cf->programs);
	cf->programs[cf->nprograms++] = p;
}

/* Beside who reads this, as reeved looks for reeve-engine. */
static char *
jobs_binary(void)
{
	char path[PATH_MAX], *slash, *binary;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		binary =
		    xasprintf("%.*s/reeve-pool", (int)(slash - path), path);
		if (access(binary, X_OK) == 0)
			return binary;
		free(binary);
	}
	return xstrdup(REEVE_LIBEXECDIR "/reeve-pool");
}

/* One word of a command, whatever is in it. */
static void
jobs_word(struct buf *out, const char *word)
{
	if (out->len > 0)
		buf_addc(out, ' ');
	buf_addc(out, '"');
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\')
			buf_addc(out, '\\');
		if (*word == '%')
			buf_addc(out, '%');
		buf_addc(out, *word);
	}
	buf_addc(out, '"');
}

static void
jobs_key(struct config_program *p, enum schema_id id, const char *text,
    struct config_errors *errs)
{
	struct value_ctx vc = {
		.object = p, .here = p->here, .program = p->name
	};
	struct err err;

	schema_range(id, &vc.min, &vc.max);
	value_clear(p, id);
	if (value_set(&vc, id, text, &err) == -1)
		config_error(errs, p->file, p->line,
		    "[pool] makes the program " CONFIG_POOL ": %s = %s: %s",
		    schema_keys[id].name, text, err.text);
}

static int64_t
jobs_drain_ms(const struct config_jobs *jobs)
{
	int64_t ms = 0;

	for (size_t i = 0; i < jobs->npools; i++)
		if (jobs->pools[i]->drain_timeout_ms > ms)
			ms = jobs->pools[i]->drain_timeout_ms;
	return ms;
}

static void
jobs_command(struct config_program *p, struct config_errors *errs)
{
	char *binary = jobs_binary();
	char *board = xasprintf("%s/pool.d", p->jobs->dir);
	struct buf b;

	buf_init(&b);
	jobs_word(&b, binary);
	jobs_word(&b, "-c");
	jobs_word(&b, p->jobs->settings);
	jobs_word(&b, "-d");
	jobs_word(&b, board);
	jobs_key(p, SCHEMA_PROGRAM_command, buf_str(&b), errs);
	buf_fini(&b);
	free(board);
	free(binary);
}

/* Root and reeved's own user are heard anyway. */
static void
jobs_uids(struct config_jobs *jobs, const struct config *cf)
{
	for (size_t i = 0; i < cf->nprograms; i++) {
		const struct config_program *p = cf->programs[i];
		bool known = false;

		for (size_t k = 0; k < jobs->nuids; k++)
			known = known || jobs->uids[k] == p->rare->identity.uid;
		if (known || !p->allow_jobs ||
		    p->rare->identity.uid == geteuid())
			continue;
		jobs->uids = xreallocarray(
		    jobs->uids, jobs->nuids + 1, sizeof *jobs->uids);
		jobs->uids[jobs->nuids++] = p->rare->identity.uid;
	}
}

static int
jobs_order(const void *a, const void *b)
{
	const struct config_job *j = *(struct config_job *const *)a;
	const struct config_job *k = *(struct config_job *const *)b;

	return strcmp(j->kind, k->kind);
}

void
jobs_complete(struct config *cf, struct config_errors *errs)
{
	struct config_jobs *jobs = cf->jobs;
	struct config_program *p = config_program_find(cf, CONFIG_POOL);
	char *text;

	if (jobs == NULL)
		return;
	if (jobs->njobs > 0)
		qsort(jobs->jobs, jobs->njobs, sizeof *jobs->jobs, jobs_order);
	jobs_prints(jobs);
	if (p == NULL || p->jobs == NULL || cf->socket == NULL)
		return; /* check_jobs says so */
	jobs->dir = path_folder(cf->socket);
	jobs->settings = xasprintf("%s/pool.conf", jobs->dir);
	jobs->socket = xasprintf("%s/pool.sock", jobs->dir);
	jobs_command(p, errs);
	jobs_uids(jobs, cf);
	text = xasprintf("unix:%s", jobs->socket);
	jobs_key(p, SCHEMA_PROGRAM_socket, text, errs);
	free(text);
	jobs_key(p, SCHEMA_PROGRAM_ready, "notify", errs);
	p->drain_timeout_ms = p->stopwaitsecs_ms = jobs_drain_ms(jobs);
}

static void
jobs_pool_text(struct buf *out, const struct config_pool *p)
{
	buf_addf(out, "[pool%s%s]\n", *p->name != '\0' ? ":" : "", p->name);
	if (p->threads == -1)
		buf_adds(out, "threads = auto\n");
	else
		buf_addf(out, "threads = %lld\n", (long long)p->threads);
	buf_addf(out, "queue = %lld\ngrace_ms = %lld\n", (long long)p->queue,
	    (long long)p->grace_ms);
}

static void
jobs_job_text(struct buf *out, const struct config_job *j)
{
	buf_addf(out, "[job:%s]\n", j->kind);
	if (j->plugin != NULL)
		buf_addf(out, "plugin = %s\n", j->plugin);
	if (j->pool != NULL)
		buf_addf(out, "pool = %s\n", j->pool);
	buf_addf(out,
	    "concurrency = %lld\nrun_timeout_ms = %lld\n"
	    "queue_timeout_ms = %lld\n",
	    (long long)j->limit, (long long)j->run_timeout_ms,
	    (long long)j->queue_timeout_ms);
}

void
config_jobs_text(struct buf *out, const struct config_jobs *jobs)
{
	buf_adds(out, "; of reeved: written anew whenever it changes\n");
	jobs_pool_text(out, jobs->pools[0]);
	buf_adds(out, "allow_uid =");
	for (size_t i = 0; i < jobs->nuids; i++)
		buf_addf(out, " %u", (unsigned)jobs->uids[i]);
	buf_addc(out, '\n');
	for (size_t i = 1; i < jobs->npools; i++)
		jobs_pool_text(out, jobs->pools[i]);
	for (size_t i = 0; i < jobs->njobs; i++)
		jobs_job_text(out, jobs->jobs[i]);
}
