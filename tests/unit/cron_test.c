/*
 * cron_test - when an expression is due, in zones whose clocks jump.
 *
 * The model goes through ten years minute by minute with what localtime_r
 * shows, and knows nothing of how cron.c gets there.
 */
#include "base/cron.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
set_zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* --- text ----------------------------------------------------------------- */

static const char *const good[] = {
	"* * * * *",
	"0 0 1 1 0",
	"59 23 31 12 7",
	"*/5 * * * *",
	"0-59/7 0,12 1-7 * mon",
	"5,10-20/5,59 * * jan,MAR-May sun-sat",
	"0 0 * * fri-sun",
	"0\t0  29 feb *",
	"0 0 31 4 mon",
	"@hourly",
	"@Daily",
	"@midnight",
	"@weekly",
	"@monthly",
	"@yearly",
	"@annually",
	"@every 10m",
	"@every 1h30m",
	"@every 1d",
	"@every 90s",
	"  0 0 * * *",
	"0 0 * * * ",
};

START_TEST(is_understood)
{
	struct err err = { .text = "" };
	struct cron c;

	ck_assert_msg(
	    cron_parse(&c, good[_i], &err) == 0, "%s: %s", good[_i], err.text);
	ck_assert_int_gt(cron_next(&c, 1700000000, NULL), 1700000000);
}
END_TEST

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "minute is missing" },
	{ "* * * *", "day of week is missing" },
	{ "* * * * * *", "after the fifth" },
	{ "60 * * * *", "'60' is not a minute" },
	{ "* 24 * * *", "'24' is not a hour" },
	{ "* * 0 * *", "day of month" },
	{ "* * 32 * *", "day of month" },
	{ "* * * 0 *", "month" },
	{ "* * * 13 *", "month" },
	{ "* * * foo *", "'foo' is not a month" },
	{ "* * * * 8", "day of week" },
	{ "* * * * fri-mon", "day of week" },
	{ "5-1 * * * *", "minute" },
	{ "*/0 * * * *", "minute" },
	{ "*/60 * * * *", "minute" },
	{ "5/5 * * * *", "minute" },
	{ "1, * * * *", "minute" },
	{ ",1 * * * *", "minute" },
	{ "1-2-3 * * * *", "minute" },
	{ "-1 * * * *", "minute" },
	{ "+1 * * * *", "minute" },
	{ "1x * * * *", "minute" },
	{ "99999999999999999999 * * * *", "minute" },
	{ "* * * january *", "month" },
	{ "0 0 31 4 *", "no such day" },
	{ "0 0 30 2 *", "no such day" },
	{ "0 0 31 2,4,6,9,11 */2", "no such day" },
	{ "@often", "none of" },
	{ "@every", "none of" },
	{ "@every ", "duration" },
	{ "@every 10", "duration" },
	{ "@every 1m10", "duration" },
	{ "@every 1m1h", "duration" },
	{ "@every 1m1m", "duration" },
	{ "@every 0s", "duration" },
	{ "@every 500ms", "duration" },
	{ "@every -1s", "duration" },
	{ "@every 9999d", "duration" },
};

START_TEST(is_refused)
{
	struct err err = { .text = "" };
	struct cron c;

	ck_assert_msg(cron_parse(&c, bad[_i].text, &err) == -1, "'%s' is taken",
	    bad[_i].text);
	ck_assert_msg(strstr(err.text, bad[_i].why) != NULL, "'%s': %s",
	    bad[_i].text, err.text);
}
END_TEST

/* --- known times ---------------------------------------------------------- */

