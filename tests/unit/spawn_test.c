/*
 * spawn_test - real children, and what they find themselves to be.
 *
 * The child is mostly this program again ("probe"): it writes what it has into
 * its standard output, one line a fact.  Tests of both ways to start (clone3,
 * and clone where that is refused) run once with each: _i is the way.
 */
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

#define WAIT_MS 20000

/* --- the child --------------------------------------------------------------
 */

static void
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

static void
probe_status(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256], key[64], value[64];

	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%63[^:]: %63s", key, value) == 2)
			printf("%s %s\n", key, value);
	fclose(f);
}

static int
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

static void
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

static void
teardown(void)
{
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
}

/* 0: clone3; 1: clone; 2: clone3 of a process with many descriptors. */
static void
way(int i)
{
	static struct spawn_room kept;

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

static void
give(int target, int fd)
{
	st.fds[st.spec.nfds].target = target;
	st.fds[st.spec.nfds].from = SPEC_FD_INHERIT;
	st.from[st.spec.nfds++] = fd;
}

static void
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
static struct spec *
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

static void
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
static void
test_wait(void)
{
	struct pollfd pfd = { st.pidfd, POLLIN, 0 };

	ck_assert_int_eq(poll(&pfd, 1, WAIT_MS), 1);
}

static void
test_reap(void)
{
	test_wait();
	ck_assert_int_eq(waitid(P_PID, (id_t)st.pid, &st.end, WEXITED), 0);
	fd_closep(&st.pidfd);
}

/* Starts it with null, a pipe and our stderr, and reads what it says. */
static void
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
static const char *
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

static int
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
static void
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

/* --- what a child is given --------------------------------------------------
 */

START_TEST(it_runs)
{
	int before;
	char word[] = "a b", empty[] = "", key[] = "A=b=c", path[] = "P=";
	char *argv[] = { self, word_probe, word, empty, NULL };
	char *envp[] = { key, path, NULL };

	way(_i);
	before = fake_fd_count();
	st.spec.argv = argv;
	st.spec.envp = envp;
	run();
	ck_said("argv2", "a b");
	ck_assert_int_eq(said_count("argv3 \n"), 1);
	ck_assert_int_eq(said_count("argv"), 4);
	ck_said("env0", "A=b=c");
	ck_said("env1", "P=");
	ck_assert_int_eq(said_count("env"), 2);
	ck_assert_int_eq(st.end.si_code, CLD_EXITED);
	ck_assert_int_eq(st.end.si_status, 7);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

START_TEST(a_session_of_its_own)
{
	way(_i);
	run();
	ck_said("session", "own");
}
END_TEST

/*
 * SIGKILL and SIGSTOP aside: all that can be.  The first test, for dispositions
 * are asked once a process, which is all tests' under CK_FORK=no.
 */
START_TEST(signals_are_as_new)
{
	struct sigaction ign = { .sa_handler = SIG_IGN }, sa;
	struct sigaction had[NSIG] = { 0 };
	sigset_t all, now, mask;

	way(_i);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGCHLD)
			sigaction(sig, &ign, &had[sig]);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	run();
	ck_said("SigBlk", "0000000000000000");
	ck_said("SigIgn", "0000000000000000");
	/* Ours are what they were. */
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert(sigismember(&now, SIGTERM) && sigismember(&now, SIGRTMAX));
	sigaction(SIGPIPE, NULL, &sa);
	ck_assert(sa.sa_handler == SIG_IGN);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGCHLD)
			sigaction(sig, &had[sig], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}
END_TEST

START_TEST(our_own_mask_comes_back)
{
	sigset_t none, now;

	way(_i);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	run();
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert(!sigismember(&now, SIGTERM) && !sigismember(&now, SIGCHLD));
}
END_TEST

START_TEST(directory_umask_and_nice)
{
	way(_i);
	st.spec.directory = "/proc/self/root/usr";
	st.spec.umask = 027;
	st.spec.nice = 3;
	run();
	ck_said("cwd", "/usr");
	ck_said("umask", "027");
	ck_said("nice", "3");
}
END_TEST

START_TEST(what_is_not_set_stays)
{
	char cwd[PATH_MAX], nofile[64], cpus[16];
	struct rlimit rl;
	cpu_set_t set;

	way(_i);
	umask(035);
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
	getrlimit(RLIMIT_NOFILE, &rl);
	snprintf(
	    nofile, sizeof nofile, "%d/%d", (int)rl.rlim_cur, (int)rl.rlim_max);
	sched_getaffinity(0, sizeof set, &set);
	snprintf(cpus, sizeof cpus, "%d", CPU_COUNT(&set));
	run();
	ck_said("cwd", cwd);
	ck_said("umask", "035");
	ck_said("nofile", nofile);
	ck_said("cpus", cpus);
	ck_assert_int_eq(said_count("env"), 0);
	ck_said("listen_pid", "");
}
END_TEST

START_TEST(limits_are_set)
{
	struct spec_rlimit limits[] = {
		{ RLIMIT_NOFILE, { 64, 128 } },
		{ RLIMIT_CORE, { 0, 0 } },
	};
	struct rlimit rl;

	way(_i);
	st.spec.rlimits = limits;
	st.spec.nrlimits = 2;
	run();
	ck_said("nofile", "64/128");
	ck_said("core", "0/0");
	getrlimit(RLIMIT_NOFILE, &rl); /* its alone */
	ck_assert_uint_ne(rl.rlim_max, 128);
}
END_TEST

/*
 * The keeper has more descriptors than its children may: their limit must not
 * be in the way of placing what they are given.
 */
START_TEST(a_low_limit_below_our_own_descriptors)
{
	struct spec_rlimit limit = { RLIMIT_NOFILE, { 16, 16 } };
	int fds[64];

	way(_i);
	for (int i = 0; i < 64; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	give(9, fds[63]);
	st.spec.rlimits = &limit;
	st.spec.nrlimits = 1;
	run();
	ck_said("nofile", "16/16");
	ck_said("fd9", "/dev/null");
	for (int i = 0; i < 64; i++)
		close(fds[i]);
}
END_TEST

START_TEST(affinity)
{
	cpu_set_t had, want;
	char cpu[16];
	int last = 0;

	way(_i);
	sched_getaffinity(0, sizeof had, &had);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &had))
			last = i;
	CPU_ZERO(&want);
	CPU_SET((size_t)last, &want);
	st.spec.affinity = &want;
	st.spec.affinity_len = sizeof want;
	run();
	snprintf(cpu, sizeof cpu, "%d", last);
	ck_said("cpus", "1");
	ck_said("cpu", cpu);
}
END_TEST

