/* spawn_test - what a child is given, and what becomes of its parent. */
#include "spawn_try.h"

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

/* Nobody waits for it: no descriptor, and no wake-up but a timer's. */
START_TEST(told_late)
{
	int before, p[2];

	way(_i);
	before = fake_fd_count();
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	give(0, p[0]);
	st.spec.path = "/bin/cat";
	start();
	ck_assert_int_gt(st.pid, 0);
	fd_closep(&p[0]);
	fd_closep(&st.pidfd);
	ck_assert_int_eq(fake_fd_count(), before + 1); /* p[1] */
	ck_assert(!st.called);
	ck_assert(fake_loop_until(lp, &st.called, WAIT_MS));
	ck_assert(!st.failed);
	fd_closep(&p[1]);
	ck_assert_int_eq(waitid(P_PID, (id_t)st.pid, &st.end, WEXITED), 0);
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

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, it_runs, 0, WAYS);
	tcase_add_loop_test(tc, a_session_of_its_own, 0, WAYS);
	tcase_add_loop_test(tc, signals_are_as_new, 0, WAYS);
	tcase_add_loop_test(tc, our_own_mask_comes_back, 0, WAYS);
	tcase_add_loop_test(tc, directory_umask_and_nice, 0, WAYS);
	tcase_add_loop_test(tc, what_is_not_set_stays, 0, WAYS);
	tcase_add_loop_test(tc, limits_are_set, 0, WAYS);
	tcase_add_loop_test(tc, a_low_limit_below_our_own_descriptors, 0, WAYS);
	tcase_add_loop_test(tc, affinity, 0, WAYS);
	tcase_add_loop_test(tc, listen_pid_is_its_own, 0, WAYS);
	tcase_add_loop_test(tc, another_user, 0, WAYS);
	tcase_add_loop_test(tc, overlapping_descriptors, 0, WAYS);
	tcase_add_loop_test(tc, standard_descriptors_can_be_moved, 0, WAYS);
	tcase_add_loop_test(tc, targets_over_the_error_pipe, 0, WAYS);
	tcase_add_loop_test(tc, the_highest_target, 0, WAYS);
	tcase_add_loop_test(tc, nothing_else_is_there, 0, WAYS);
	tcase_add_loop_test(tc, dead_before_the_loop_looked, 0, WAYS);
	tcase_add_loop_test(tc, told_late, 3, WAYS);
	tcase_add_loop_test(tc, errno_is_ours, 0, WAYS);
	tcase_add_loop_test(tc, many_at_once, 0, WAYS);
	tcase_add_test(tc, every_stage_has_its_text);
}

int
main(int argc, char **argv, char **envp)
{
	return spawn_try_main(argc, argv, envp, add_tests);
}