static const struct {
	const char *tz, *text, *after, *want; /* UTC */
} known[] = {
	{ "UTC", "30 4 * * *", "2026-01-01 04:29:59", "2026-01-01 04:30:00" },
	{ "UTC", "30 4 * * *", "2026-01-01 04:30:00", "2026-01-02 04:30:00" },
	{ "UTC", "@monthly", "2026-01-31 12:00:00", "2026-02-01 00:00:00" },
	{ "UTC", "@weekly", "2026-01-01 12:00:00", "2026-01-04 00:00:00" },
	{ "UTC", "0 0 29 2 *", "2096-02-29 00:00:00", "2104-02-29 00:00:00" },
	/* every 7th day, if it is a Sunday in January; then the rarest there is
	 */
	{ "UTC", "3 * */7 1 sun", "2023-01-29 23:03:00",
	    "2034-01-01 00:03:00" },
	{ "UTC", "0 0 29 2 */7", "2088-02-29 00:00:00", "2128-02-29 00:00:00" },
	/* the 13th or a Friday; with * in one of them: and */
	{ "UTC", "0 0 13 * fri", "2026-01-03 00:00:00", "2026-01-09 00:00:00" },
	{ "UTC", "0 0 13 * fri", "2026-01-09 00:00:00", "2026-01-13 00:00:00" },
	{ "UTC", "0 0 */2 * fri", "2026-01-03 00:00:00",
	    "2026-01-09 00:00:00" },
	{ "UTC", "0 0 */2 * fri", "2026-01-09 00:00:00",
	    "2026-01-23 00:00:00" },
	{ "UTC", "@every 10m", "2026-01-01 00:03:20", "2026-01-01 00:10:00" },
	{ "UTC", "@every 10m", "2026-01-01 00:10:00", "2026-01-01 00:20:00" },
	/* 2:00 CET becomes 3:00 CEST at 1:00 UTC */
	{ "Europe/Berlin", "30 2 * * *", "2026-03-28 12:00:00",
	    "2026-03-29 01:00:00" },
	{ "Europe/Berlin", "30 2 * * *", "2026-03-29 01:00:00",
	    "2026-03-30 00:30:00" },
	{ "Europe/Berlin", "0 3 * * *", "2026-03-28 12:00:00",
	    "2026-03-29 01:00:00" },
	{ "Europe/Berlin", "30 * * * *", "2026-03-29 00:30:00",
	    "2026-03-29 01:30:00" },
	/* 3:00 CEST becomes 2:00 CET at 1:00 UTC */
	{ "Europe/Berlin", "30 2 * * *", "2026-10-25 00:00:00",
	    "2026-10-25 00:30:00" },
	{ "Europe/Berlin", "30 2 * * *", "2026-10-25 00:30:00",
	    "2026-10-26 01:30:00" },
	{ "Europe/Berlin", "30 * * * *", "2026-10-25 00:30:00",
	    "2026-10-25 01:30:00" },
	/* half an hour */
	{ "Australia/Lord_Howe", "15 2 * * *", "2026-10-03 00:00:00",
	    "2026-10-03 15:30:00" },
	/* a day that was left out: the clock went from the 29th to the 31st */
	{ "Pacific/Apia", "0 12 30 12 *", "2011-12-30 00:00:00",
	    "2011-12-30 10:00:00" },
};