START_TEST(listen_pid_is_its_own)
{
	char key[] = "LISTEN_FDS=1";
	char *envp[] = { key, NULL };

	way(_i);
	st.spec.flags = SPEC_LISTEN_PID;
	st.spec.envp = envp;
	run();
	ck_said("listen_pid", "mine");
	ck_said("env0", "LISTEN_FDS=1");
	ck_assert_int_eq(said_count("env"), 2);
}
END_TEST

START_TEST(another_user)
{
	static gid_t groups[] = { 65531, 65532 };
	char sh[] = "/bin/sh", c[] = "-c",
	     text[] = "umask; id -u; id -g; id -G";
	char path[] = "PATH=/usr/bin:/bin";
	char *argv[] = { sh, c, text, NULL }, *envp[] = { path, NULL };

	if (geteuid() != 0)
		return;
	way(_i);
	st.spec.path = sh;
	st.spec.argv = argv;
	st.spec.envp = envp;
	st.spec.umask = 022;
	st.spec.set_ids = true;
	st.spec.uid = 65534;
	st.spec.gid = 65533;
	st.spec.groups = groups;
	st.spec.ngroups = _i == 1 ? 2 : 0;
	run();
	ck_assert_str_eq(
	    st.text, _i == 1 ? "0022\n65534\n65533\n65533 65531 65532\n"
			     : "0022\n65534\n65533\n65533\n");
	ck_assert_int_eq((int)getuid(), 0);
}
END_TEST

/* --- what shuts a child in --------------------------------------------------
 */

#define BIT(cap) (UINT64_C(1) << (cap))

/* Runs a line of shell; what it prints is in st.text. */
static void
run_sh(const char *line)
{
	static char sh[] = "/bin/sh", c[] = "-c", text[1024];
	static char path[] = "PATH=/usr/bin:/bin";
	static char *argv[] = { sh, c, text, NULL }, *envp[] = { path, NULL };

	snprintf(text, sizeof text, "%s", line);
	st.spec.path = sh;
	st.spec.argv = argv;
	st.spec.envp = envp;
	run();
	st.spec.nfds -= 3;
}

static void
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

