/*
 * policy_test - who is started again, when, and until when.
 */
#include "engine/policy.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "spawn/spawn.h"

#define SECOND 1000

/* --- the pause ------------------------------------------------------------ */

static const struct {
	int64_t min, max;
	unsigned failures;
	int64_t want; /* without the part that is by chance */
} delays[] = {
	{ 500, 30 * SECOND, 1, 500 }, { 500, 30 * SECOND, 2, 1000 },
	{ 500, 30 * SECOND, 3, 2000 }, { 500, 30 * SECOND, 4, 4000 },
	{ 500, 30 * SECOND, 6, 16000 },
	{ 500, 30 * SECOND, 7, 30 * SECOND }, /* not 32 */
	{ 500, 30 * SECOND, 8, 30 * SECOND },
	{ 500, 30 * SECOND, 4000000000, 30 * SECOND },
	{ 1000, 1000, 1, 1000 }, /* always the same */
	{ 1000, 1000, 50, 1000 }, { 1, 1, 9, 1 }, { 1, 3, 2, 2 },
	{ 1, 3, 3, 3 }, { 1, 86400 * SECOND, 11, 1024 },
	{ 60 * SECOND, 10 * SECOND, 1, 10 * SECOND }, /* cap below the first */
};

static int64_t
test_delay(int i, uint32_t chance)
{
	struct config_program p = { .backoff_min_ms = delays[i].min,
		.backoff_max_ms = delays[i].max };

	return policy_delay_ms(&p, delays[i].failures, chance);
}

START_TEST(the_pause_doubles_up_to_the_cap)
{
	ck_assert_int_eq(test_delay(_i, 0), delays[_i].want);
}
END_TEST

/* Never longer, never shorter than three quarters, and not always equal. */
START_TEST(chance_takes_up_to_a_quarter)
{
	int64_t want = delays[_i].want, low = want, ms;
	uint32_t chance = 12345;

	for (int n = 0; n < 20000; n++) {
		chance = chance * 1664525 + 1013904223;
		ms = test_delay(_i, chance >> 8);
		ck_assert_int_le(ms, want);
		ck_assert_int_gt(ms, 0);
		ck_assert_int_ge(ms * 4, want * 3);
		if (ms < low)
			low = ms;
	}
	if (want >= 400) /* the bound is come near to */
		ck_assert_int_le(low * 100, want * 76);
	ck_assert_int_eq(test_delay(_i, 1000), want); /* 0 again */
	ck_assert_int_ge(test_delay(_i, UINT32_MAX) * 4, want * 3);
}
END_TEST

START_TEST(the_first_pauses_are_never_over_the_next)
{
	struct config_program p = { .backoff_min_ms = 500,
		.backoff_max_ms = 30 * SECOND };
	int64_t last = 0;

	for (unsigned n = 1; n < 6; n++) {
		ck_assert_int_gt(policy_delay_ms(&p, n, 999), last);
		last = policy_delay_ms(&p, n, 0);
	}
}
END_TEST

/* --- giving up ------------------------------------------------------------ */

static const struct {
	int64_t retries;
	unsigned failures;
	bool want;
} tries[] = {
	{ -1, 1, false }, /* never */
	{ -1, 4000000000, false },
	{ 0, 0, false },
	{ 0, 1, true }, /* the first try was the only one */
	{ 3, 1, false },
	{ 3, 3, false },
	{ 3, 4, true },
	{ 3, 5, true },
	{ INT64_MAX, 4000000000, false },
};

START_TEST(startretries)
{
	struct config_program p = { .startretries = tries[_i].retries };

	ck_assert_int_eq(
	    policy_give_up(&p, tries[_i].failures), tries[_i].want);
}
END_TEST

/* --- autorestart x exit --------------------------------------------------- */

/* exitcodes=0,2,255 */
static const struct {
	int code;
	int signo;
	bool expected;
} exits[] = {
	{ 0, 0, true },
	{ 1, 0, false },
	{ 2, 0, true },
	{ 3, 0, false },
	{ 8, 0, false },
	{ 10, 0, false },
	{ 254, 0, false },
	{ 255, 0, true },
	{ -1, 0, false },
	{ 256, 0, false },
	{ -1, SIGTERM, false }, /* as the table keeps a death by signal */
	{ 0, SIGKILL, false },  /* code 0 beside a signal means nothing */
	{ 2, SIGSEGV, false },
};

