/* tree_lost_test - whose a process is that a killed keeper left, as a table. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tree/tree_priv.h"

/* Task 17 of the keeper 119 (0x77), which was started at 5000 (0x1388). */
static const struct tree_lost lost = {
	.keeper = 0x77, .start = 0x1388, .task = 17
};

#define OURS   "A=b\0REEVE_TREE=77.1388.2f\0REEVE_TASK_ID=17\0"
#define IN(cg) "1:name=x:/\n0::/a/b" cg "\n"

struct row {
	uint64_t start, holder;
	const char *cgroups;
	const char *env;
	bool is;
};

static const struct row rows[] = {
	{ 6000, 0, IN(""), OURS, true },
	{ 6000, 0, IN("/reeve-119/queue.17.1"), "A=b\0", true },
	{ 6000, 0, IN("/reeve-119/queue.17.2/below"), "A=b\0", true },
	{ 5000, 0, IN(""), OURS, true },
	/* older than the keeper */
	{ 4999, 0, IN("/reeve-119/queue.17.1"), OURS, false },
	/* the keeper is there */
	{ 6000, 5000, IN("/reeve-119/queue.17.1"), OURS, false },
	/* its pid is another's, who makes the same folders */
	{ 6000, 7000, IN("/reeve-119/queue.17.1"), "A=b\0", true },
	{ 8000, 7000, IN("/reeve-119/queue.17.1"), "A=b\0", false },
	{ 8000, 7000, IN(""), OURS, true },
	/* of another keeper, of another task, of none */
	{ 6000, 0, IN(""), "REEVE_TREE=77.1389.2f\0REEVE_TASK_ID=17\0", false },
	{ 6000, 0, IN(""), "REEVE_TREE=177.1388.2f\0REEVE_TASK_ID=17\0",
	    false },
	{ 6000, 0, IN(""), "REEVE_TREE=77.1388.2f\0REEVE_TASK_ID=171\0",
	    false },
	{ 6000, 0, IN(""), "REEVE_TREE=77.1388.2f\0", false },
	{ 6000, 0, IN(""), "REEVE_TASK_ID=17\0", false },
	{ 6000, 0, IN("/reeve-119/queue.171.1"), "A=b\0", false },
	{ 6000, 0, IN("/reeve-119/queue.17.x"), "A=b\0", false },
	{ 6000, 0, IN("/reeve-1190/queue.17.1"), "A=b\0", false },
	{ 6000, 0, IN("/reeve-119/web.0.1"), "A=b\0", false },
	{ 6000, 0, "", "", false },
};

#define NROWS ((int)(sizeof rows / sizeof *rows))

/* Strings that a NUL ends, up to an empty one. */
static void
env_of(struct buf *b, const char *strings)
{
	buf_init(b);
	for (; *strings != '\0'; strings += strlen(strings) + 1)
		buf_add(b, strings, strlen(strings) + 1);
}

START_TEST(a_row)
{
	const struct row *row = &rows[_i];
	struct tree_lost tl = lost;
	struct buf env;

	env_of(&env, row->env);
	tl.holder = row->holder;
	ck_assert_msg(
	    tree_lost_is(&tl, row->start, row->cgroups, &env) == row->is,
	    "row %d", _i);
	/* Whose start was not known is nobody's. */
	tl.start = 0;
	ck_assert(!tree_lost_is(&tl, row->start, row->cgroups, &env));
	buf_fini(&env);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tree_lost");
	TCase *tc = tcase_create("tree_lost");
	SRunner *sr;
	int failed;

	log_set_level(LOG_ERROR);
	tcase_add_loop_test(tc, a_row, 0, NROWS);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
