/*
 * command - a program for each job: convert, ffmpeg, a script.
 *
 *	program=PATH	absolute, or looked up in PATH
 *	arg1=TEXT arg2=...	its arguments, as they are: there is no shell
 *
 * Its standard input is the job's input, its standard output the job's
 * output.  {input} and {output} in an argument become the paths of their
 * files, for programs that look at the ending of a name or replace the file;
 * where no path leads there (a part of a file, memory, a pipe), it is
 * /dev/stdin or /dev/stdout.  With {output} by name, what it prints is not
 * the output.  What it says last on standard error is part of the error.
 *
 * Runs with the rights and the environment of the pool: who may submit it
 * may do what the pool's user may do.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "pool/kinds/command.h"
#include "pool/kinds/kinds.h"

#define COMMAND_ARGS 62 /* a job may have two more */

/* The child's ends while it is started; -1: none. */
struct command_ends {
	int in, out, err;
	bool in_named, out_named; /* an argument has the name of the file */
	char in_path[PATH_MAX], out_path[PATH_MAX];
	char *argv[COMMAND_ARGS + 2];
};

/* --- arguments
 * ---------------------------------------------------------------------- */

/*
 * The name of the job's file, if the job's part is all of it and the name
 * still leads there.  The kernel's: what the client called it may be relative
 * to a folder of the client's.
 */