static void
test_folder(char *path)
{
	strcpy(path, "/var/reeve-spawn.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(chmod(path, 0755), 0);
}

/* Refuses one system call, in this process and below it, for good. */
static void
refuse(int nr, int errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

static bool
test_forks(void)
{
	const char *fork = getenv("CK_FORK");

	return fork == NULL || strcmp(fork, "no") != 0;
}

START_TEST(an_io_priority)
{
	long prio;

	way(_i);
	prio = syscall(SYS_ioprio_get, 1, 0);
	st.spec.ioprio = 2 << 13 | 6;
	run_sh("ionice -p $$");
	ck_assert_str_eq(st.text, "best-effort: prio 6\n");
	ck_assert_int_eq(syscall(SYS_ioprio_get, 1, 0), prio);
	st.spec.ioprio = 7 << 13;
	start();
	expect_failure(STAGE_IOPRIO, EINVAL);
}
END_TEST

START_TEST(no_new_privileges)
{
	way(_i);
	run();
	ck_said("NoNewPrivs", "0");
	st.spec.nfds = 0;
	st.spec.flags = SPEC_NO_NEW_PRIVS;
	run();
	ck_said("NoNewPrivs", "1");
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(no_new_privileges_refused)
{
	if (!test_forks())
		return;
	way(_i);
	refuse(SYS_prctl, EPERM);
	st.spec.flags = SPEC_NO_NEW_PRIVS;
	start();
	expect_failure(STAGE_NO_NEW_PRIVS, EPERM);
}
END_TEST

/* An ordinary user has what is kept; nothing can bring back the rest. */
START_TEST(capabilities_of_a_user)
{
	if (geteuid() != 0)
		return;
	way(_i);
	st.spec.set_ids = true;
	st.spec.uid = st.spec.gid = 65534;
	st.spec.flags = SPEC_CAPS;
	st.spec.caps = BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_CHOWN);
	run_sh("cat /proc/self/status | tr -d '\\t' | tr : ' '");
	ck_said("CapPrm", "0000000000000401");
	ck_said("CapEff", "0000000000000401");
	ck_said("CapBnd", "0000000000000401");
	ck_said("CapAmb", "0000000000000401");
	ck_assert_int_eq(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0), 1);
}
END_TEST

START_TEST(capabilities_of_root)
{
	if (geteuid() != 0)
		return;
	way(_i);
	st.spec.flags = SPEC_CAPS;
	st.spec.caps = BIT(CAP_KILL);
	run();
	ck_said("CapPrm", "0000000000000020");
	ck_said("CapEff", "0000000000000020");
	ck_said("CapBnd", "0000000000000020");
	st.spec.nfds = 0;
	st.spec.caps = 0;
	run();
	ck_said("CapPrm", "0000000000000000");
	ck_said("CapBnd", "0000000000000000");
}
END_TEST

/* Of those that this process may use; nothing here needs it. */
static void
test_drop(int cap)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq((int)syscall(SYS_capget, &head, data), 0);
	data[cap / 32].permitted &= ~(1U << cap % 32);
	data[cap / 32].effective &= ~(1U << cap % 32);
	ck_assert_int_eq((int)syscall(SYS_capset, &head, data), 0);
}

