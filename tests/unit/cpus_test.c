/*
 * cpus_test - quotas in a folder that stands for /, and the real affinity.
 */
#include "cluster/cpus.h"

#include <sys/stat.h>

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
set_up(void)
{
	strcpy(root, "/tmp/reeve-cpus-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
tear_down(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below root, and the folders above it. */
static void
put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL;
	     p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

#define PROC "/proc/self/"
#define V2_MOUNT                                                               \
	"23 1 8:1 / / rw - ext4 /dev/vda rw\n"                                 \
	"31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNT                                                               \
	"31 23 0:28 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw\n"           \
	"33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"    \
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup "       \
	"cgroup rw,cpu,cpuacct\n"
#define HYBRID_MOUNT                                                           \
	V1_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 "   \
		 "rw\n"

/* --- quota --------------------------------------------------------------- */

static const struct {
	const char *path; /* of cpu.max */
	const char *max;
	const char *parent; /* or NULL: cpu.max of /a */
	int want;
} v2_rows[] = {
	{ "/a/b", "max 100000", NULL, 0 },
	{ "/a/b", "100000 100000", NULL, 1 },
	{ "/a/b", "100001 100000", NULL, 2 },
	{ "/a/b", "350000 100000", NULL, 4 },
	{ "/a/b", "50000 100000", NULL, 1 },
	{ "/a/b", "1000 100000", NULL, 1 },
	{ "/a/b", "12000 4000", NULL, 3 },
	{ "/a/b", "1200000 100000", "300000 100000", 3 },
	{ "/a/b", "200000 100000", "300000 100000", 2 },
	{ "/a/b", "max 100000", "250000 100000", 3 },
	{ "/a/b", "max 100000", "max 100000", 0 },
	/* nonsense is no quota */
	{ "/a/b", "", NULL, 0 },
	{ "/a/b", "many", NULL, 0 },
	{ "/a/b", "100000", NULL, 0 },
	{ "/a/b", "100000 0", NULL, 0 },
	{ "/a/b", "-5 100000", NULL, 0 },
	{ "/a/b", "9223372036854775807 1", NULL, 0 },
	{ "/a/b", "999999999999999999999 100000", NULL, 0 },
};

START_TEST(cpus_quota_of_v2)
{
	put(PROC "mountinfo", V2_MOUNT);
	put(PROC "cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/cpu.max", v2_rows[_i].max);
	if (v2_rows[_i].parent != NULL)
		put("/sys/fs/cgroup/a/cpu.max", v2_rows[_i].parent);
	/* not ours, must not count */
	put("/sys/fs/cgroup/c/cpu.max", "100000 100000");
	ck_assert_msg(cpus_quota(root) == v2_rows[_i].want,
	    "row %d: got %d, want %d", _i, cpus_quota(root), v2_rows[_i].want);
}
END_TEST

/* In a container the mount's root is the container's own cgroup. */
START_TEST(cpus_quota_at_the_mount)
{
	put(PROC "mountinfo", V2_MOUNT);
	put(PROC "cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "200000 100000");
	ck_assert_int_eq(cpus_quota(root), 2);
	put(PROC "cgroup", "0::/../../elsewhere\n");
	ck_assert_int_eq(cpus_quota(root), 2);
}
END_TEST

START_TEST(cpus_quota_of_a_mount_of_a_part)
{
	put(PROC "mountinfo",
	    "31 23 0:28 /docker/abc /sys/fs/my\\040cgroup rw - cgroup2 none "
	    "rw\n");
	put(PROC "cgroup", "0::/docker/abc/in\n");
	put("/sys/fs/my cgroup/in/cpu.max", "300000 100000");
	put("/sys/fs/my cgroup/cpu.max", "500000 100000");
	ck_assert_int_eq(cpus_quota(root), 3);
	/* not below what is mounted */
	put(PROC "cgroup", "0::/docker/abcd/in\n");
	ck_assert_int_eq(cpus_quota(root), 5);
}
END_TEST

START_TEST(cpus_quota_of_v1)
{
	const char *a = "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us";

	put(PROC "mountinfo", V1_MOUNT);
	put(PROC "cgroup", "4:memory:/x\n3:cpuset:/\n2:cpu,cpuacct:/a/b\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(cpus_quota(root), 0);
	put(a, "150000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
	ck_assert_int_eq(cpus_quota(root), 3);
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "200000\n");
	ck_assert_int_eq(cpus_quota(root), 2);
}
END_TEST

START_TEST(cpus_quota_of_hybrid)
{
	put(PROC "mountinfo", HYBRID_MOUNT);
	put(PROC "cgroup", "2:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/b\n");
	ck_assert_int_eq(cpus_quota(root), 0);
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(cpus_quota(root), 4);
	put("/sys/fs/cgroup/unified/b/cpu.max", "300000 100000\n");
	ck_assert_int_eq(cpus_quota(root), 3);
}
END_TEST

START_TEST(cpus_quota_without_cgroups)
{
	ck_assert_int_eq(cpus_quota(root), 0);
	put(PROC "mountinfo", "x\n\n - \n1 2 - cgroup2\n 3 - cgroup a\n");
	put(PROC "cgroup", "\n:\n0:\n0::\n::/\n");
	ck_assert_int_eq(cpus_quota(root), 0);
}
END_TEST

/* --- affinity ------------------------------------------------------------ */

START_TEST(cpus_usable_is_the_smaller)
{
	cpu_set_t all, one;
	int n, last = -1;

	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	n = CPU_COUNT(&all);
	ck_assert_int_eq(cpus_usable(root), n); /* no quota there */
	put(PROC "mountinfo", V2_MOUNT);
	put(PROC "cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "100000 100000");
	ck_assert_int_eq(cpus_usable(root), 1);
	put("/sys/fs/cgroup/cpu.max", "900000000 100000");
	ck_assert_int_eq(cpus_usable(root), n);
	for (int i = 0; i < CPU_SETSIZE; i++)
		last = CPU_ISSET(i, &all) ? i : last;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
	ck_assert_int_eq(cpus_usable(root), 1);
	ck_assert_int_eq(cpus_nth(0), last);
	ck_assert_int_eq(cpus_nth(7), last);
	ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

START_TEST(cpus_usable_here)
{
	int n = cpus_usable("");

	ck_assert_int_ge(n, 1);
	ck_assert_int_le(n, (int)sysconf(_SC_NPROCESSORS_ONLN));
}
END_TEST

START_TEST(cpus_nth_goes_round)
{
	cpu_set_t all;
	int n, before = -1;

	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	n = CPU_COUNT(&all);
	for (int i = 0; i < n; i++) {
		ck_assert_int_gt(cpus_nth(i), before);
		before = cpus_nth(i);
		ck_assert(CPU_ISSET(before, &all));
		ck_assert_int_eq(cpus_nth(i + n), before);
	}
	ck_assert_int_eq(cpus_nth(-1), -1);
}
END_TEST

/* --- lists --------------------------------------------------------------- */

static const struct {
	const char *list;
	const char *want; /* NULL: refused */
} lists[] = {
	{ "0", "0" },
	{ "0,2-3", "0 2 3" },
	{ "3,1,1-2", "1 2 3" },
	{ "1023", "1023" },
	{ "5-5", "5" },
	{ "", NULL },
	{ ",", NULL },
	{ "1,", NULL },
	{ ",1", NULL },
	{ "1,,2", NULL },
	{ "3-1", NULL },
	{ "1-", NULL },
	{ "-1", NULL },
	{ "1-2-3", NULL },
	{ "1024", NULL },
	{ "99999999999999999999", NULL },
	{ "0-1024", NULL },
	{ "a", NULL },
	{ "1 ", NULL },
	{ "0x1", NULL },
};

START_TEST(cpus_parses_lists)
{
	char got[256] = "";
	cpu_set_t set;
	size_t n = 0;

	if (lists[_i].want == NULL) {
		ck_assert_msg(cpus_parse(lists[_i].list, &set) == -1, "'%s'",
		    lists[_i].list);
		return;
	}
	ck_assert_int_eq(cpus_parse(lists[_i].list, &set), 0);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &set))
			n += (size_t)snprintf(got + n, sizeof got - n, "%s%d",
			    n != 0 ? " " : "", i);
	}
	ck_assert_str_eq(got, lists[_i].want);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cpus");
	TCase *tc = tcase_create("cpus");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(
	    tc, cpus_quota_of_v2, 0, sizeof v2_rows / sizeof v2_rows[0]);
	tcase_add_test(tc, cpus_quota_at_the_mount);
	tcase_add_test(tc, cpus_quota_of_a_mount_of_a_part);
	tcase_add_test(tc, cpus_quota_of_v1);
	tcase_add_test(tc, cpus_quota_of_hybrid);
	tcase_add_test(tc, cpus_quota_without_cgroups);
	tcase_add_test(tc, cpus_usable_is_the_smaller);
	tcase_add_test(tc, cpus_usable_here);
	tcase_add_test(tc, cpus_nth_goes_round);
	tcase_add_loop_test(
	    tc, cpus_parses_lists, 0, sizeof lists / sizeof lists[0]);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