static time_t
at(const char *text)
{
	struct tm tm = { 0 };

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

START_TEST(known_times)
{
	struct err err = { .text = "" };
	struct cron c;
	char got[32];
	time_t t;

	set_zone(known[_i].tz);
	ck_assert_int_eq(cron_parse(&c, known[_i].text, &err), 0);
	t = cron_next(&c, at(known[_i].after), NULL);
	strftime(got, sizeof got, "%Y-%m-%d %H:%M:%S", gmtime(&t));
	ck_assert_str_eq(got, known[_i].want);
}
END_TEST

static void
zone_of_seven(void *arg, time_t t, struct tm *out)
{
	t += *(const int *)arg;
	gmtime_r(&t, out);
}

START_TEST(another_zone)
{
	int seven = 7 * 3600;
	struct cron_zone zone = { zone_of_seven, &seven };
	struct cron c;

	set_zone("UTC");
	ck_assert_int_eq(cron_parse(&c, "@daily", NULL), 0);
	ck_assert_int_eq(cron_next(&c, at("2026-05-01 00:00:00"), &zone),
	    at("2026-05-01 17:00:00"));
	ck_assert_int_eq(cron_next(&c, -1, NULL), -1);
	ck_assert_int_eq(cron_next(&c, INT64_MAX, NULL), -1);
}
END_TEST

/* --- the model ------------------------------------------------------------ */

#define MODEL_FROM  1577836800 /* 2020 */
#define MODEL_YEARS 10
#define MODEL_N     (MODEL_YEARS * 365 * 1440)

static const char *const zones[] = { "UTC", "Europe/Berlin", "America/New_York",
	"Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
	"America/Santiago", "Asia/Beirut" };

static const char *const exprs[] = { "30 2 * * *", "0 0 * * *", "15 */2 * * *",
	"*/20 1-3 * * *", "59 23 * * *", "0 0 1,15 * mon", "5 0 29 2 *",
	"10 2 */7 3,10 sun", "*/15 * * * *", "7 * 1-7 * 0", "0 0-22 * 4 *" };

/* What a clock shows in each minute, as minutes as if it were UTC. */
static int *
model_clock(void)
{
	int *shown = malloc(MODEL_N * sizeof *shown);
	struct tm tm;
	time_t t;

	ck_assert_ptr_nonnull(shown);
	for (int i = 0; i < MODEL_N; i++) {
		t = MODEL_FROM + (time_t)i * 60;
		localtime_r(&t, &tm);
		shown[i] = (int)(timegm(&tm) / 60);
	}
	return shown;
}

static bool
model_has_day(const struct cron *c, int minute)
{
	static bool has;
	static const struct cron *last;
	static int last_day = -1;
	time_t t = (time_t)minute * 60;
	bool dom, dow;
	struct tm tm;

	if (last == c && last_day == minute / 1440)
		return has;
	last = c;
	last_day = minute / 1440;
	gmtime_r(&t, &tm);
	dom = (c->days >> tm.tm_mday & 1) != 0;
	dow = (c->weekdays >> tm.tm_wday & 1) != 0;
	has = (c->months >> (tm.tm_mon + 1) & 1) != 0 &&
	      (c->any_day || c->any_weekday ? dom && dow : dom || dow);
	return has;
}

static bool
model_has(const struct cron *c, int minute)
{
	return (c->minutes >> minute % 60 & 1) != 0 &&
	       (c->hours >> minute / 60 % 24 & 1) != 0 &&
	       model_has_day(c, minute);
}

/* Is it due in minute i?  seen: the latest that was ever shown. */
static bool
model_due(const struct cron *c, const int *shown, int i, int *seen)
{
	bool due = false;

	if (c->hours == 0xffffff)
		return model_has(c, shown[i]);
	for (; *seen < shown[i]; ++*seen)
		due = due || model_has(c, *seen + 1);
	return due;
}

static void
model_compare(const char *text, const int *shown)
{
	int last = 0, seen = shown[0], n = 0;
	struct cron c;
	time_t t;

	ck_assert_int_eq(cron_parse(&c, text, NULL), 0);
	for (int i = 1; i < MODEL_N; i++) {
		if (!model_due(&c, shown, i, &seen))
			continue;
		/* From the one before, and from right before it. */
		if (++n % 50 == 0 || shown[i] - shown[i - 1] != 1 ||
		    i - last > 1500 || n < 20) {
			t = MODEL_FROM + (time_t)i * 60;
			ck_assert_msg(cron_next(&c, t - 1, NULL) == t,
			    "%s at %lld", text, (long long)t);
			ck_assert_msg(
			    cron_next(&c, MODEL_FROM + (time_t)last * 60,
				NULL) == t ||
				last == 0,
			    "%s after minute %d: not %lld", text, last,
			    (long long)t);
		}
		last = i;
	}
	ck_assert_int_gt(n, 1);
}

START_TEST(as_the_model)
{
	int *shown;

	set_zone(zones[_i]);
	shown = model_clock();
	for (size_t e = 0; e < sizeof exprs / sizeof exprs[0]; e++)
		model_compare(exprs[e], shown);
	free(shown);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int
main(void)
{
	Suite *s = suite_create("cron");
	TCase *tc = tcase_create("cron");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, is_understood, 0, COUNT(good));
	tcase_add_loop_test(tc, is_refused, 0, COUNT(bad));
	tcase_add_loop_test(tc, known_times, 0, COUNT(known));
	tcase_add_test(tc, another_zone);
	tcase_add_loop_test(tc, as_the_model, 0, COUNT(zones));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
