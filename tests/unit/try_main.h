/*
 * try_main - what main() of a unit test does.
 *
 * For those whose tests stand in several programs and share what they use.
 */
#ifndef UNIT_TRY_MAIN_H
#define UNIT_TRY_MAIN_H

#include <check.h>

/* The tests that add_all adds, each between before and after. */
static inline int
try_main(const char *name, void (*add_all)(TCase *tc), void (*before)(void),
    void (*after)(void))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, before, after);
	add_all(tc);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

#endif
