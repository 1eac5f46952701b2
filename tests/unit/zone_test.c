/* zone_test - zones by name against the C library's, which knows one at a time.
 */
#include "base/zone.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = { "Europe/Berlin", "America/New_York",
	"America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca",
	"Asia/Kathmandu", "America/Nuuk", "Asia/Tehran", "Europe/Dublin",
	"Pacific/Apia", "Antarctica/Troll", "Asia/Gaza", "Africa/Monrovia",
	"Etc/GMT+5", "UTC" };

#define NNAMES ((int)(sizeof names / sizeof *names))

static void
same(const struct zone *z, time_t t)
{
	struct tm a, b;

	localtime_r(&t, &a);
	zone_local(z, t, &b);
	ck_assert_msg(a.tm_gmtoff == b.tm_gmtoff && a.tm_hour == b.tm_hour &&
			  a.tm_mday == b.tm_mday && a.tm_year == b.tm_year &&
			  a.tm_wday == b.tm_wday &&
			  (a.tm_isdst > 0) == (b.tm_isdst > 0),
	    "%s at %lld: %ld, not %ld", getenv("TZ"), (long long)t, b.tm_gmtoff,
	    a.tm_gmtoff);
}

START_TEST(as_the_c_library_has_it)
{
	uint64_t seed = (uint64_t)_i + 1;
	struct err err;
	struct zone *z;

	if (_i != NNAMES - 1 && access("/usr/share/zoneinfo", F_OK) != 0)
		return;
	z = zone_open(names[_i], &err);
	ck_assert_msg(z != NULL, "%s", err.text);
	setenv("TZ", names[_i], 1);
	tzset();
	/* Every half hour of some years, and times from 1970 to 2200. */
	for (time_t t = 1640995200; t < 1704067200; t += 1800)
		same(z, t);
	for (time_t t = 3786912000; t < 3850070400; t += 1800)
		same(z, t);
	for (int i = 0; i < 20000; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1;
		same(z, (time_t)((seed >> 20) % UINT64_C(7258118400)));
	}
	zone_free(z);
}
END_TEST

START_TEST(what_is_none_is_told)
{
	static const char *const bad[] = { "", "/etc/passwd",
		"../../etc/passwd", "Europe", "Europe/Bärlin", "Mars/Olympus",
		"zone.tab" };
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_ptr_null(zone_open(bad[i], &err));
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("zone");
	TCase *tc = tcase_create("zone");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_the_c_library_has_it, 0, NNAMES);
	tcase_add_test(tc, what_is_none_is_told);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
