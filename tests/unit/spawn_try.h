/*
 * spawn_try - start a real child, which tells what it finds itself to be.
 *
 * For the unit tests of lib/spawn.  The child is mostly the test's program
 * again ("probe"): it writes what it has into its standard output, one line a
 * fact.  Tests run once with each way to start: _i is the way, see way().
 */
#ifndef UNIT_SPAWN_TRY_H
#define UNIT_SPAWN_TRY_H

#include "spawn/spawn.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "../fake/sys_fake.h"
#include "base/fd.h"
#include "try_main.h"

#define WAIT_MS 20000

/* --- the child --------------------------------------------------------------
 */

static inline void
probe_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	char path[300], to[300];
	struct dirent *e;
	ssize_t n;

	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		n = readlink(path, to, sizeof to - 1);
		to[n > 0 ? n : 0] = '\0';
		/* "pipe:[123]": the number says nothing */
		if (strncmp(to, "pipe:", 5) == 0)
			to[4] = '\0';
		printf("fd%s %s\n", e->d_name, to);
	}
	closedir(d);
}

static inline void
probe_status(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256], key[64], value[64];

	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%63[^:]: %63s", key, value) == 2)
			printf("%s %s\n", key, value);
	fclose(f);
}

static inline int
probe(char **argv, char **envp)
{
	char cwd[PATH_MAX];
	struct rlimit rl;
	cpu_set_t cpus;
	pid_t me = getpid();

	for (int i = 0; argv[i] != NULL; i++)
		printf("argv%d %s\n", i, argv[i]);
	for (int i = 0; envp[i] != NULL; i++)
		printf("env%d %s\n", i, envp[i]);
	if (getenv("LISTEN_PID") != NULL)
		printf("listen_pid %s\n",
		    atoi(getenv("LISTEN_PID")) == me ? "mine" : "wrong");
	printf("session %s\n",
	    getsid(0) == me && getpgrp() == me ? "own" : "shared");
	printf("cwd %s\n", getcwd(cwd, sizeof cwd));
	printf("umask %03o\n", umask(0));
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	getrlimit(RLIMIT_NOFILE, &rl);
	printf("nofile %d/%d\n", (int)rl.rlim_cur, (int)rl.rlim_max);
	getrlimit(RLIMIT_CORE, &rl);
	printf("core %d/%d\n", (int)rl.rlim_cur, (int)rl.rlim_max);
	sched_getaffinity(0, sizeof cpus, &cpus);
	printf("cpus %d\n", CPU_COUNT(&cpus));
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cpus)) {
			printf("cpu %d\n", i);
			break;
		}
	probe_status();
	probe_fds();
	fflush(stdout);
	_exit(7);
}

/* --- the parent -------------------------------------------------------------
 */

static struct loop *lp;
static char self[PATH_MAX], word_probe[] = "probe";
static char *argv_probe[] = { self, word_probe, NULL };
static char *no_env[] = { NULL };

/* One start, from a spec without its first three descriptors. */
struct start {
	struct spec spec;
	struct spec_fd fds[SPEC_FDS_MAX];
	int from[SPEC_FDS_MAX];
	int cgroup;
	/* outcome */
	pid_t pid;
	int pidfd;
	struct spawn *sp;
	struct spawn_err se; /* of spawn_start */
	bool called;         /* the callback was */
	bool failed;
	struct spawn_err failure; /* what it was told */
	int out;                  /* read end of its standard output */
	char text[65536];         /* all that came from it */
	siginfo_t end;
};

static struct start st;
static struct spawn_room *room; /* see way() */

static inline void
setup(void)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	ck_assert_int_gt(n, 0);
	fake_reset();
	lp = loop_new();
	memset(&st, 0, sizeof st);
	spec_init(&st.spec);
	st.spec.label = "web.0#1";
	st.spec.path = self;
	st.spec.argv = argv_probe;
	st.spec.envp = no_env;
	st.spec.fds = st.fds;
	st.cgroup = st.pidfd = st.out = -1;
}

static inline void
teardown(void)
{
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
}

/*
 * 0: clone3; 1: clone; 2: clone3 of a process with many descriptors; 3 and 4:
 * as 2 and 0, told late, without a pipe.
 */
#define WAYS 5

static inline void
way(int i)
{
	static struct spawn_room kept;

	if (i >= 3) {
		st.spec.flags |= SPEC_LATE;
		i = i == 3 ? 2 : 0;
	}
	if (i == 1)
		setenv("REEVE_NO_CLONE3", "1", 1);
	else
		unsetenv("REEVE_NO_CLONE3");
	room = i == 2 ? &kept : NULL;
	if (i != 2 || kept.n > 0)
		return;
	spawn_room_init(&kept);
	ck_assert_int_eq(kept.n, SPAWN_ROOM_FDS);
	for (int n = 0; n < 200; n++)
		ck_assert_int_ne(fcntl(0, F_DUPFD_CLOEXEC, 3), -1);
}

