/*
 * command_wait - the time a command runs: its pipes, its end, its tree.
 *
 * The child is waited for without being reaped, so that its process group
 * cannot become another's while it is killed.
 */
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "pool/kinds/command.h"

#define WAIT_TURN_MS   50 /* between two looks at the cancel flag */
#define KILL_DEPTH_MAX 64 /* generations that are followed */

/* --- the end of all of it
 * ---------------------------------------------------------- */

/* Any thread of it may have forked. */
static void
command_kill_children(pid_t pid, const char *thread, int depth)
{
	char path[64];
	FILE *f;
	int child;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid,
	    thread);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fscanf(f, "%d", &child) == 1)
		command_kill_below(child, depth);
	fclose(f);
}

/*
 * Children of a process that is stopped stay its children, and their numbers
 * stay theirs: it does not reap them meanwhile.
 */
void
command_kill_below(pid_t pid, int depth)
{
	char path[40];
	struct dirent *de;
	DIR *d;

	if (depth > KILL_DEPTH_MAX)
		return;
	kill(pid, SIGSTOP);
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			command_kill_children(pid, de->d_name, depth + 1);
	if (d != NULL)
		closedir(d);
	kill(pid, SIGKILL);
}

/* Its group, and who left the group but is below it still. */
static void
command_kill(struct command *c)
{
	command_kill_below(c->pid, 0);
	kill(-c->pid, SIGKILL);
}

static bool
command_ended(struct command *c)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) == -1)
		/* Somebody else has reaped it: nobody knows how it went. */
		return errno == ECHILD;
	if (si.si_pid == 0)
		return false;
	c->status = si.si_status;
	c->code = si.si_code;
	return true;
}

static void
command_reap(struct command *c)
{
	siginfo_t si;

	/* What it left running would write to an output that is done. */
	kill(-c->pid, SIGKILL);
	/* One that was killed has not ended yet, perhaps. */
	while (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOWAIT) == -1 &&
	       errno == EINTR)
		;
	command_sweep(c);
	while (
	    waitid(P_PID, (id_t)c->pid, &si, WEXITED) == -1 && errno == EINTR)
		;
	c->pid = 0;
	command_settle(c);
}

/* --- its pipes
 * ------------------------------------------------------------------------- */

/* 0: it goes on; -1: our input cannot be read. */
static int
command_feed(struct command *c)
{
	ptrdiff_t got;
	ssize_t n;

	if (c->buf_pos == c->buf_len) {
		got = c->job->api->read(c->job, c->buf, COMMAND_BUFFER);
		if (got == -1)
			return -1;
		if (got == 0)
			fd_closep(&c->in);
		c->buf_pos = 0;
		c->buf_len = (size_t)got;
	}
	if (c->in == -1)
		return 0;
	n = write(c->in, c->buf + c->buf_pos, c->buf_len - c->buf_pos);
	if (n > 0)
		c->buf_pos += (size_t)n;
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		/* It has read what it wants: "head" is no error. */
		fd_closep(&c->in);
	return 0;
}

/* 1: there was something, 0: there is nothing now, -1: it cannot be kept. */
static int
command_take(struct command *c)
{
	ssize_t n = read(c->out, c->copy, COMMAND_BUFFER);

	if (n > 0)
		return c->job->api->write(c->job, c->copy, (size_t)n) == -1 ? -1
									    : 1;
	if (n == 0)
		fd_closep(&c->out);
	return 0;
}

/* Keeps the end of it: there it says why. */
static int
command_listen(struct command *c)
{
	char text[COMMAND_SAID];
	ssize_t n = read(c->err, text, sizeof text);
	size_t over;

	if (n == 0)
		fd_closep(&c->err);
	if (n <= 0)
		return 0;
	over = c->said_len + (size_t)n > COMMAND_SAID
		   ? c->said_len + (size_t)n - COMMAND_SAID
		   : 0;
	memmove(c->said, c->said + over, c->said_len - over);
	c->said_len -= over;
	memcpy(c->said + c->said_len, text, (size_t)n);
	c->said_len += (size_t)n;
	return 1;
}

/* What it wrote before it ended is in the pipes. */
static int
command_drain(struct command *c)
{
	int rc = 1;

	while (c->err != -1 && command_listen(c) == 1)
		;
	while (c->out != -1 && rc == 1)
		rc = command_take(c);
	return rc == -1 ? -1 : 0;
}

/* --- the time it runs
 * ------------------------------------------------------------------- */

static int
command_turn(struct command *c)
{
	struct pollfd p[] = {
		{ .fd = c->in, .events = POLLOUT },
		{ .fd = c->out, .events = POLLIN },
		{ .fd = c->err, .events = POLLIN },
		{ .fd = c->pidfd, .events = POLLIN },
	};

	if (c->job->api->cancelled(c->job))
		return -1;
	if (poll(p, 4, WAIT_TURN_MS) <= 0)
		return 0;
	if (p[0].revents != 0 && command_feed(c) == -1)
		return -1;
	if (p[1].revents != 0 && command_take(c) == -1)
		return -1;
	if (p[2].revents != 0)
		command_listen(c);
	return 0;
}

int
command_wait(struct command *c)
{
	int rc = 0;

	while (!command_ended(c)) {
		if (command_turn(c) == -1) {
			command_kill(c);
			rc = -1;
			break;
		}
	}
	command_reap(c);
	if (c->not_started)
		return -1;
	return rc == -1 ? -1 : command_drain(c);
}