START_TEST(capabilities_that_we_lack)
{
	if (geteuid() != 0)
		return;
	way(_i);
	test_drop(CAP_AUDIT_CONTROL);
	st.spec.flags = SPEC_CAPS;
	st.spec.caps = BIT(CAP_AUDIT_CONTROL);
	start();
	expect_failure(STAGE_CAPABILITIES, EPERM);
	st.spec.caps = BIT(CAP_KILL);
	ck_assert_int_eq(
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0, 0), 0);
	start();
	expect_failure(STAGE_AMBIENT, EPERM);
	ck_assert_int_eq(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(another_root)
{
	char dir[64], text[256];

	if (geteuid() != 0)
		return;
	way(_i);
	test_folder(dir);
	st.spec.root = dir;
	st.spec.path = "/bin/sh";
	start(); /* there is none below it */
	expect_failure(STAGE_EXEC, ENOENT);
	rmdir(dir);
	start();
	expect_failure(STAGE_CHROOT, ENOENT);
	spawn_err_text(text, sizeof text, &st.failure, "web", dir);
	ck_assert_ptr_nonnull(strstr(text, "change the root to /var/reeve-"));
	st.spec.root = "/proc";
	st.spec.directory = "/etc"; /* there is no /proc/etc */
	start();
	expect_failure(STAGE_DIRECTORY, ENOENT);
	st.spec.root = "/proc/self/root";
	run_sh("pwd");
	ck_assert_str_eq(st.text, "/etc\n");
}
END_TEST

START_TEST(a_private_tmp)
{
	char path[64], line[512];

	if (geteuid() != 0)
		return;
	way(_i);
	test_file(path, "x", 0644);
	st.spec.flags = SPEC_PRIVATE_TMP;
	snprintf(line, sizeof line,
	    "ls -A /tmp /var/tmp; stat -c %%a /tmp /var/tmp; "
	    ">/tmp/reeve-mine && >/var/tmp/reeve-mine && test ! -e %s && "
	    "echo in",
	    path);
	run_sh(line);
	ck_assert_str_eq(st.text, "/tmp:\n\n/var/tmp:\n1777\n1777\nin\n");
	ck_assert_int_eq(access(path, F_OK), 0); /* ours is what it was */
	ck_assert_int_eq(access("/tmp/reeve-mine", F_OK), -1);
	unlink(path);
}
END_TEST

/* A root without /tmp: it would be the program's to find out. */
START_TEST(a_private_tmp_without_tmp)
{
	char dir[64];

	if (geteuid() != 0)
		return;
	way(_i);
	test_folder(dir);
	st.spec.root = dir;
	st.spec.flags = SPEC_PRIVATE_TMP;
	start();
	expect_failure(STAGE_PRIVATE_TMP, ENOENT);
	rmdir(dir);
}
END_TEST

/* _i / 2: on a kernel without mount_setattr. */
START_TEST(read_only_paths)
{
	char dir[64], sub[80], line[512];
	char *paths[] = { dir, NULL };

	if (geteuid() != 0 || (_i >= 2 && !test_forks()))
		return;
	way(_i % 2);
	if (_i >= 2)
		refuse(SYS_mount_setattr, ENOSYS);
	test_folder(dir);
	snprintf(sub, sizeof sub, "%s/sub", dir);
	mkdir(sub, 0755);
	st.spec.read_only = paths;
	snprintf(line, sizeof line,
	    "exec 2>&1; >%s/x; >%s/x; >/var/reeve-y && rm /var/reeve-y && "
	    "echo ok",
	    dir, sub);
	run_sh(line);
	ck_assert_ptr_nonnull(strstr(st.text, "/x: Read-only file system"));
	ck_assert_ptr_nonnull(strstr(st.text, "sub/x: Read-only file system"));
	ck_assert_ptr_nonnull(strstr(st.text, "ok\n"));
	/* Here nothing has changed. */
	ck_assert_int_eq(rmdir(sub), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	start();
	expect_failure(STAGE_READ_ONLY, ENOENT);
}
END_TEST

/* All of it, mounts below it included; a private /tmp can be written. */
START_TEST(everything_read_only)
{
	static char slash[] = "/";
	char *paths[] = { slash, NULL };

	if (geteuid() != 0 || (_i >= 2 && !test_forks()))
		return;
	way(_i % 2);
	if (_i >= 2)
		refuse(SYS_mount_setattr, ENOSYS);
	st.spec.read_only = paths;
	st.spec.flags = SPEC_PRIVATE_TMP;
	st.spec.root = _i % 2 == 0 ? "" : "/proc/self/root";
	run_sh("exec 2>&1; >/x; >/dev/reeve-x; >/dev/null && >/tmp/x && "
	       "echo ok");
	ck_assert_ptr_nonnull(strstr(st.text, " /x: Read-only file system"));
	if (_i < 2) /* a mount of its own, often */
		ck_assert_ptr_nonnull(
		    strstr(st.text, "/dev/reeve-x: Read-only file system"));
	ck_assert_ptr_nonnull(strstr(st.text, "ok\n"));
	unlink("/dev/reeve-x");
}
END_TEST

/* --- descriptors ------------------------------------------------------------
 */

static int
test_memfd(const char *name, int at)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	ck_assert_int_ne(fd, -1);
	if (fd != at) {
		ck_assert_int_eq(dup3(fd, at, O_CLOEXEC), at);
		close(fd);
	}
	return at;
}

/* Each is in another one's way, one is twice, one stays where it is. */
START_TEST(overlapping_descriptors)
{
	int before;

	way(_i);
	before = fake_fd_count();
	test_memfd("a", 430);
	test_memfd("b", 431);
	test_memfd("c", 432);
	test_memfd("d", 433);
	give(431, 430);
	give(432, 431);
	give(430, 432);
	give(434, 430);
	give(433, 433);
	run();
	ck_said("fd430", "/memfd:c (deleted)");
	ck_said("fd431", "/memfd:a (deleted)");
	ck_said("fd432", "/memfd:b (deleted)");
	ck_said("fd433", "/memfd:d (deleted)");
	ck_said("fd434", "/memfd:a (deleted)");
	ck_assert_int_eq(said_count("fd"), 5 + 3);
	for (int fd = 430; fd < 434; fd++) {
		/* Nothing was moved here. */
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

/* Our standard ones as its others, and others as its standard ones. */
START_TEST(standard_descriptors_can_be_moved)
{
	int err = dup(2), p[2], saved[2] = { dup(0), dup(1) };

	way(_i);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	dup2(p[1], 0); /* its output is our number 0 */
	test_memfd("one", 1);
	give(1, 0);
	give(0, 1);
	give(2, 1);
	start();
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(p[1]);
	ck_assert_int_gt(st.pid, 0);
	ck_assert_int_gt(read(p[0], st.text, sizeof st.text - 1), 0);
	ck_assert(fake_loop_until(lp, &st.called, WAIT_MS));
	ck_assert(!st.failed);
	test_reap();
	ck_said("fd0", "/memfd:one (deleted)");
	ck_said("fd1", "pipe");
	ck_said("fd2", "/memfd:one (deleted)");
	close(err);
}
END_TEST

/* Every low number is a target: the error pipe has to make room as well. */
START_TEST(targets_over_the_error_pipe)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	way(_i);
	for (int i = 3; i < 100; i++)
		give(i, fd);
	run();
	ck_assert_int_eq(said_count("fd"), 100);
	ck_said("fd3", "/memfd:x (deleted)");
	ck_said("fd99", "/memfd:x (deleted)");
	/* And a failure gets through. */
	st.spec.path = "/nonexistent";
	st.spec.nfds -= 3; /* run's own, closed by now */
	start();
	expect_failure(STAGE_EXEC, ENOENT);
	close(fd);
}
END_TEST

START_TEST(the_highest_target)
{
	int fd = memfd_create("x", MFD_CLOEXEC);
	struct rlimit rl;

	way(_i);
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_max < SPEC_TARGET_MAX + 16)
		return;
	give(SPEC_TARGET_MAX, fd);
	run();
	ck_said("fd1023", "/memfd:x (deleted)");
	ck_assert_int_eq(said_count("fd"), 4);
	close(fd);
}
END_TEST

/* What a library, or who started us, has left open without close-on-exec. */
START_TEST(nothing_else_is_there)
{
	way(_i);
	for (int at = 3; at < 60; at += 9)
		ck_assert_int_ge(fcntl(2, F_DUPFD, at), at);
	ck_assert_int_ge(fcntl(2, F_DUPFD, 300), 300);
	give(30, 2);
	run();
	ck_assert_int_eq(said_count("fd"), 4);
	ck_assert_str_ne(said("fd30"), "");
}
END_TEST

/* --- failures ---------------------------------------------------------------
 */

START_TEST(a_program_that_is_not_there)
{
	int before;
	char text[256];

	way(_i % 2);
	before = fake_fd_count();
	st.spec.path = "/nonexistent/web";
	start();
	ck_assert_int_gt(st.pid, 0);
	ck_assert(!st.called);
	if (_i >= 2) {
		/* The loop sees the report first: it is told nothing yet. */
		test_wait();
		while (fake_loop_poll(lp, 0) > 0)
			;
		ck_assert(!st.called);
		ck_assert_uint_eq(fake_loop_active(lp), 0);
	}
	expect_failure(STAGE_EXEC, ENOENT);
	ck_assert_int_eq(fake_fd_count(), before);
	spawn_err_text(text, sizeof text, &st.failure, "/nonexistent/web", "/");
	ck_assert_str_eq(
	    text, "execute /nonexistent/web: No such file or directory");
}
END_TEST

START_TEST(a_program_that_is_none)
{
	char path[64], text[256];

	way(_i);
	test_file(path, "echo hello\n", 0755);
	st.spec.path = path;
	start();
	expect_failure(STAGE_EXEC, ENOEXEC);
	spawn_err_text(text, sizeof text, &st.failure, "/bin/x", "/");
	ck_assert_str_eq(text,
	    "execute /bin/x: not a program of this machine and no script with "
	    "a #! line");
	chmod(path, 0644);
	start();
	expect_failure(STAGE_EXEC, EACCES);
	unlink(path);
}
END_TEST

START_TEST(an_interpreter_that_is_not_there)
{
	char path[64];

	way(_i);
	test_file(path, "#!/nonexistent/sh\n", 0755);
	st.spec.path = path;
	start();
	expect_failure(STAGE_EXEC, ENOENT);
	unlink(path);
}
END_TEST

START_TEST(a_directory_that_is_not_there)
{
	char text[256];

	way(_i);
	st.spec.directory = "/nonexistent";
	start();
	expect_failure(STAGE_DIRECTORY, ENOENT);
	spawn_err_text(text, sizeof text, &st.failure, "web", "/nonexistent");
	ck_assert_str_eq(text, "change to the directory /nonexistent: "
			       "No such file or directory");
	st.spec.directory = "/dev/null";
	start();
	expect_failure(STAGE_DIRECTORY, ENOTDIR);
}
END_TEST

START_TEST(limits_that_are_none)
{
	struct spec_rlimit limit = { 99, { 1, 1 } };
	uint8_t no_cpu[128] = { 0 };

	way(_i);
	st.spec.rlimits = &limit;
	st.spec.nrlimits = 1;
	start();
	expect_failure(STAGE_RLIMIT, EINVAL);
	limit = (struct spec_rlimit){ RLIMIT_CORE, { 2, 1 } };
	start();
	expect_failure(STAGE_RLIMIT, EINVAL);
	st.spec.nrlimits = 0;
	st.spec.affinity = no_cpu;
	st.spec.affinity_len = sizeof no_cpu;
	start();
	expect_failure(STAGE_AFFINITY, EINVAL);
}
END_TEST

START_TEST(a_descriptor_that_is_none)
{
	way(_i);
	give(5, 900);
	start();
	expect_failure(STAGE_FDS, EBADF);
}
END_TEST

/* What an ordinary user may not. */
START_TEST(rights_that_are_not_there)
{
	struct rlimit had, none;

	way(_i);
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	/* Or /proc/self would be root's. */
	prctl(PR_SET_DUMPABLE, 1);
	st.spec.nice = -5;
	start();
	expect_failure(STAGE_NICE, EACCES);
	st.spec.nice = SPEC_KEEP;
	st.spec.oom_score_adj = -1000;
	start();
	expect_failure(STAGE_OOM, EACCES);
	st.spec.oom_score_adj = SPEC_KEEP;
	st.spec.set_ids = true;
	start();
	expect_failure(STAGE_GROUPS, EPERM);
	/* No process at all. */
	getrlimit(RLIMIT_NPROC, &had);
	none = had;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NPROC, &none);
	start();
	setrlimit(RLIMIT_NPROC, &had);
	ck_assert_int_eq(st.pid, -1);
	ck_assert_int_eq(st.pidfd, -1);
	ck_assert_int_eq(st.se.stage, STAGE_CLONE);
	ck_assert_int_eq(st.se.errnum, EAGAIN);
	ck_assert(!st.called);
}
END_TEST

