/*
 * tree_limits_test - controllers of cgroups, and what they are set to.
 *
 * Most of it with files that only look like a cgroup's: few machines that run
 * tests hand all controllers down.  The moves to a leaf and back are done in
 * real cgroups, with any controller that there is.
 */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "config/config.h"
#include "tree/tree_priv.h"

static char folder[64];

static void
put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	ck_assert(tree_cgroup_path(path, folder, name));
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static const char *
get(const char *dir, const char *name)
{
	static struct buf b;
	char path[PATH_MAX];

	buf_clear(&b);
	ck_assert(tree_cgroup_path(path, dir, name));
	if (tree_read(&b, path, 4096) == -1)
		return "?";
	b.data[strcspn(b.data, "\n")] = '\0';
	return b.data;
}

static void
setup(void)
{
	snprintf(folder, sizeof folder, "/tmp/tree-limits.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
teardown(void)
{
	char text[128];

	snprintf(text, sizeof text, "rm -r %s", folder);
	ck_assert_int_eq(system(text), 0);
}

/* --- with files ----------------------------------------------------------- */

START_TEST(values_are_written)
{
	const struct config_rare rare = { .memory_max = 1048576,
		.cpu_weight = 50,
		.pids_max = 7,
		.cpu_max = { 20000, 100000 } };
	struct config_program p = { .rare = &rare };
	struct tree t = { .cgroup = folder };
	struct err err = { .text = "" };

	put("memory.max", "");
	put("pids.max", "");
	put("cpu.max", "");
	put("cpu.weight", "");
	ck_assert_int_eq(
	    tree_limit(&t, TREE_MEMORY | TREE_CPU | TREE_PIDS, &p, &err), 0);
	ck_assert_str_eq(get(folder, "memory.max"), "1048576");
	ck_assert_str_eq(get(folder, "pids.max"), "7");
	ck_assert_str_eq(get(folder, "cpu.weight"), "50");
	ck_assert_str_eq(get(folder, "cpu.max"), "20000 100000");
}
END_TEST

/* The folder was another instance's before. */
START_TEST(what_is_not_set_is_reset)
{
	const struct config_rare rare = { 0 };
	const struct config_program p = { .rare = &rare };
	struct tree t = { .cgroup = folder };
	struct err err = { .text = "" };

	put("memory.max", "");
	put("pids.max", "");
	put("cpu.max", "");
	put("cpu.weight", "");
	ck_assert_int_eq(
	    tree_limit(&t, TREE_MEMORY | TREE_CPU | TREE_PIDS, &p, &err), 0);
	ck_assert_str_eq(get(folder, "memory.max"), "max");
	ck_assert_str_eq(get(folder, "pids.max"), "max");
	ck_assert_str_eq(get(folder, "cpu.weight"), "100");
	ck_assert_str_eq(get(folder, "cpu.max"), "max 100000");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
	const struct config_rare rare = { .pids_max = 7 };
	const struct config_program p = { .rare = &rare };
	struct tree t = { .cgroup = folder }, none = { 0 };
	struct err err = { .text = "" };

	ck_assert_int_eq(tree_limit(&t, 0, &p, &err), 0);
	ck_assert_int_eq(tree_limit(&none, TREE_PIDS, &p, &err), 0);
	ck_assert_int_eq(tree_limit(&t, TREE_PIDS, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "pids.max"));
}
END_TEST

START_TEST(controllers_are_handed_down)
{
	struct err err = { .text = "" };
	char base[80];

	snprintf(base, sizeof base, "%s/reeve-1", folder);
	mkdir(base, 0755);
	put("cgroup.controllers", "cpuset cpu memory\n");
	put("cgroup.subtree_control", "cpu\n");
	put("reeve-1/cgroup.subtree_control", "");
	ck_assert_int_eq(tree_enable(base, "pids", 1, true, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "it has: cpuset cpu memory"));
	/* "mem" is not "memory" */
	ck_assert_int_eq(tree_enable(base, "mem", 1, true, &err), -1);
	ck_assert_int_eq(tree_enable(base, "memory", 1, false, &err), -1);
	ck_assert_str_eq(get(folder, "cgroup.subtree_control"), "cpu");
	ck_assert_int_eq(tree_enable(base, "cpu", 1, false, &err), 0);
	ck_assert_str_eq(get(base, "cgroup.subtree_control"), "+cpu");
	ck_assert_str_eq(get(folder, "cgroup.subtree_control"), "cpu");
	ck_assert_int_eq(tree_enable(base, "memory", 1, true, &err), 0);
	ck_assert_str_eq(get(base, "cgroup.subtree_control"), "+memory");
	ck_assert_str_eq(get(folder, "cgroup.subtree_control"), "+memory");
	ck_assert_int_eq(tree_enable("", "memory", 1, true, &err), -1);
}
END_TEST

START_TEST(oom_kills_are_counted)
{
	struct tree t = { .cgroup = folder }, none = { 0 };

	ck_assert_int_eq(tree_oom_kills(&none), -1);
	ck_assert_int_eq(tree_oom_kills(&t), -1);
	put("memory.events",
	    "low 1\nhigh 2\nmax 30\noom 4\noom_kill 5\noom_group_kill 6\n");
	ck_assert_int_eq(tree_oom_kills(&t), 5);
	ck_assert_int_ge(tree_oom_kills_anywhere(), 0);
}
END_TEST

START_TEST(oom_kills_are_watched)
{
	struct tree t = { .cgroup = folder }, none = { 0 };
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), wd;
	char buf[1024];
	struct inotify_event ev;
	ssize_t n;

	ck_assert_int_eq(tree_watch_oom(&none, fd), -1);
	ck_assert_int_eq(tree_watch_oom(&t, fd), -1);
	put("memory.events", "oom_kill 0\n");
	wd = tree_watch_oom(&t, fd);
	ck_assert_int_ne(wd, -1);
	ck_assert_int_eq(read(fd, buf, sizeof buf), -1);
	put("memory.events", "oom_kill 1\n");
	put("memory.events", "oom_kill 2\n");
	/* One change, and that it was the one. */
	n = read(fd, buf, sizeof buf);
	ck_assert_int_eq(n, 2 * (ssize_t)sizeof ev);
	memcpy(&ev, buf, sizeof ev);
	ck_assert_int_eq(ev.wd, wd);
	ck_assert_uint_eq(ev.mask, IN_MODIFY);
	memcpy(&ev, buf + sizeof ev, sizeof ev);
	ck_assert_uint_eq(ev.mask, IN_IGNORED);
	ck_assert_int_ne(tree_watch_oom(&t, fd), -1);
	close(fd);
}
END_TEST

START_TEST(memory_without_the_cache)
{
	struct tree t = { .cgroup = folder };

	put("memory.current", "5000000\n");
	ck_assert_int_eq(tree_memory(&t, 1, 0), 5000000);
	put("memory.stat", "anon 1\nfile 3000000\nfile_mapped 7\nshmem 100\n");
	ck_assert_int_eq(tree_memory(&t, 1, 0), 2000100);
}
END_TEST

/* --- in real cgroups ------------------------------------------------------ */

#define NOT_HERE 77

static char *root; /* where cgroup2 is mounted, if this process is there */

/* A controller that can be handed down from the root; NULL: none. */
static const char *
real_controller(void)
{
	static char name[32];

	snprintf(name, sizeof name, "%.*s",
	    (int)strcspn(get(root, "cgroup.controllers"), " "),
	    get(root, "cgroup.controllers"));
	if (name[0] == '\0' || name[0] == '?')
		return NULL;
	return name;
}

static void
write_word(const char *dir, char sign, const char *word)
{
	char text[64];

	snprintf(text, sizeof text, "%c%s", sign, word);
	tree_cgroup_write(dir, "cgroup.subtree_control", text);
}

#define EXPECT(cond)                                                           \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "not so: %s\n", #cond);                \
			rc = 1;                                                \
		}                                                              \
	} while (0)

