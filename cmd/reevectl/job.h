/*
 * What the files of `reevectl job` share.
 */
#ifndef REEVECTL_JOB_H
#define REEVECTL_JOB_H

#include <signal.h>

#include "reeve/pool.h"
#include "reevectl.h"

#define JOB_PRIORITY_DEFAULT 4

/* The output of one job: written beside its place, put there when whole. */
struct job_file {
	int fd;        /* -1: none */
	char *path;    /* as it was said */
	char *place;   /* where that leads to */
	char *partial; /* NULL: no regular file, written as it is */
	bool replaces; /* there was one */
};

/* A descriptor; -1: why not. */
int job_file_input(const char *path, struct err *err);
int job_file_open(struct job_file *f, const char *path, struct err *err);
/* size: of what the job has written. */
int job_file_keep(struct job_file *f, uint64_t size, struct err *err);
/* What there is of it is removed. */
void job_file_drop(struct job_file *f);

/* SIGINT, SIGTERM, SIGHUP, or SIGPIPE: once one came, the job is cancelled. */
extern volatile sig_atomic_t job_stopped;
void job_catch_stop(void);

/* NULL after telling why. */
struct reeve_pool *job_connect(const struct command *cmd);
/* All that the options say.  args: borrowed by the request. */
void job_request(const struct command *cmd, const char *kind,
    const char ***args, struct reeve_pool_request *rq);
/* "it failed: ..." into buf. */
void job_why(struct buf *b, const struct reeve_pool_event *ev);

/* A line as sha256sum(1) prints it, odd names as well. */
void job_print_answer(const char *answer, const char *name);

/* The line of a terminal that is drawn again and again, cut to its width. */
void job_show_line(const char *text);

int job_map(struct command *cmd);

#endif