/* As nobody, whom the test before has made of us under CK_FORK=no. */
START_TEST(a_box_without_rights)
{
	static char usr[] = "/usr";
	char *paths[] = { usr, NULL };

	way(_i);
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	st.spec.root = "/usr";
	start();
	expect_failure(STAGE_CHROOT, EPERM);
	st.spec.read_only = paths;
	start();
	expect_failure(STAGE_NAMESPACE, EPERM);
	st.spec.root = "";
	st.spec.read_only = NULL;
	st.spec.flags = SPEC_PRIVATE_TMP;
	start();
	expect_failure(STAGE_NAMESPACE, EPERM);
	st.spec.flags = SPEC_CAPS;
	start();
	expect_failure(STAGE_BOUNDING, EPERM);
	st.spec.flags = 0;
	st.spec.ioprio = 1 << 13; /* real time */
	start();
	expect_failure(STAGE_IOPRIO, EPERM);
}
END_TEST

/* The folder of a cgroup: a plain one tells the two ways apart. */
START_TEST(cgroups)
{
	char dir[] = "/tmp/reeve-spawn.XXXXXX", path[64], got[16] = "";
	int before, fd;

	way(_i);
	before = fake_fd_count();
	ck_assert_ptr_nonnull(mkdtemp(dir));
	st.cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st.spec.path = "/nonexistent";
	start();
	if (_i != 1) { /* clone3 takes it, and sees that it is none */
		ck_assert_int_eq(st.pid, -1);
		ck_assert_int_eq(st.se.stage, STAGE_CLONE);
		ck_assert_int_eq(st.se.errnum, EBADF);
	} else { /* the child joins it itself */
		expect_failure(STAGE_CGROUP, ENOENT);
		snprintf(path, sizeof path, "%s/cgroup.procs", dir);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		start();
		expect_failure(STAGE_EXEC, ENOENT);
		ck_assert_int_eq(read(fd, got, sizeof got), 1);
		ck_assert_str_eq(got, "0");
		close(fd);
		unlink(path);
	}
	close(st.cgroup);
	rmdir(dir);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

/* A folder below ours, for children that can't run; false: cgroup2 is not here.
 */
static bool
test_frozen(char *folder, size_t size)
{
	static const char *const at[] = { "/sys/fs/cgroup",
		"/sys/fs/cgroup/unified" };
	char path[PATH_MAX];
	int fd = -1;

	for (size_t i = 0; i < 2 && fd == -1; i++) {
		snprintf(
		    folder, size, "%s/reeve-spawn-%d", at[i], (int)getpid());
		if (mkdir(folder, 0755) == -1)
			continue;
		snprintf(path, sizeof path, "%.200s/cgroup.freeze", folder);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd == -1)
			rmdir(folder);
	}
	if (fd == -1)
		return false;
	ck_assert_int_eq(write(fd, "1", 1), 1);
	close(fd);
	return true;
}