static bool
command_name(char *name, int fd, int64_t off, int64_t len)
{
	char link[40];
	struct stat a, b;
	ssize_t n;

	if (fd == -1 || off != 0 || len != -1)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, name, PATH_MAX);
	if (n <= 0 || n == PATH_MAX || name[0] != '/')
		return false;
	name[n] = '\0';
	return fstat(fd, &a) == 0 && stat(name, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The text with each {input} and {output} replaced; NULL: no memory. */
static char *
command_expand(struct command *c, const char *text, const char *in,
    const char *out, struct command_ends *e)
{
	size_t longest = strlen(in) > strlen(out) ? strlen(in) : strlen(out);
	char *p, *s;

	p = s = c->job->api->alloc(
	    c->job, (strlen(text) / 7 + 1) * (longest + 1) + strlen(text) + 1);
	if (p == NULL)
		return NULL;
	while (*text != '\0') {
		if (strncmp(text, "{input}", 7) == 0) {
			p = stpcpy(p, in);
			text += 7;
			e->in_named |= strcmp(in, "/dev/stdin") != 0;
		} else if (strncmp(text, "{output}", 8) == 0) {
			p = stpcpy(p, out);
			text += 8;
			e->out_named |= strcmp(out, "/dev/stdout") != 0;
		} else
			*p++ = *text++;
	}
	return s;
}

static int
command_argv(struct command *c, struct command_ends *e)
{
	struct reeve_job *job = c->job;
	const char *in = "/dev/stdin", *out = "/dev/stdout", *text;
	int64_t off, len;
	char name[16];
	int fd, i;

	fd = job->api->input_fd(job, &off, &len);
	if (command_name(e->in_path, fd, off, len))
		in = e->in_path;
	fd = job->api->output_fd(job, &off, &len);
	if (command_name(e->out_path, fd, off, len))
		out = e->out_path;
	text = job->api->arg(job, "program");
	if (text == NULL || text[0] == '\0')
		return reeve_job_fail(job, "program=PATH is needed");
	for (i = 0;; i++) {
		e->argv[i] = command_expand(c, text, in, out, e);
		if (e->argv[i] == NULL)
			return -1;
		snprintf(name, sizeof name, "arg%d", i + 1);
		text = i == COMMAND_ARGS ? NULL : job->api->arg(job, name);
		if (text == NULL)
			return 0;
	}
}

/* arg2 without arg1 would be left out: nothing is, without a word. */
static int
command_known(struct reeve_job *job)
{
	const char *known[COMMAND_ARGS + 2] = { "program" };
	char name[COMMAND_ARGS][16];
	int i;

	for (i = 0; i < COMMAND_ARGS; i++) {
		snprintf(name[i], sizeof name[i], "arg%d", i + 1);
		known[i + 1] = name[i];
		if (job->api->arg(job, name[i]) == NULL)
			break;
	}
	known[i + 1] = NULL;
	return job->api->known_args(job, known);
}

/* --- its descriptors
 * --------------------------------------------------------------------- */

/*
 * The file once more, at its begin: the description that we were given may
 * be shared, and its position is then moved by others.  -1: a pipe of ours
 * does it (a part of a file, or one that this user may not open).
 */
static int
command_reopen(int fd, int64_t off, int64_t len, int flags)
{
	char path[40];

	if (off == -1)
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (off != 0 || len != -1)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

/* ours: the end that stays with us, and does not block. */
static int
command_pipe(struct command *c, int *ours, int *theirs, bool we_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return reeve_job_fail(c->job, "pipe: %s", strerror(errno));
	*ours = fds[we_write];
	*theirs = fds[!we_write];
	fd_nonblock(*ours);
	return 0;
}

static int
command_input(struct command *c, struct command_ends *e)
{
	int64_t off, len;
	int fd = c->job->api->input_fd(c->job, &off, &len);

	if (fd != -1 && !e->in_named) {
		if (off == -1 && len != -1)
			return reeve_job_fail(c->job,
			    "%s: a part of a pipe cannot be a program's input",
			    c->job->input_name);
		e->in = command_reopen(fd, off, len, O_RDONLY);
		if (e->in != -1)
			return 0;
		c->buf = c->job->api->alloc(c->job, COMMAND_BUFFER);
		return c->buf == NULL ? -1
				      : command_pipe(c, &c->in, &e->in, true);
	}
	e->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int
command_output(struct command *c, struct command_ends *e)
{
	int64_t off, len;
	int fd = c->job->api->output_fd(c->job, &off, &len);

	if (command_pipe(c, &c->err, &e->err, false) == -1)
		return -1;
	/* A run that ended with its pool may have left more than this one
	 * will write; how much that is is not known when it goes past us. */
	if (c->job->attempt > 1 && fd != -1 && off >= 0 && len == -1 &&
	    ftruncate(fd, off) == -1 && errno != EINVAL)
		return reeve_job_fail(
		    c->job, "%s: %s", c->job->output_name, strerror(errno));
	if (fd == -1 || e->out_named) {
		e->out = fcntl(e->err, F_DUPFD_CLOEXEC, 3);
		return 0;
	}
	if (off != -1 || len == -1)
		e->out = command_reopen(fd, off, len, O_WRONLY);
	if (e->out != -1)
		return 0;
	c->copy = c->job->api->alloc(c->job, COMMAND_BUFFER);
	return c->copy == NULL ? -1 : command_pipe(c, &c->out, &e->out, false);
}

/* --- start
 * -------------------------------------------------------------------------------
 */

static int
command_start(struct command *c, struct command_ends *e)
{
	int ends[3], rc = -1;

	if (command_argv(c, e) == -1 || command_input(c, e) == -1 ||
	    command_output(c, e) == -1)
		goto out;
	ends[0] = e->in;
	ends[1] = e->out;
	ends[2] = e->err;
	if (e->in == -1 || e->out == -1 || e->err == -1)
		reeve_job_fail(
		    c->job, "run %s: %s", e->argv[0], strerror(errno));
	else
		rc = command_spawn(c, e->argv, ends);
out:
	fd_closep(&e->in);
	fd_closep(&e->out);
	fd_closep(&e->err);
	return rc;
}

/* --- end
 * ----------------------------------------------------------------------------------
 */

/* The last line that is not empty; "": it said nothing. */
static const char *
command_last_line(struct command *c)
{
	char *s;

	c->said[c->said_len] = '\0';
	while (c->said_len > 0 &&
	       strchr(" \t\r\n", c->said[c->said_len - 1]) != NULL)
		c->said[--c->said_len] = '\0';
	s = strrchr(c->said, '\n');
	return s == NULL ? c->said : s + 1;
}

static int
command_result(struct command *c)
{
	const char *said = command_last_line(c);
	const char *program = c->job->api->arg(c->job, "program");
	const char *colon = said[0] == '\0' ? "" : ": ";

	if (c->code == CLD_EXITED && c->status == 0)
		return 0;
	if (c->code == 0)
		return reeve_job_fail(
		    c->job, "%s: how it ended is not known", program);
	if (c->code == CLD_EXITED)
		return reeve_job_fail(c->job, "%s exited with %d%s%.300s",
		    program, c->status, colon, said);
	return reeve_job_fail(c->job, "%s was killed by signal %d (%s)%s%.300s",
	    program, c->status, strsignal(c->status), colon, said);
}

static int
command_run(struct reeve_job *job)
{
	struct command *c = job->api->alloc(job, sizeof *c);
	struct command_ends *e = job->api->alloc(job, sizeof *e);
	int rc = -1;

	if (c == NULL || e == NULL || command_known(job) == -1)
		return -1;
	c->job = job;
	c->pidfd = c->in = c->out = c->err = -1;
	e->in = e->out = e->err = -1;
	if (command_start(c, e) == 0 && command_wait(c) == 0)
		rc = command_result(c);
	fd_closep(&c->pidfd);
	fd_closep(&c->in);
	fd_closep(&c->out);
	fd_closep(&c->err);
	return rc;
}

const struct reeve_job_plugin job_kind_command = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_command,
	.name = "command",
	.summary = "a program: program=PATH arg1= arg2=, {input} {output}",
	.run = command_run,
};
