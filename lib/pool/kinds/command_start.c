/*
 * command_start - the child of a command, by lib/spawn: a session of its own,
 * dispositions as of a fresh process, no descriptor but its three, and an end
 * with the pool, so that nobody writes to an output that was given up.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "pool/kinds/command.h"
#include "pool/kinds/kinds.h"
#include "spawn/spawn.h"

unsigned long job_command_files;

/* --- where it is ---------------------------------------------------------- */

static bool
command_is_program(const char *path)
{
	struct stat st;

	if (access(path, X_OK) == -1 || stat(path, &st) == -1)
		return false;
	if (S_ISREG(st.st_mode))
		return true;
	errno = EACCES;
	return false;
}

/* As execvp(3); the job's memory.  NULL with errno. */
static char *
command_find(struct command *c, const char *name)
{
	const char *path = getenv("PATH"), *end;
	size_t n = strlen(name);
	int why = ENOENT;
	char *s, *p;

	if (path == NULL || *path == '\0')
		path = "/usr/local/bin:/usr/bin:/bin";
	s = c->job->api->alloc(c->job, strlen(path) + n + 2);
	if (s == NULL)
		return NULL;
	if (strchr(name, '/') != NULL)
		return memcpy(s, name, n + 1);
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		p = mempcpy(s, path, (size_t)(end - path));
		if (p != s)
			*p++ = '/';
		memcpy(p, name, n + 1);
		if (command_is_program(s))
			return s;
		if (errno == EACCES)
			why = EACCES;
		if (*end == '\0')
			break;
	}
	errno = why;
	return NULL;
}

/* --- what it gets --------------------------------------------------------- */

static size_t
command_count(char *const *v)
{
	size_t n = 1;

	while (v[n - 1] != NULL)
		n++;
	return n;
}

/*
 * That of the pool, without what reeved tells the pool alone; and the mark by
 * which what it leaves is found.
 */
static char **
command_environ(struct command *c)
{
	static const char *const ours[] = { "LISTEN_",
		"NOTIFY_SOCKET=", "WATCHDOG_", COMMAND_MARK };
	char **env = xcalloc(command_count(environ) + 1, sizeof *env);
	size_t n = 0;
	bool keep;

	for (size_t i = 0; environ[i] != NULL; i++) {
		keep = true;
		for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
			keep = keep && !str_starts(environ[i], ours[k]);
		if (keep)
			env[n++] = environ[i];
	}
	command_mark(c);
	env[n] = c->mark;
	return env;
}

/* The pool has more descriptors than what uses select(2) can bear. */
static void
command_limits(struct spec *sp)
{
	struct spec_rlimit *rl = xcalloc(1, sizeof *rl);

	sp->rlimits = rl;
	rl->resource = RLIMIT_NOFILE;
	if (job_command_files == 0 || getrlimit(rl->resource, &rl->limit) == -1)
		return;
	rl->limit.rlim_cur = job_command_files;
	sp->nrlimits = 1;
}

/* Its strings stay the job's. */
static struct spec *
command_spec(struct command *c, char *const *argv)
{
	struct spec *sp = xcalloc(1, sizeof *sp);
	size_t n = command_count(argv);

	spec_init(sp);
	sp->label = "command";
	sp->path = c->path;
	sp->flags = SPEC_DIE_WITH_PARENT;
	sp->argv = xcalloc(n, sizeof(char *));
	memcpy(sp->argv, argv, n * sizeof(char *));
	sp->envp = command_environ(c);
	sp->nfds = 3;
	sp->fds = xcalloc(sp->nfds, sizeof *sp->fds);
	for (int i = 0; i < 3; i++)
		sp->fds[i] = (struct spec_fd){ i, SPEC_FD_MESSAGE, i };
	command_limits(sp);
	return sp;
}

/* --- start ---------------------------------------------------------------- */

static int
command_fail(struct command *c, const char *path, const struct spawn_err *se)
{
	char why[512];

	/* Nothing was made for it: to say which step failed tells nothing. */
	if (se->stage == STAGE_EXEC && se->errnum != ENOEXEC)
		return reeve_job_fail(
		    c->job, "run %s: %s", path, strerror(se->errnum));
	spawn_err_text(why, sizeof why, se, path, "");
	return reeve_job_fail(c->job, "run %s: %s", path, why);
}

/* It is dead and reaped, by command_reap. */
static void
command_on_outcome(void *arg, const struct spawn_err *se)
{
	struct command *c = arg;

	c->start = NULL;
	if (se == NULL)
		return;
	c->not_started = true;
	(void)command_fail(c, c->path, se);
}

void
command_settle(struct command *c)
{
	if (c->start != NULL)
		spawn_settle(c->start);
}

int
command_spawn(struct command *c, char *const *argv, const int *ends)
{
	struct spawn_fds fds = { .from = ends, .cgroup = -1 };
	struct spawn_err se;
	pid_t pid;

	c->path = command_find(c, argv[0]);
	if (c->path == NULL)
		return reeve_job_fail(
		    c->job, "run %s: %s", argv[0], strerror(errno));
	pid = spawn_start(NULL, command_spec(c, argv), &fds, &c->pidfd,
	    &c->start, command_on_outcome, c, &se);
	if (pid == -1)
		return command_fail(c, argv[0], &se);
	c->pid = pid;
	return 0;
}