/* Somebody else is in the cgroup: nothing moves. */
static int
real_stranger(const char *base, const char *own, const char *word)
{
	struct err err = { .text = "" };
	char now[PATH_MAX];
	pid_t pid = fork();
	int rc = 0;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	EXPECT(tree_enable(base, word, getpid(), true, &err) == -1);
	EXPECT(strstr(err.text, "besides reeved's") != NULL);
	EXPECT(tree_cgroup_own(now) && strcmp(now, own) == 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}

static int
real_moves(const char *own, const char *word)
{
	struct err err = { .text = "" };
	char base[256], again[256], now[PATH_MAX], leaf[PATH_MAX];
	struct tree t;
	int rc = 0, fd;

	tree_set_origin(getpid(), tree_start_of(getpid()), false);
	tree_base(base, sizeof base);
	EXPECT(base[0] != '\0');
	EXPECT(tree_enable(base, word, getpid(), false, &err) == -1);
	rc |= real_stranger(base, own, word);
	err.text[0] = '\0';
	EXPECT(tree_enable(base, word, getpid(), true, &err) == 0);
	snprintf(leaf, sizeof leaf, "%s/" TREE_SUPERVISOR, base);
	EXPECT(tree_cgroup_own(now) && strcmp(now, leaf) == 0);
	EXPECT(str_equal(get(base, "cgroup.subtree_control"), word));
	/* An engine after this one finds the same. */
	tree_base(again, sizeof again);
	EXPECT(strcmp(base, again) == 0);
	EXPECT(tree_enable(again, word, getpid(), true, &err) == 0);
	fd = tree_prepare(&t, base, "web.0", 0, 1);
	EXPECT(fd != -1 && tree_cgroup_try(t.cgroup) == 0);
	close(fd);
	tree_remove(&t);
	tree_fini(&t);
	tree_base_remove(base, getpid());
	EXPECT(access(base, F_OK) == -1);
	EXPECT(tree_cgroup_own(now) && strcmp(now, own) == 0);
	EXPECT(get(own, "cgroup.subtree_control")[0] == '\0');
	return rc;
}

static int
real_child(const char *own, const char *word)
{
	if (mkdir(own, 0755) == -1 ||
	    tree_cgroup_write(own, "cgroup.procs", "0") == -1)
		return NOT_HERE;
	if (strstr(get(own, "cgroup.controllers"), word) == NULL)
		return NOT_HERE;
	return real_moves(own, word);
}

START_TEST(reeved_makes_room_and_comes_back)
{
	char own[PATH_MAX], now[PATH_MAX];
	const char *word;
	bool was;
	int status;
	pid_t pid;

	if (!tree_cgroup_own(now)) {
		fprintf(stderr, "# skipped: no cgroup2\n");
		return;
	}
	root = now;
	word = real_controller();
	if (word == NULL) {
		fprintf(stderr, "# skipped: no controller in %s\n", root);
		return;
	}
	snprintf(own, sizeof own, "%.200s/limits-test-%d", root, (int)getpid());
	was = strstr(get(root, "cgroup.subtree_control"), word) != NULL;
	write_word(root, '+', word);
	pid = fork();
	if (pid == 0)
		_exit(real_child(own, word));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	rmdir(own);
	if (!was)
		write_word(root, '-', word);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_HERE)
		fprintf(stderr, "# skipped: %s can't be handed down\n", word);
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tree_limits");
	TCase *tc = tcase_create("files"), *real = tcase_create("real");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, values_are_written);
	tcase_add_test(tc, what_is_not_set_is_reset);
	tcase_add_test(tc, a_file_that_is_not_there_is_told);
	tcase_add_test(tc, controllers_are_handed_down);
	tcase_add_test(tc, oom_kills_are_counted);
	tcase_add_test(tc, oom_kills_are_watched);
	tcase_add_test(tc, memory_without_the_cache);
	tcase_add_test(real, reeved_makes_room_and_comes_back);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, real);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
