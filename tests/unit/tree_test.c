/*
 * tree_test - real processes that try to get away.
 *
 * The test process is the keeper: a subreaper, and everybody's parent.  What
 * needs a cgroup is skipped, and says so, where none can be made.
 */
#include "tree/tree.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/sys_fake.h"
#include "base/fd.h"

#define WAIT_MS 20000

static void
test_setup(void)
{
	fake_reset();
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	tree_set_origin(getpid(), tree_start_of(getpid()), false);
}

/* A leader that runs a shell script with the tree's mark; dir: cgroup. */
static pid_t
test_leader(const char *mark, int dir, const char *script)
{
	pid_t pid = fork();
	int fd;

	ck_assert_int_ne(pid, -1);
	if (pid != 0)
		return pid;
	setsid();
	if (dir != -1) {
		fd = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fd == -1 || write(fd, "0", 1) != 1)
			_exit(99);
	}
	setenv("REEVE_TREE", mark != NULL ? mark : "", 1);
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	_exit(98);
}

/* Zombies of what the test has killed. */
static void
test_reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Until so many are left. */
static void
test_await(const struct tree *t, int n)
{
	int now = -1;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		now = tree_survivors(t, getpid(), NULL, 0);
		if (now == n)
			return;
		test_reap();
		poll(NULL, 0, 10);
	}
	ck_abort_msg("%d processes instead of %d", now, n);
}

static bool
test_is_sleep(pid_t pid)
{
	char path[64], name[16] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f != NULL && fgets(name, sizeof name, f) == NULL)
		name[0] = '\0';
	if (f != NULL)
		fclose(f);
	return strcmp(name, "sleep\n") == 0;
}

/* Until it has grown: n processes, and all of them sleep but some shells. */
static void
test_await_grown(const struct tree *t, int n, int shells)
{
	int now = -1, sleeping = -1;
	pid_t pids[128];

	for (int i = 0; i < WAIT_MS / 10; i++) {
		sleeping = 0;
		now = tree_survivors(t, getpid(), pids, 128);
		for (int k = 0; k < now && k < 128; k++)
			sleeping += test_is_sleep(pids[k]);
		if (now == n && sleeping == n - shells)
			return;
		test_reap();
		poll(NULL, 0, 10);
	}
	ck_abort_msg("%d of %d sleep instead of %d", sleeping, now, n);
}

/* --- without a cgroup ------------------------------------------------------
 */

static const struct {
	const char *script;
	int n;      /* processes, with the leader */
	int shells; /* that many of them wait for others */
} trees[] = {
	{ "exec sleep 60", 1, 0 },
	{ "sleep 60 & sleep 60 & exec sleep 60", 3, 0 },
	/* own session */
	{ "setsid sleep 60 & exec sleep 60", 2, 0 },
	/* a daemon: own session, and its parents gone */
	{ "(setsid sh -c 'sleep 60 & exit' &) ; exec sleep 60", 2, 0 },
	{ "(setsid setsid sh -c '(sleep 60 &) &' &) ; exec sleep 60", 2, 0 },
	/* own session and no mark, but a parent */
	{ "env -i setsid sleep 60 & exec sleep 60", 2, 0 },
	/* and children of such a one */
	{ "env -i setsid sh -c 'sleep 60 & sleep 60; :' & exec sleep 60", 4,
	    1 },
	/* no mark, and its parents gone, but in the session */
	{ "(env -i sleep 60 &) ; exec sleep 60", 2, 0 },
	/* a mark of its own: a supervisor in the tree */
	{ "REEVE_TREE=x setsid sh -c 'setsid sleep 60 & sleep 60; :' & "
	  "exec sleep 60",
	    4, 1 },
	/* who cares for no signal but KILL */
	{ "trap '' TERM INT HUP; (sleep 60 &) ; sleep 60; :", 3, 1 },
};

