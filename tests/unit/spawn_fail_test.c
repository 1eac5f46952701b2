/* spawn_fail_test - starts that fail, and each call that may. */
#include "spawn_try.h"

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
		    SECCOMP_RET_ERRNO | (unsigned)refusals[_i % 2]),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	way(_i < 2 ? 0 : WAYS - 1);
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

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, a_program_that_is_not_there, 0, 4);
	tcase_add_loop_test(tc, a_program_that_is_none, 0, WAYS);
	tcase_add_loop_test(tc, an_interpreter_that_is_not_there, 0, WAYS);
	tcase_add_loop_test(tc, a_directory_that_is_not_there, 0, WAYS);
	tcase_add_loop_test(tc, limits_that_are_none, 0, WAYS);
	tcase_add_loop_test(tc, a_descriptor_that_is_none, 0, WAYS);
	tcase_add_loop_test(tc, rights_that_are_not_there, 0, WAYS);
	tcase_add_loop_test(tc, cgroups, 0, WAYS);
	tcase_add_test(tc, a_child_that_can_not_run);
	tcase_add_loop_test(tc, clone3_that_is_refused, 0, 4);
	tcase_add_loop_test(tc, every_call_may_fail, 0, WAYS);
}

int
main(int argc, char **argv, char **envp)
{
	return spawn_try_main(argc, argv, envp, add_tests);
}
