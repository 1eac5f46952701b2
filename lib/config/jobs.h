/*
 * jobs - [pool], [pool:NAME] and [job:KIND]: CPU jobs.
 *
 * Together they make the program "pool", which runs reeve-pool.  What they say
 * is a part of that program, as its command is: an instance and a roll have
 * the one that they were started from.
 */
#ifndef CONFIG_JOBS_H
#define CONFIG_JOBS_H

#include "config/config.h"

#define CONFIG_POOL "pool" /* the program's name */

struct config_pool {
	char *name;      /* "": [pool] */
	int64_t threads; /* -1: as many as usable CPUs */
	int64_t queue;
	int64_t grace_ms;
	int64_t drain_timeout_ms;
	char *file;
	int line;
	struct config_origins origins;
};

struct config_job {
	char *kind;
	char *plugin;                             /* NULL: built in */
	char *pool;                               /* NULL: [pool] */
	int64_t limit;                            /* 0: none */
	int64_t run_timeout_ms, queue_timeout_ms; /* 0: none */
	/* Which file stood at plugin when the config was loaded. */
	char *print;
	char *file;
	int line;
	struct config_origins origins;
};

struct config_jobs {
	unsigned refs;
	char *dir;      /* folder of the socket and of all that follows */
	char *settings; /* what the pool reads, config_jobs_text */
	char *socket;
	struct config_pool **pools; /* the first is [pool] */
	size_t npools;
	struct config_job **jobs; /* by kind */
	size_t njobs;
	/* Of programs with allow_jobs: heard on the pool's own socket. */
	uid_t *uids;
	size_t nuids;
};

void config_jobs_unref(struct config_jobs *jobs);
/* The file that the pool reads: all of it, defaults too. */
void config_jobs_text(struct buf *out, const struct config_jobs *jobs);

/* As config_each_value. */
void config_each_pool_value(
    const struct config_pool *p, config_value_cb *cb, void *arg);
void config_each_job_value(
    const struct config_job *j, config_value_cb *cb, void *arg);

#endif