START_TEST(scan_finds_and_ends_all)
{
	pid_t other, pids[8];
	struct tree t;

	ck_assert_int_eq(tree_prepare(&t, "", "web.0", 0, 7), -1);
	ck_assert_ptr_null(t.cgroup);
	other = test_leader("other", -1, "sleep 60 & exec sleep 60");
	t.leader = test_leader(t.mark, -1, trees[_i].script);
	test_await_grown(&t, trees[_i].n, trees[_i].shells);
	ck_assert(!tree_is_empty(&t, getpid()));
	ck_assert_int_eq(tree_survivors(&t, getpid(), pids, 8), trees[_i].n);
	for (int i = 0; i < trees[_i].n; i++) {
		ck_assert_int_ne(pids[i], getpid());
		ck_assert_int_ne(pids[i], other);
	}
	ck_assert_int_eq(tree_kill(&t, getpid()), trees[_i].n);
	test_await(&t, 0);
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	ck_assert_int_eq(kill(other, 0), 0);
	ck_assert_int_eq(waitpid(other, NULL, WNOHANG), 0);
	kill(-other, SIGKILL);
	tree_fini(&t);
}
END_TEST

START_TEST(scan_finds_what_a_dead_leader_left)
{
	struct tree t;
	int status;

	tree_adopt(&t, "", "web.0", 0, 8, 0);
	t.leader = test_leader(t.mark, -1,
	    "env -i sleep 60 & setsid sleep 60 & setsid sh -c 'sleep 60 &'");
	ck_assert_int_eq(waitpid(t.leader, &status, 0), t.leader);
	ck_assert(WIFEXITED(status));
	test_await_grown(&t, 3, 0);
	ck_assert_int_eq(tree_kill(&t, getpid()), 3);
	test_await(&t, 0);
	tree_fini(&t);
}
END_TEST

