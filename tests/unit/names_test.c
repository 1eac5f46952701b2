/*
 * names_test - what people type, and the slots that it means.
 *
 * No engine: a model of three programs without processes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"

static char name_web[] = "web", name_worker[] = "worker", name_none[] = "none",
	    grp_front[] = "front";
static struct config_program confs[] = {
	{ .name = name_web, .group = grp_front },
	{ .name = name_worker },
	{ .name = name_none },
};
static struct program programs[3];
static struct slot slots[5] = {
	{ .prog = &programs[0], .name = "web.0" },
	{ .prog = &programs[0], .name = "web.1" },
	{ .prog = &programs[0], .name = "web.10" },
	{ .prog = &programs[1], .name = "worker.0" },
	{ .prog = &programs[1], .name = "worker.1" },
};
static struct slot *all[] = { &slots[0], &slots[1], &slots[2], &slots[3],
	&slots[4] };
static struct program *list[] = { &programs[0], &programs[1], &programs[2] };
static struct engine model = { .programs = list, .nprograms = 3 };

static void
test_setup(void)
{
	for (int i = 0; i < 3; i++)
		programs[i].conf = &confs[i];
	programs[0].slots = all;
	programs[0].nslots = 3;
	programs[1].slots = all + 3;
	programs[1].nslots = 2;
}

static const struct {
	const char *names; /* with blanks between */
	const char *want;  /* slots; or the error, with a "!" */
} rows[] = {
	{ "", "web.0 web.1 web.10 worker.0 worker.1 " },
	{ "all", "web.0 web.1 web.10 worker.0 worker.1 " },
	{ "web", "web.0 web.1 web.10 " },
	{ "web.1", "web.1 " },
	{ "web.1*", "web.1 web.10 " },
	{ "w*", "web.0 web.1 web.10 worker.0 worker.1 " },
	{ "*.0", "web.0 worker.0 " },
	{ "w?b.[01]", "web.0 web.1 " },
	/* in start order whatever the order typed, and once */
	{ "worker.1 web.0", "web.0 worker.1 " },
	{ "web web.0 w* web", "web.0 web.1 web.10 worker.0 worker.1 " },
	/* groups */
	{ "front:*", "web.0 web.1 web.10 " },
	{ "front:", "web.0 web.1 web.10 " },
	{ "front:web", "web.0 web.1 web.10 " },
	{ "front:web.1", "web.1 " },
	{ "front:worker", "!no such name 'front:worker'" },
	{ "fron:*", "!no such name 'fron:*'" },
	{ "frontier:*", "!no such name 'frontier:*'" },
	{ ":web", "!no such name ':web', did you mean 'web'?" },
	/* a program without slots is a name, its slots are not */
	{ "none", "" },
	{ "none web.0", "web.0 " },
	{ "none.0", "!no such name 'none.0', did you mean 'none'?" },
	/* one that fits nothing spoils all */
	{ "web weeb", "!no such name 'weeb', did you mean 'web'?" },
	{ "nothing-like-it", "!no such name 'nothing-like-it'" },
	{ "web.2", "!no such name 'web.2', did you mean 'web'?" },
	{ "we", "!no such name 'we', did you mean 'web'?" },
};

START_TEST(names)
{
	char text[128], got[256] = "", *words[8], *save = NULL;
	struct err err = { 0 };
	struct slot **v = NULL;
	size_t n = 0, nout = 0;

	strcpy(text, rows[_i].names);
	for (char *w = strtok_r(text, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (names_match(&model, words, n, &v, &nout, &err) == -1) {
		ck_assert_ptr_null(v);
		strcpy(got, "!");
		strcat(got, err.text);
	}
	for (size_t i = 0; i < nout; i++) {
		strcat(got, v[i]->name);
		strcat(got, " ");
	}
	free(v);
	ck_assert_str_eq(got, rows[_i].want);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("names");
	TCase *tc = tcase_create("names");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, test_setup, NULL);
	tcase_add_loop_test(tc, names, 0, (int)(sizeof rows / sizeof rows[0]));
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