START_TEST(autorestart_and_exitcodes)
{
	struct config_rare rare = { .ipc_queue = 1 };
	struct config_program p = { .rare = &rare };
	int code = exits[_i].code, signo = exits[_i].signo;

	rare.exitcodes[0] = 1 << 0 | 1 << 2;
	rare.exitcodes[31] = 1 << 7;
	p.autorestart = AUTORESTART_UNEXPECTED;
	ck_assert_int_eq(policy_restart(&p, code, signo), !exits[_i].expected);
	ck_assert_int_eq(policy_done(&p, code, signo), exits[_i].expected);
	p.autorestart = AUTORESTART_TRUE;
	ck_assert(policy_restart(&p, code, signo));
	ck_assert(!policy_done(&p, code, signo));
	p.autorestart = AUTORESTART_FALSE;
	ck_assert(!policy_restart(&p, code, signo));
}
END_TEST

START_TEST(every_code_has_its_bit)
{
	struct config_rare rare = { .ipc_queue = 1 };
	struct config_program p = { .rare = &rare,
		.autorestart = AUTORESTART_UNEXPECTED };

	for (int bit = 0; bit < 256; bit++) {
		rare.exitcodes[bit / 8] = (uint8_t)(1 << bit % 8);
		for (int code = 0; code < 256; code++)
			ck_assert_int_eq(
			    policy_restart(&p, code, 0), code != bit);
		rare.exitcodes[bit / 8] = 0;
	}
}
END_TEST

/* --- young ---------------------------------------------------------------- */

static const struct {
	int64_t startsecs, ran;
	bool ready, want;
} lives[] = {
	{ 1000, 999, true, true },
	{ 1000, 1000, true, false },
	{ 1000, 5000, true, false },
	{ 1000, 5000, false, true }, /* never said that it is up */
	{ 1000, 10, false, true },
	{ 0, 0, true, false },
	{ 0, 0, false, true },
};

START_TEST(young)
{
	struct config_program p = { .startsecs_ms = lives[_i].startsecs };

	ck_assert_int_eq(
	    policy_young(&p, lives[_i].ran, lives[_i].ready), lives[_i].want);
}
END_TEST

/* --- recycling ------------------------------------------------------------ */

/* Deaths, newest first: by what, after how many seconds. */
static const struct {
	struct {
		enum death_cause cause;
		int s;
	} died[TABLE_DEATHS];
	int want_s;
} replaced[] = {
	{ { { DEATH_EXIT, 1 } }, 0 },
	{ { { DEATH_RECYCLE, 15 } }, 60 },
	{ { { DEATH_UNHEALTHY, 119 } }, 60 },
	{ { { DEATH_RECYCLE, 120 } }, 0 },
	{ { { DEATH_RECYCLE, 60 }, { DEATH_UNHEALTHY, 15 } }, 120 },
	{ { { DEATH_RECYCLE, 300 }, { DEATH_RECYCLE, 15 } }, 0 },
	{ { { DEATH_ROLL, 1 }, { DEATH_RECYCLE, 15 } }, 0 },
	{ { { DEATH_RECYCLE, 1 }, { DEATH_ROLL, 1 }, { DEATH_RECYCLE, 1 } },
	    60 },
	{ { { DEATH_RECYCLE, 490 }, { DEATH_RECYCLE, 250 },
	      { DEATH_RECYCLE, 130 }, { DEATH_RECYCLE, 70 },
	      { DEATH_RECYCLE, 10 } },
	    960 },
};

START_TEST(what_is_replaced_again_and_again_waits)
{
	struct table_death deaths[TABLE_DEATHS] = { 0 };

	for (int i = 0; i < TABLE_DEATHS; i++) {
		deaths[i].at_ms = replaced[_i].died[i].s != 0;
		deaths[i].cause = (uint8_t)replaced[_i].died[i].cause;
		deaths[i].ran_ms = replaced[_i].died[i].s * 1000;
	}
	ck_assert_int_eq(policy_replace_age_ms(deaths, TABLE_DEATHS),
	    replaced[_i].want_s * 1000);
}
END_TEST

START_TEST(a_lifetime_is_never_longer_and_not_always_the_same)
{
	struct config_rare rare = { .max_lifetime_ms = 100000,
		.memory_interval_ms = 15000 };
	const struct config_program p = { .rare = &rare };
	int64_t low = INT64_MAX, high = 0, ms;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		ms = policy_lifetime_ms(&p, policy_chance(seed));
		ck_assert_int_eq(
		    ms, policy_lifetime_ms(&p, policy_chance(seed)));
		ck_assert_int_le(ms, 100000);
		ck_assert_int_ge(ms, 90000);
		low = ms < low ? ms : low;
		high = ms > high ? ms : high;
		ms = policy_interval_ms(&p, policy_chance(seed));
		ck_assert_int_ge(ms, 13500);
		ck_assert_int_le(ms, 16500);
	}
	ck_assert_int_lt(low, 91000);
	ck_assert_int_gt(high, 99000);
	rare.max_lifetime_ms = rare.memory_interval_ms = 1;
	ck_assert_int_eq(policy_lifetime_ms(&p, UINT32_MAX), 1);
	ck_assert_int_ge(policy_interval_ms(&p, 0), 1);
}
END_TEST

