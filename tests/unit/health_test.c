/*
 * health_test - rows of answers, and when the first question is asked.
 */
#include "cluster/health.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct {
	unsigned failures;
	const char *answers; /* + good, - bad */
	const char *news;    /* . same, L lost, l still lost, B back */
	bool lost;
} rows[] = {
	{ 3, "+++", "...", false },
	{ 3, "--+", "...", false },
	{ 3, "--+--", ".....", false },
	{ 3, "---", "..L", true },
	{ 3, "----", "..L.", true },
	{ 3, "------", "..L..l", true },
	{ 3, "---+", "..LB", false },
	{ 3, "---+---", "..LB..L", true },
	{ 3, "---++", "..LB.", false },
	{ 1, "-", "L", true },
	{ 1, "--+-", "LlBL", true },
};

START_TEST(health_follows_the_answers)
{
	static const char letters[] = ".LlB";
	struct health h = { 0 };
	char got[16] = "";

	for (size_t i = 0; rows[_i].answers[i] != '\0'; i++)
		got[i] = letters[health_note(
		    &h, rows[_i].answers[i] == '+', rows[_i].failures)];
	ck_assert_str_eq(got, rows[_i].news);
	ck_assert_int_eq(h.lost, rows[_i].lost);
	ck_assert(h.known);
}
END_TEST

START_TEST(health_begins_spread_out)
{
	int tenth[10] = { 0 };
	char name[32];
	int64_t ms;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "web.%d", i);
		ms = health_first_ms(5000, 10000, name);
		ck_assert_int_gt(ms, 5000);
		ck_assert_int_le(ms, 15000);
		ck_assert_int_eq(ms, health_first_ms(5000, 10000, name));
		tenth[(ms - 5001) / 1000]++;
	}
	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(tenth[i], 25);
	ck_assert_int_gt(health_first_ms(0, 1, "x"), -1);
	ck_assert_int_gt(health_first_ms(0, 315360000000, "x"), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("health");
	TCase *tc = tcase_create("health");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, health_follows_the_answers, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, health_begins_spread_out);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
