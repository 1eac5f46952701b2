/* pooled - the program that runs CPU jobs: its settings. */
#include "engine/pooled.h"

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config/jobs.h"
#include "pool/board.h"

static int
pooled_put(const char *path, const struct buf *text, struct err *err)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return err_sys(err, "%s", path);
	if (fd_write_all(fd, text->data, text->len) == -1) {
		err_sys(err, "write %s", path);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/*
 * Others can connect only if some of them may submit jobs; who, the pool
 * looks at.  Not a mode of the listener: this changes while it listens.
 */
static int
pooled_protect(const struct config_jobs *jobs, struct err *err)
{
	int fd = open(jobs->socket, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[64];
	struct stat st;
	int r = -1;

	if (fd == -1)
		return err_sys(err, "%s", jobs->socket);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == -1 || !S_ISSOCK(st.st_mode))
		err_set(err, "%s: not a socket", jobs->socket);
	else if (chmod(path, jobs->nuids > 0 ? 0666 : 0600) == -1)
		err_sys(err, "chmod %s", jobs->socket);
	else
		r = 0;
	close(fd);
	return r;
}

static int
pooled_write(const struct config_jobs *jobs, struct err *err)
{
	char *next = xasprintf("%s.next", jobs->settings);
	struct buf text;
	int r;

	buf_init(&text);
	config_jobs_text(&text, jobs);
	engine_make_dirs(jobs->settings, 0755);
	r = pooled_put(next, &text, err);
	if (r == 0 && rename(next, jobs->settings) == -1)
		r = err_sys(err, "rename %s", next);
	if (r == -1)
		(void)unlink(next);
	buf_fini(&text);
	free(next);
	return r == 0 ? pooled_protect(jobs, err) : r;
}

/* Before it is up, a SIGHUP would end it. */
static void
pooled_tell(struct inst *in)
{
	if (in->dead || in->stopping)
		return;
	in->reread = !in->ready;
	if (in->ready)
		keeperlink_signal(
		    in->slot->prog->en->kl, in->id, SIGHUP, false);
}

static void
pooled_set(struct inst *in)
{
	struct err err = { .text = "" };

	if (pooled_write(in->conf->jobs, &err) == 0) {
		pooled_tell(in);
		return;
	}
	log_errorx("%s: %s", in->slot->name, err.text);
	engine_event(in->slot->prog->en, in->slot->name, "reload",
	    "goes on with its settings from before: %s", err.text);
}

int
pooled_start(const struct inst *in, struct err *err)
{
	return in->conf->jobs == NULL ? 0 : pooled_write(in->conf->jobs, err);
}

void
pooled_changed(struct inst *in, const struct config_program *old)
{
	struct buf a, b;

	if (in->conf->jobs == NULL || old->jobs == NULL ||
	    in->conf->jobs == old->jobs)
		return;
	buf_init(&a);
	buf_init(&b);
	config_jobs_text(&a, old->jobs);
	config_jobs_text(&b, in->conf->jobs);
	if (strcmp(buf_str(&a), buf_str(&b)) != 0)
		pooled_set(in);
	buf_fini(&a);
	buf_fini(&b);
}

void
pooled_up(struct inst *in)
{
	if (in->reread)
		pooled_tell(in);
}

void
pooled_adopted(struct inst *in)
{
	if (in->conf->jobs != NULL && in->conf == in->slot->prog->conf)
		pooled_set(in);
}

static char *
pooled_board(const struct config_jobs *jobs)
{
	return xasprintf("%s/pool.d", jobs->dir);
}

void
pooled_died(const struct inst *in, const struct keeper_exit *ex)
{
	enum death_oom oom = (enum death_oom)in->end->death.oom;
	char *board, why[64];

	if (in->conf->jobs == NULL)
		return;
	board = pooled_board(in->conf->jobs);
	(void)snprintf(why, sizeof why, "exited with %d", ex->code);
	board_note_end(board, in->pid, ex->signo,
	    ex->signo == 0                         ? why
	    : oom == OOM_YES || oom == OOM_PERHAPS ? limits_oom_text(oom)
						   : "");
	free(board);
}

/* What its processes noted there: nobody asks for it any more. */
static void
pooled_clear(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_type == DT_REG)
			(void)unlinkat(fd, e->d_name, 0);
	if (d != NULL)
		closedir(d);
	else if (fd != -1)
		close(fd);
	(void)rmdir(path);
}

void
pooled_gone(const struct program *pg)
{
	const struct config_jobs *jobs = pg->conf->jobs;
	char *board;

	if (jobs == NULL || pg->remake)
		return;
	(void)unlink(jobs->settings);
	board = pooled_board(jobs);
	pooled_clear(board);
	free(board);
}