static inline void
give(int target, int fd)
{
	st.fds[st.spec.nfds].target = target;
	st.fds[st.spec.nfds].from = SPEC_FD_INHERIT;
	st.from[st.spec.nfds++] = fd;
}

static inline void
on_outcome(void *arg, const struct spawn_err *se)
{
	struct start *s = arg;

	if (s->called)
		ck_abort_msg("the outcome is told twice");
	s->called = true;
	s->failed = se != NULL;
	if (se != NULL)
		s->failure = *se;
}

/* As the keeper does: through a message. */
static inline struct spec *
test_spec(void)
{
	struct spec *sp;
	struct err err;
	struct mw w;
	struct mr r;

	mw_init(&w, NULL, 0);
	spec_write(&w, &st.spec);
	mr_init(&r, w.data, w.len);
	sp = spec_read(&r, 1, &err);
	mw_fini(&w);
	return sp;
}

static inline void
start(void)
{
	struct spawn_fds fds = { st.from, st.cgroup, room };
	struct spec *sp = test_spec();

	if (sp == NULL)
		ck_abort_msg("the spec is refused");
	st.called = st.failed = false;
	st.pid = spawn_start(
	    lp, sp, &fds, &st.pidfd, &st.sp, on_outcome, &st, &st.se);
}

/* Waits for its end, without reaping. */
static inline void
test_wait(void)
{
	struct pollfd pfd = { st.pidfd, POLLIN, 0 };

	ck_assert_int_eq(poll(&pfd, 1, WAIT_MS), 1);
}

static inline void
test_reap(void)
{
	test_wait();
	ck_assert_int_eq(waitid(P_PID, (id_t)st.pid, &st.end, WEXITED), 0);
	fd_closep(&st.pidfd);
}

/* Starts it with null, a pipe and our stderr, and reads what it says. */
static inline void
run(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), p[2];
	size_t len = 0;
	ssize_t n;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	give(0, null);
	give(1, p[1]);
	give(2, 2);
	start();
	ck_assert_msg(
	    st.pid != -1, "stage %d: %s", st.se.stage, strerror(st.se.errnum));
	close(p[1]);
	close(null);
	ck_assert(!st.called); /* from the loop, not from inside */
	while ((n = read(p[0], st.text + len, sizeof st.text - 1 - len)) > 0)
		len += (size_t)n;
	st.text[len] = '\0';
	close(p[0]);
	if (len == 0) { /* it failed: tell why */
		test_reap();
		spawn_settle(st.sp);
		ck_abort_msg("stage %d: %s", st.failure.stage,
		    strerror(st.failure.errnum));
	}
	ck_assert(fake_loop_until(lp, &st.called, WAIT_MS));
	ck_assert(!st.failed);
	test_reap();
}

/* The rest of the line that begins with key; "" when there is none. */
static inline const char *
said(const char *key)
{
	static char value[4][512];
	static int turn;
	size_t len = strlen(key), n;
	const char *p = st.text;

	turn = (turn + 1) % 4;
	value[turn][0] = '\0';
	for (; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) != 0 || p[len] != ' ')
			continue;
		p += len + 1;
		n = strcspn(p, "\n");
		snprintf(value[turn], sizeof value[turn], "%.*s", (int)n, p);
		break;
	}
	return value[turn];
}

static inline int
said_count(const char *prefix)
{
	int n = 0;

	for (const char *p = st.text; p != NULL && *p != '\0';
	     p = strchr(p, '\n')) {
		p += *p == '\n';
		n += strncmp(p, prefix, strlen(prefix)) == 0;
	}
	return n;
}

#define ck_said(key, value) ck_assert_str_eq(said(key), value)

/* The child is dead and the outcome is told. */
static inline void
expect_failure(enum spawn_stage stage, int errnum)
{
	test_reap();
	spawn_settle(st.sp);
	ck_assert(st.called);
	ck_assert(st.failed);
	ck_assert_int_eq(st.failure.stage, stage);
	ck_assert_int_eq(st.failure.errnum, errnum);
	ck_assert_int_eq(st.end.si_code, CLD_EXITED);
	ck_assert_int_eq(st.end.si_status, 127);
}

static inline void
test_file(char *path, const char *text, mode_t mode)
{
	int fd;

	strcpy(path, "/tmp/reeve-spawn.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

/* --- the program -------------------------------------------------------------
 */

typedef void spawn_tests(TCase *tc);

/* main(): the child's, or all the tests that add adds. */
static inline int
spawn_try_main(int argc, char **argv, char **envp, spawn_tests *add)
{
	if (argc > 1 && strcmp(argv[1], word_probe) == 0)
		return probe(argv, envp);
	return try_main("spawn", add, setup, teardown);
}

#endif
