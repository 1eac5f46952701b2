/* spawn_box_test - what shuts a child in: identity, capabilities, its files. */
#include "spawn_try.h"

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

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, an_io_priority, 0, WAYS);
	tcase_add_loop_test(tc, no_new_privileges, 0, WAYS);
	tcase_add_loop_test(tc, no_new_privileges_refused, 0, WAYS);
	tcase_add_loop_test(tc, capabilities_of_a_user, 0, WAYS);
	tcase_add_loop_test(tc, capabilities_of_root, 0, WAYS);
	tcase_add_loop_test(tc, capabilities_that_we_lack, 0, WAYS);
	tcase_add_loop_test(tc, another_root, 0, WAYS);
	tcase_add_loop_test(tc, a_private_tmp, 0, WAYS);
	tcase_add_loop_test(tc, a_private_tmp_without_tmp, 0, WAYS);
	tcase_add_loop_test(tc, read_only_paths, 0, 4);
	tcase_add_loop_test(tc, everything_read_only, 0, 4);
	tcase_add_loop_test(tc, a_box_without_rights, 0, WAYS);
}

int
main(int argc, char **argv, char **envp)
{
	return spawn_try_main(argc, argv, envp, add_tests);
}
