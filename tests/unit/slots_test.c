/* What commands are told of the jobserver: pure parts of engine/slots.h. */
#include <check.h>
#include <stdlib.h>

#include "engine/slots.h"

static const struct {
	const char *was, *want;
} flags[] = {
	{ NULL, " -j3 --jobserver-auth=A" },
	{ "", " -j3 --jobserver-auth=A" },
	{ "k", "k -j3 --jobserver-auth=A" },
	{ "kw -j8", "kw -j3 --jobserver-auth=A" },
	{ " -j", " -j3 --jobserver-auth=A" },
	{ "--jobs=4 --jobs -k", "-k -j3 --jobserver-auth=A" },
	{ "s -j4 --jobserver-auth=3,4", "s -j3 --jobserver-auth=A" },
	{ "--jobserver-fds=3,4 --jobserver-style=fifo",
	    " -j3 --jobserver-auth=A" },
	{ "--just-print", "--just-print -j3 --jobserver-auth=A" },
	{ "k -- X=-j4 -j5", "k -j3 --jobserver-auth=A -- X=-j4 -j5" },
};

START_TEST(makeflags)
{
	char *got = slots_makeflags(flags[_i].was, 3, "A");

	ck_assert_str_eq(got, flags[_i].want);
	free(got);
}
END_TEST

static const struct {
	const char *argv[6], *want[6];
} words[] = {
	{ { "make", "-j" }, { "make" } },
	{ { "/usr/bin/gmake", "--jobs", "all" }, { "/usr/bin/gmake", "all" } },
	{ { "make", "-j", "8" }, { "make", "-j", "8" } },
	{ { "make", "-j8" }, { "make", "-j8" } },
	{ { "make", "-j", "--", "-j" }, { "make", "--", "-j" } },
	{ { "cmake", "-j" }, { "cmake", "-j" } },
	{ { "make" }, { "make" } },
};

START_TEST(bare_j)
{
	char *argv[6];
	int n;

	for (n = 0; n < 6; n++)
		argv[n] = (char *)(uintptr_t)words[_i].argv[n];
	slots_drop_bare_j(argv);
	for (n = 0; argv[n] != NULL && words[_i].want[n] != NULL; n++)
		ck_assert_str_eq(argv[n], words[_i].want[n]);
	ck_assert_ptr_null(argv[n]);
	ck_assert_ptr_null(words[_i].want[n]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slots");
	TCase *tc = tcase_create("slots");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, makeflags, 0, (int)(sizeof flags / sizeof *flags));
	tcase_add_loop_test(tc, bare_j, 0, (int)(sizeof words / sizeof *words));
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