START_TEST(scan_counts_no_zombies)
{
	struct tree t;
	siginfo_t si;

	tree_adopt(&t, "", "web.0", 0, 9, 0);
	t.leader = test_leader(t.mark, -1, "exit 0");
	ck_assert_int_eq(
	    waitid(P_PID, (id_t)t.leader, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	waitpid(t.leader, NULL, 0);
	tree_fini(&t);
}
END_TEST

/* The leader's number is another instance's now. */
START_TEST(scan_knows_a_number_that_was_reused)
{
	struct tree t, other;

	tree_adopt(&t, "", "web.0", 0, 10, 0);
	tree_adopt(&other, "", "web.1", 0, 11, 0);
	other.leader = test_leader(other.mark, -1, "sleep 60 & exec sleep 60");
	test_await_grown(&other, 2, 0);
	t.leader = other.leader;
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	ck_assert_int_eq(tree_kill(&other, getpid()), 2);
	test_await(&other, 0);
	tree_fini(&t);
	tree_fini(&other);
}
END_TEST

/* The leader is gone, and one without any mark has its number. */
START_TEST(scan_knows_that_a_leader_is_gone)
{
	struct tree_left l, *one = &l;
	struct tree t;
	pid_t pid;

	tree_adopt(&t, "", "web.0", 0, 14, 0);
	t.leader = pid = test_leader("x", -1, "exec env -i sleep 60");
	test_await_grown(&t, 1, 0);
	t.leader_gone = true;
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	l.tree = &t;
	tree_sweep(&one, 1, getpid());
	ck_assert_int_eq(l.n, 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	t.leader_gone = false;
	ck_assert_int_eq(tree_kill(&t, getpid()), 1);
	test_await(&t, 0);
	tree_fini(&t);
}
END_TEST

/* Nor is it one that the keeper has made and that has executed nothing yet. */
START_TEST(scan_spares_who_has_executed_nothing)
{
	struct tree t;
	pid_t pid;

	tree_adopt(&t, "", "web.0", 0, 15, 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		setsid();
		for (;;)
			pause();
	}
	t.leader = pid;
	while (getsid(pid) != pid)
		poll(NULL, 0, 1);
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tree_fini(&t);
}
END_TEST

START_TEST(a_sweep_is_of_many)
{
	struct tree_left l[3], *v[3];
	struct tree t[3];

	for (int i = 0; i < 3; i++) {
		tree_adopt(&t[i], "", "web.0", 0, 16 + (uint64_t)i, 0);
		l[i].tree = &t[i];
		v[i] = &l[i];
	}
	t[0].leader = test_leader(t[0].mark, -1,
	    "env -i setsid sh -c 'sleep 60 & "
	    "sleep 60; :' & exec sleep 60");
	t[1].leader = test_leader(t[1].mark, -1, "exit 0");
	t[2].leader =
	    test_leader(t[2].mark, -1, "setsid sleep 60 & exec sleep 60");
	test_await_grown(&t[0], 4, 1);
	test_await_grown(&t[2], 2, 0);
	test_await(&t[1], 0);
	tree_sweep(v, 3, getpid());
	ck_assert_int_eq(l[1].n, 0);
	for (int i = 0; i < 3; i++)
		test_await(&t[i], 0);
	tree_sweep(v, 3, getpid());
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(l[i].n, 0);
		tree_fini(&t[i]);
	}
}
END_TEST

/* Nor is a session from outside, or the keeper's own. */
START_TEST(scan_stays_below_the_keeper)
{
	struct tree t;

	tree_adopt(&t, "", "web.0", 0, 12, getsid(0));
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	t.leader = getpid();
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	t.leader = 1;
	ck_assert_int_eq(tree_kill(&t, getpid()), 0);
	tree_fini(&t);
}
END_TEST

START_TEST(scan_catches_up_with_forks)
{
	struct tree t;
	pid_t pid;

	tree_adopt(&t, "", "web.0", 0, 13, 0);
	pid = t.leader = test_leader(t.mark, -1,
	    "i=0; while [ $i -lt 400 ]; do setsid sleep 60 & i=$((i+1)); "
	    "done; wait");
	while (tree_survivors(&t, getpid(), NULL, 0) < 20)
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	ck_assert_int_ge(tree_kill(&t, getpid()), 20);
	test_await(&t, 0);
	poll(NULL, 0, 50);
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	tree_fini(&t);
}
END_TEST

START_TEST(marks_are_one_of_a_kind)
{
	struct tree a, b, again;

	tree_prepare(&a, "", "web.0", 0, 1);
	tree_prepare(&b, "", "web.0", 0, 2);
	tree_adopt(&again, "", "web.0", 0, 1, 5);
	ck_assert_str_ne(a.mark, b.mark);
	ck_assert_str_eq(a.mark, again.mark);
	ck_assert_int_eq(again.leader, 5);
	tree_fini(&a);
	tree_fini(&b);
	tree_fini(&again);
}
END_TEST

/* --- with one --------------------------------------------------------------
 */

static char base[256];

static void
test_setup_cgroup(void)
{
	test_setup();
	tree_base(base, sizeof base);
	ck_assert_str_ne(base, "");
}

static void
test_teardown_cgroup(void)
{
	tree_base_remove(base, getpid());
}

START_TEST(cgroup_ends_all)
{
	const char *script = "env -i setsid sh -c '(sleep 60 &) &' & "
			     "exec sleep 60";
	char again[256], sub[512];
	pid_t pids[4] = { 0 };
	struct tree t, same;
	struct stat st;
	int dir;

	tree_base(again, sizeof again);
	ck_assert_str_eq(again, base);
	dir = tree_prepare(&t, base, "web.0", 1, 20);
	ck_assert_int_ne(dir, -1);
	ck_assert(tree_is_empty(&t, getpid()));
	t.leader = test_leader(t.mark, dir, script);
	test_await_grown(&t, 2, 0);
	ck_assert(!tree_is_empty(&t, getpid()));
	tree_adopt(&same, base, "web.0", 1, 20, t.leader);
	ck_assert_str_eq(same.cgroup, t.cgroup);
	ck_assert_int_eq(tree_survivors(&same, getpid(), pids, 1), 2);
	ck_assert_int_gt(pids[0], 0);
	ck_assert_int_eq(pids[1], 0);
	tree_remove(&same); /* not while somebody is in it */
	tree_fini(&same);
	ck_assert_int_eq(stat(t.cgroup, &st), 0);
	snprintf(sub, sizeof sub, "%s/inner", t.cgroup);
	ck_assert_int_eq(mkdir(sub, 0755), 0);
	ck_assert_int_eq(tree_kill(&t, getpid()), 2);
	test_await(&t, 0);
	ck_assert(tree_is_empty(&t, getpid()));
	fd_closep(&dir);
	snprintf(sub, sizeof sub, "%s", t.cgroup);
	tree_remove(&t);
	ck_assert_ptr_null(t.cgroup);
	ck_assert_int_eq(stat(sub, &st), -1);
	tree_base_remove(base, getpid());
	ck_assert_int_eq(stat(base, &st), -1);
	tree_fini(&t);
}
END_TEST

START_TEST(cgroup_counts_no_zombies)
{
	struct tree t;
	siginfo_t si;
	int dir = tree_prepare(&t, base, "web.0", 0, 21);

	t.leader = test_leader(t.mark, dir, "exit 0");
	ck_assert_int_eq(
	    waitid(P_PID, (id_t)t.leader, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(si.si_status, 0);
	ck_assert_int_eq(tree_survivors(&t, getpid(), NULL, 0), 0);
	ck_assert(tree_is_empty(&t, getpid()));
	waitpid(t.leader, NULL, 0);
	fd_closep(&dir);
	tree_remove(&t);
	tree_fini(&t);
}
END_TEST

static void
test_move_self(const char *folder)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, "0", 1), 1);
	fd_closep(&fd);
}

/* With us in it cgroup.kill won't do: the others are killed one by one. */
START_TEST(cgroup_spares_the_keeper)
{
	char sub[512], up[512];
	struct tree t;
	int dir, inner;

	dir = tree_prepare(&t, base, "web.0", 0, 22);
	snprintf(sub, sizeof sub, "%s/inner", t.cgroup);
	ck_assert_int_eq(mkdir(sub, 0755), 0);
	inner = open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_move_self(t.cgroup);
	t.leader = test_leader(t.mark, -1,
	    "i=0; while [ $i -lt 99 ]; do sleep 60 & i=$((i+1)); done; wait");
	(void)test_leader("", inner, "exec sleep 60");
	test_await_grown(&t, 101, 1);
	ck_assert_int_eq(tree_kill(&t, getpid()), 101);
	test_await(&t, 0);
	ck_assert(!tree_is_empty(&t, getpid()));
	snprintf(up, sizeof up, "%s/..", base);
	test_move_self(up);
	ck_assert(tree_is_empty(&t, getpid()));
	fd_closep(&inner);
	fd_closep(&dir);
	tree_remove(&t);
	tree_fini(&t);
}
END_TEST

START_TEST(names_that_are_no_folders_have_no_cgroup)
{
	struct tree t;

	ck_assert_int_eq(tree_prepare(&t, base, "../x", 0, 23), -1);
	ck_assert_ptr_null(t.cgroup);
	tree_fini(&t);
	ck_assert_int_eq(tree_prepare(&t, base, "..", 0, 23), -1);
	tree_fini(&t);
	ck_assert_int_eq(tree_prepare(&t, "/nowhere", "web.0", 0, 23), -1);
	ck_assert_ptr_null(t.cgroup);
	tree_fini(&t);
	tree_adopt(&t, base, "web.9", 0, 23, 1);
	ck_assert_ptr_null(t.cgroup); /* was never made */
	tree_fini(&t);
}
END_TEST

static bool
test_has_cgroups(void)
{
	tree_base(base, sizeof base);
	tree_base_remove(base, getpid());
	return base[0] != '\0';
}

static void
test_add_cgroup(Suite *s)
{
	TCase *tc;

	if (!test_has_cgroups()) {
		printf("# skipped: tests of cgroups (v2 can't be made here)\n");
		fflush(stdout);
		return;
	}
	tc = tcase_create("cgroup");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, test_setup_cgroup, test_teardown_cgroup);
	tcase_add_test(tc, cgroup_ends_all);
	tcase_add_test(tc, cgroup_counts_no_zombies);
	tcase_add_test(tc, cgroup_spares_the_keeper);
	tcase_add_test(tc, names_that_are_no_folders_have_no_cgroup);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("scan");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, test_setup, NULL);
	tcase_add_loop_test(
	    tc, scan_finds_and_ends_all, 0, sizeof trees / sizeof trees[0]);
	tcase_add_test(tc, scan_finds_what_a_dead_leader_left);
	tcase_add_test(tc, scan_counts_no_zombies);
	tcase_add_test(tc, scan_knows_a_number_that_was_reused);
	tcase_add_test(tc, scan_knows_that_a_leader_is_gone);
	tcase_add_test(tc, scan_spares_who_has_executed_nothing);
	tcase_add_test(tc, a_sweep_is_of_many);
	tcase_add_test(tc, scan_stays_below_the_keeper);
	tcase_add_test(tc, scan_catches_up_with_forks);
	tcase_add_test(tc, marks_are_one_of_a_kind);
	suite_add_tcase(s, tc);
	test_add_cgroup(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
