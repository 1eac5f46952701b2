/* kids_test - the engine's copy of the keeper's table of children. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/sys_fake.h"
#include "engine/keeperlink_kids.h"

static struct kids ks;

static void
setup(void)
{
	memset(&ks, 0, sizeof ks);
}

/* A keeper's own order need not be that of the ids. */
START_TEST(sorted_whatever_the_order)
{
	const uint64_t ids[] = { 5, 1, 9, 3, 7 };
	char label[8];

	for (size_t i = 0; i < 5; i++) {
		label[0] = '!';
		label[1] = (char)('a' + ids[i]);
		label[2] = '\0';
		kids_add(&ks, ids[i], label);
	}
	ck_assert_uint_eq(ks.n, 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(ks.v[i].id, 2 * i + 1);
		ck_assert_int_eq(ks.v[i].label[1], (char)('a' + ks.v[i].id));
	}
	kids_remove(&ks, 5);
	kids_remove(&ks, 6); /* not there */
	ck_assert_uint_eq(ks.n, 4);
	ck_assert_uint_eq(ks.v[2].id, 7);
	kids_fini(&ks);
}
END_TEST

START_TEST(a_life)
{
	struct keeper_exit ex = { .code = 3, .died_ms = 90, .max_rss_kb = 7 };

	kids_add(&ks, 1, "web.0#1.0");
	kids_add(&ks, 2, "web.1#1.0");
	ck_assert_int_eq(ks.v[0].pid, 0);
	kids_started(&ks, 1, 100, 50);
	kids_started(&ks, 3, 101, 50);
	ck_assert_int_eq(ks.v[0].pid, 100);
	ck_assert_int_eq(ks.v[0].started_ms, 50);
	kids_over(&ks, 1, &ex, 0, 0);
	ex.code = 4; /* told again, by another engine's welcome */
	kids_over(&ks, 1, &ex, 0, 0);
	kids_over(&ks, 2, NULL, 5, 2);
	kids_over(&ks, 3, &ex, 0, 0);
	ck_assert(ks.v[0].end->ran && ks.v[0].end->ex.code == 4);
	ck_assert(!ks.v[1].end->ran);
	ck_assert_int_eq(ks.v[1].end->stage, 5);
	ck_assert_int_eq(ks.v[1].end->errnum, 2);
	kids_fini(&ks);
}
END_TEST

static void
fill_and_empty(void)
{
	struct keeper_exit ex = { .code = 3 };

	for (uint64_t i = 0; i < 1000; i++) {
		kids_add(&ks, i, "!a label that is on the heap");
		kids_over(&ks, i, i % 2 == 0 ? &ex : NULL, 0, 0);
	}
	for (uint64_t i = 0; i < 500; i++)
		kids_remove(&ks, i * 2);
	kids_fini(&ks);
}

START_TEST(nothing_is_left)
{
	size_t before;

	fill_and_empty(); /* what malloc keeps at hand is in use for it */
	before = fake_heap_bytes();
	fill_and_empty();
	ck_assert_uint_eq(fake_heap_bytes(), before);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kids");
	TCase *tc = tcase_create("kids");
	SRunner *sr;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, sorted_whatever_the_order);
	tcase_add_test(tc, a_life);
	tcase_add_test(tc, nothing_is_left);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	srunner_free(sr);
	return EXIT_SUCCESS;
}