#define HOUR (INT64_C(3600) * SECOND)
#define DAY  (24 * HOUR)

/* Every day at 3:00 UTC; what the clock shows, step by step. */
static const struct {
	wall_ms now;
	bool due;
	wall_ms next;
} walls[] = {
	{ 100 * DAY, false, 100 * DAY + 3 * HOUR },
	{ 100 * DAY + 3 * HOUR - 1, false, 100 * DAY + 3 * HOUR },
	{ 100 * DAY + 3 * HOUR, true, 101 * DAY + 3 * HOUR },
	/* an hour back: not twice */
	{ 100 * DAY + 2 * HOUR, false, 101 * DAY + 3 * HOUR },
	/* two hours forth, over the time: made up for */
	{ 101 * DAY + 4 * HOUR, true, 102 * DAY + 3 * HOUR },
	/* a day forth: left out */
	{ 102 * DAY + 12 * HOUR, false, 103 * DAY + 3 * HOUR },
	/* a year back: anew */
	{ 50 * DAY, false, 50 * DAY + 3 * HOUR },
	{ 50 * DAY + 3 * HOUR + 5, true, 51 * DAY + 3 * HOUR },
};

START_TEST(a_time_of_day_and_a_clock_that_is_set)
{
	struct policy_wall w = { 0 };
	struct cron c;

	setenv("TZ", "UTC", 1);
	ck_assert_int_eq(cron_parse(&c, "0 3 * * *", NULL), 0);
	for (size_t i = 0; i < sizeof walls / sizeof walls[0]; i++) {
		ck_assert_int_eq(
		    policy_wall_due(&c, &w, walls[i].now), walls[i].due);
		ck_assert_int_eq(w.due, walls[i].next);
	}
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

/* "More than 2 in 10 s" are three, the first and the last 10 s apart. */
START_TEST(restart_limit_to_the_millisecond)
{
	struct config_rare rare = { .restart_limit = { 2, 10000 } };
	struct config_program p = { .rare = &rare };

	for (mono_ms last = 10999; last <= 11001; last++) {
		struct table_past past = { 0 };

		policy_note_death(&past, 1000);
		policy_note_death(&past, 5000);
		ck_assert(!policy_over_limit(&p, &past));
		policy_note_death(&past, last);
		ck_assert_int_eq(policy_over_limit(&p, &past), last <= 11000);
	}
}
END_TEST

START_TEST(exit_codes_are_a_shells)
{
	ck_assert_int_eq(
	    policy_exit_code(&(struct table_death){ .code = 7 }), 7);
	ck_assert_int_eq(
	    policy_exit_code(&(struct table_death){ .code = -1, .signo = 9 }),
	    137);
	ck_assert_int_eq(policy_exit_code(&(struct table_death){
			     .code = -1, .errnum = ENOENT }),
	    127);
	ck_assert_int_eq(policy_exit_code(&(struct table_death){
			     .code = -1, .errnum = EACCES }),
	    126);
	ck_assert_int_eq(
	    policy_exit_code(&(struct table_death){
		.code = -1, .errnum = ENOENT, .stage = STAGE_EXEC }),
	    127);
	ck_assert_int_eq(
	    policy_exit_code(&(struct table_death){
		.code = -1, .errnum = ENOENT, .stage = STAGE_DIRECTORY }),
	    125);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy");
	TCase *tc = tcase_create("policy");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, the_pause_doubles_up_to_the_cap, 0, ROWS(delays));
	tcase_add_loop_test(tc, chance_takes_up_to_a_quarter, 0, ROWS(delays));
	tcase_add_test(tc, the_first_pauses_are_never_over_the_next);
	tcase_add_loop_test(tc, startretries, 0, ROWS(tries));
	tcase_add_loop_test(tc, autorestart_and_exitcodes, 0, ROWS(exits));
	tcase_add_test(tc, every_code_has_its_bit);
	tcase_add_loop_test(tc, young, 0, ROWS(lives));
	tcase_add_loop_test(
	    tc, what_is_replaced_again_and_again_waits, 0, ROWS(replaced));
	tcase_add_test(tc, a_lifetime_is_never_longer_and_not_always_the_same);
	tcase_add_test(tc, a_time_of_day_and_a_clock_that_is_set);
	tcase_add_test(tc, restart_limit_to_the_millisecond);
	tcase_add_test(tc, exit_codes_are_a_shells);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