/* It shares our table and never gets as far as to have its own. */
START_TEST(a_child_that_can_not_run)
{
	char folder[PATH_MAX];
	int before;

	way(2);
	before = fake_fd_count();
	if (geteuid() != 0 || !test_frozen(folder, sizeof folder)) {
		puts("# skipped: needs root and cgroup2");
		return;
	}
	st.cgroup = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st.spec.path = "/bin/true";
	start();
	ck_assert_int_gt(st.pid, 0);
	test_reap();
	ck_assert_int_eq(st.end.si_code, CLD_KILLED);
	ck_assert_int_eq(st.end.si_status, SIGKILL);
	spawn_settle(st.sp);
	fd_closep(&st.cgroup);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(fake_fd_count(), before);
	ck_assert(room->is_off);
	st.spec.path = self;
	run(); /* with a copy of all from now on */
	ck_said("session", "own");
}
END_TEST

static const int refusals[] = { ENOSYS, EPERM };

/* As Docker's seccomp filter does. */
START_TEST(clone3_that_is_refused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ERRNO | (unsigned)refusals[_i]),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	unsetenv("REEVE_NO_CLONE3");
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
	run();
	ck_said("session", "own");
	ck_said("SigBlk", "0000000000000000");
	st.cgroup = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(); /* it is the child that fails */
	expect_failure(STAGE_CGROUP, ENOENT);
	close(st.cgroup);
}
END_TEST

/* --- the parent -------------------------------------------------------------
 */

START_TEST(dead_before_the_loop_looked)
{
	way(_i);
	st.spec.path = "/bin/true";
	start();
	test_reap();
	ck_assert_int_eq(st.end.si_status, 0);
	ck_assert(!st.called);
	spawn_settle(st.sp);
	ck_assert(st.called);
	ck_assert(!st.failed);
}
END_TEST

START_TEST(errno_is_ours)
{
	way(_i);
	st.spec.path = "/nonexistent";
	start();
	errno = 0;
	test_wait();
	ck_assert_int_eq(errno, 0);
	expect_failure(STAGE_EXEC, ENOENT);
}
END_TEST

#define MANY 50

/* Stacks, reports and outcomes of starts that are under way at once. */
START_TEST(many_at_once)
{
	static struct start all[MANY];
	int before;

	way(_i);
	before = fake_fd_count();
	for (int i = 0; i < MANY; i++) {
		st.spec.path = i % 2 == 0 ? "/bin/true" : "/nonexistent";
		start();
		ck_assert_int_gt(st.pid, 0);
		all[i].pid = st.pid;
		all[i].pidfd = st.pidfd;
		all[i].sp = st.sp;
	}
	for (int i = 0; i < MANY; i++) {
		st.pid = all[i].pid;
		st.pidfd = all[i].pidfd;
		st.called = false;
		test_reap();
		spawn_settle(all[i].sp);
		ck_assert(st.called);
		ck_assert_int_eq(st.failed, i % 2 == 1);
		ck_assert_int_eq(st.end.si_status, i % 2 == 0 ? 0 : 127);
	}
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

#define ROUNDS 24 /* of a sweep's step */

/*
 * A start whose nth call fails; false when it has fewer.  No assertion on the
 * way, for those allocate.
 */
static bool
sweep_step(unsigned nth)
{
	bool hit;

	fake_reset();
	fake_fail_any(nth, EMFILE);
	start();
	hit = fake_fail_hit();
	if (st.pid != -1) {
		waitid(P_PID, (id_t)st.pid, &st.end, WEXITED);
		fd_closep(&st.pidfd);
		spawn_settle(st.sp);
	}
	return hit;
}

START_TEST(every_call_may_fail)
{
	int before;
	size_t heap[ROUNDS];
	unsigned n = 1;

	way(_i);
	before = fake_fd_count();
	st.spec.path = "/bin/true";
	st.spec.flags = SPEC_LISTEN_PID;
	give(0, 0);
	for (; sweep_step(n); n++) {
		ck_assert_int_eq(st.pid, -1);
		ck_assert_int_eq(st.pidfd, -1);
		ck_assert_int_eq(st.se.stage, STAGE_PREPARE);
		ck_assert_int_eq(st.se.errnum, EMFILE);
		ck_assert(!st.called);
		ck_assert_int_eq(fake_fd_count(), before);
		/* The first ones fill the allocator's own caches. */
		for (int round = 0; round < ROUNDS; round++) {
			sweep_step(n);
			heap[round] = fake_heap_bytes();
		}
		ck_assert_uint_eq(heap[ROUNDS - 1], heap[ROUNDS / 2]);
	}
	ck_assert_uint_ge(n, 2);
	ck_assert(st.called && !st.failed);
	for (int round = 0; round < ROUNDS; round++) {
		sweep_step(n);
		heap[round] = fake_heap_bytes();
	}
	ck_assert_uint_eq(heap[ROUNDS - 1], heap[ROUNDS / 2]);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

START_TEST(every_stage_has_its_text)
{
	static const struct {
		struct spawn_err se;
		const char *text;
	} rows[] = {
		{ { STAGE_PREPARE, EMFILE },
		    "prepare the start: Too many open files" },
		{ { STAGE_UID, EPERM },
		    "set the user: Operation not permitted" },
		{ { STAGE_EXEC, EACCES }, "execute P: Permission denied" },
		{ { STAGE_DIRECTORY, EACCES },
		    "change to the directory D: Permission denied" },
		{ { STAGE_CHROOT, ENOENT },
		    "change the root to D: No such file or directory" },
		{ { STAGE_READ_ONLY, ENOENT },
		    "make read-only D: No such file or directory" },
		{ { STAGE_AMBIENT, EPERM },
		    "raise ambient capabilities: Operation not permitted" },
		{ { (enum spawn_stage)99, EIO }, "start: Input/output error" },
	};
	char text[128];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		spawn_err_text(text, sizeof text, &rows[i].se, "P", "D");
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

int
main(int argc, char **argv, char **envp)
{
	Suite *s;
	TCase *tc;
	SRunner *sr;
	int failed;

	if (argc > 1 && strcmp(argv[1], word_probe) == 0)
		return probe(argv, envp);
	s = suite_create("spawn");
	tc = tcase_create("spawn");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, signals_are_as_new, 0, 3);
	tcase_add_loop_test(tc, it_runs, 0, 3);
	tcase_add_loop_test(tc, a_session_of_its_own, 0, 3);
	tcase_add_loop_test(tc, our_own_mask_comes_back, 0, 3);
	tcase_add_loop_test(tc, directory_umask_and_nice, 0, 3);
	tcase_add_loop_test(tc, what_is_not_set_stays, 0, 3);
	tcase_add_loop_test(tc, limits_are_set, 0, 3);
	tcase_add_loop_test(tc, a_low_limit_below_our_own_descriptors, 0, 3);
	tcase_add_loop_test(tc, affinity, 0, 3);
	tcase_add_loop_test(tc, listen_pid_is_its_own, 0, 3);
	tcase_add_loop_test(tc, another_user, 0, 3);
	tcase_add_loop_test(tc, an_io_priority, 0, 3);
	tcase_add_loop_test(tc, no_new_privileges, 0, 3);
	tcase_add_loop_test(tc, no_new_privileges_refused, 0, 3);
	tcase_add_loop_test(tc, capabilities_of_a_user, 0, 3);
	tcase_add_loop_test(tc, capabilities_of_root, 0, 3);
	tcase_add_loop_test(tc, capabilities_that_we_lack, 0, 3);
	tcase_add_loop_test(tc, another_root, 0, 3);
	tcase_add_loop_test(tc, a_private_tmp, 0, 3);
	tcase_add_loop_test(tc, a_private_tmp_without_tmp, 0, 3);
	tcase_add_loop_test(tc, read_only_paths, 0, 4);
	tcase_add_loop_test(tc, everything_read_only, 0, 4);
	tcase_add_loop_test(tc, overlapping_descriptors, 0, 3);
	tcase_add_loop_test(tc, standard_descriptors_can_be_moved, 0, 3);
	tcase_add_loop_test(tc, targets_over_the_error_pipe, 0, 3);
	tcase_add_loop_test(tc, the_highest_target, 0, 3);
	tcase_add_loop_test(tc, nothing_else_is_there, 0, 3);
	tcase_add_loop_test(tc, a_program_that_is_not_there, 0, 4);
	tcase_add_loop_test(tc, a_program_that_is_none, 0, 3);
	tcase_add_loop_test(tc, an_interpreter_that_is_not_there, 0, 3);
	tcase_add_loop_test(tc, a_directory_that_is_not_there, 0, 3);
	tcase_add_loop_test(tc, limits_that_are_none, 0, 3);
	tcase_add_loop_test(tc, a_descriptor_that_is_none, 0, 3);
	tcase_add_loop_test(tc, rights_that_are_not_there, 0, 3);
	tcase_add_loop_test(tc, a_box_without_rights, 0, 3);
	tcase_add_loop_test(tc, cgroups, 0, 3);
	tcase_add_test(tc, a_child_that_can_not_run);
	tcase_add_loop_test(tc, clone3_that_is_refused, 0, 2);
	tcase_add_loop_test(tc, dead_before_the_loop_looked, 0, 3);
	tcase_add_loop_test(tc, errno_is_ours, 0, 3);
	tcase_add_loop_test(tc, many_at_once, 0, 3);
	tcase_add_loop_test(tc, every_call_may_fail, 0, 3);
	tcase_add_test(tc, every_stage_has_its_text);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
