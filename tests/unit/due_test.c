/*
 * due_test - schedules against a simple model: it goes over every time there
 * is, with a clock that is stepped, stands still and is looked at now and then.
 */
#include "engine/due.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define START    INT64_C(1700000000000) /* 2023-11-14 22:13:20 UTC */
#define MINUTE   INT64_C(60000)
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)
#define RUNS_MAX 20000

static const char *const schedules[] = { "* * * * *", "*/5 * * * *",
	"7 * * * *", "30 4 * * mon-fri", "0 0 1 * *", "@daily", "@every 90s",
	"@every 7m", "@every 1h", "0 3 29 2 *" };

#define NSCHEDULES (sizeof schedules / sizeof *schedules)

static uint64_t seed;

static uint32_t
chance(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (uint32_t)(seed >> 33) % n;
}

static void
utc(void *arg, time_t t, struct tm *out)
{
	(void)arg;
	gmtime_r(&t, out);
}

static const struct cron_zone zone = { utc, NULL };

/* --- the model --------------------------------------------------------------
 */

struct model {
	struct cron cron;
	enum config_catch_up catch_up;
	wall_ms last;
};

/* All times after last up to now, one by one; the newest are kept. */
static size_t
model_times(
    const struct model *m, wall_ms now, wall_ms out[DUE_RUNS], size_t *all)
{
	wall_ms at = m->last;
	size_t n = 0;

	for (*all = 0;; (*all)++) {
		time_t next = cron_next(&m->cron, (time_t)(at / 1000), &zone);

		if (next == -1 || (wall_ms)next * 1000 > now)
			return n;
		at = (wall_ms)next * 1000;
		if (n == DUE_RUNS)
			memmove(out, out + 1, --n * sizeof *out);
		out[n++] = at;
	}
}

static size_t
model_look(struct model *m, wall_ms now, wall_ms out[DUE_RUNS], bool *missed)
{
	wall_ms newest;
	size_t n, all;

	*missed = false;
	if (m->last > now + DUE_BACK_MS)
		m->last = now;
	n = model_times(m, now, out, &all);
	if (n == 0)
		return 0;
	newest = m->last = out[n - 1];
	if (m->catch_up != CATCH_UP_ALL) {
		out[0] = newest;
		n = 1;
	}
	if (m->catch_up == CATCH_UP_NO && now - newest > DUE_LATE_MS)
		n = 0;
	*missed = all > n;
	return n;
}

/* --- histories --------------------------------------------------------------
 */

struct history {
	struct model m;
	struct due_rule rule;
	wall_ms last, now;
	wall_ms *ran;
	size_t nran;
};

static void
history_schedule(struct history *h)
{
	const char *text = schedules[chance(NSCHEDULES)];
	struct err err;

	ck_assert_int_eq(cron_parse(&h->m.cron, text, &err), 0);
	h->rule.cron = &h->m.cron;
	h->rule.catch_up = h->m.catch_up = (enum config_catch_up)chance(3);
	h->m.last = h->last = h->now;
}

/* Never the same minute twice, whatever the clock did. */
static void
history_ran(struct history *h, wall_ms at)
{
	ck_assert_int_le(at, h->now);
	if (h->nran > 0)
		ck_assert_int_gt(at, h->ran[h->nran - 1]);
	if (h->nran == RUNS_MAX)
		h->nran = 0;
	h->ran[h->nran++] = at;
}

static void
history_look(struct history *h)
{
	struct due_look look;
	wall_ms want[DUE_RUNS];
	bool missed;
	size_t n;

	due_look(&look, &h->rule, h->last, h->now);
	n = model_look(&h->m, h->now, want, &missed);
	ck_assert_uint_eq(look.nruns, n);
	if (look.anew)
		h->nran = 0;
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(look.runs[i], want[i]);
		history_ran(h, want[i]);
	}
	ck_assert_int_eq(look.missed, missed);
	ck_assert_int_eq(look.last, h->m.last);
	ck_assert(look.next == 0 || look.next > h->now);
	h->last = look.last;
	/* An engine that dies before that is written down finds the same. */
	if (chance(8) == 0) {
		struct due_look again;

		due_look(&again, &h->rule, look.last, h->now);
		ck_assert_uint_eq(again.nruns, 0);
	}
}

static void
history_step(struct history *h)
{
	switch (chance(8)) {
	case 0: /* set forward, or down */
		h->now +=
		    chance(12) == 0 ? chance(30) * DAY : chance(30) * HOUR;
		break;
	case 1: /* set back */
		h->now -=
		    chance(3) == 0 ? chance(100) * HOUR : chance(180) * MINUTE;
		break;
	case 2: /* another schedule */
		history_schedule(h);
		h->nran = 0;
		return;
	default:
		h->now += chance(5 * 60000);
		break;
	}
	history_look(h);
}

START_TEST(as_the_model_has_it)
{
	struct history h = { .rule = { .zone = &zone } };

	h.ran = calloc(RUNS_MAX, sizeof *h.ran);
	for (int i = 0; i < 10000; i++) {
		seed = (uint64_t)i * 7919 + 1;
		h.now = START + chance(3650) * DAY + chance(86400000);
		h.nran = 0;
		history_schedule(&h);
		for (int k = 0; k < 10; k++)
			history_step(&h);
	}
	free(h.ran);
}
END_TEST

/* --- ten years --------------------------------------------------------------
 */

static const char *const decade[] = { "7 */2 * * *", "30 2 * * *",
	"30 4 * * mon-fri", "0 0 1,15 * mon", "20 1-3 * * *", "0 3 29 2 *",
	"@daily", "@every 5h" };

#define NDECADE (int)(sizeof decade / sizeof *decade)

/* When somebody looks next: soon after a time has come; now and then reeved
 * was down for some of them, or the clock was set back. */
static wall_ms
decade_wakes(const struct due_rule *rule, wall_ms next)
{
	time_t t = (time_t)(next / 1000);
	int missed = chance(50) == 0 ? (int)chance(DUE_RUNS) : 0;

	while (missed-- > 0)
		t = cron_next(rule->cron, t, rule->zone);
	next = (wall_ms)t * 1000 + chance(900);
	return chance(300) == 0 ? next - chance(180) * MINUTE : next;
}

/* A timer that is set to what due_look says, from one year to another. */
START_TEST(each_time_of_ten_years_has_one_run)
{
	struct cron c;
	struct due_rule rule = { &c, NULL, CATCH_UP_ALL };
	wall_ms now = START, last = START, ran = START;
	struct due_look look;
	struct err err;

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	seed = (uint64_t)_i;
	ck_assert_int_eq(cron_parse(&c, decade[_i], &err), 0);
	while (now < START + 3653 * DAY) {
		due_look(&look, &rule, last, now);
		for (size_t i = 0; i < look.nruns; i++) {
			ck_assert_int_le(look.runs[i], now);
			ck_assert_int_eq(look.runs[i],
			    (wall_ms)cron_next(&c, (time_t)(ran / 1000), NULL) *
				1000);
			ran = look.runs[i];
		}
		ck_assert(!look.missed && !look.anew);
		ck_assert_int_gt(look.next, now);
		last = look.last;
		now = decade_wakes(&rule, look.next);
	}
	/* The last 29 February of them is in 2032. */
	ck_assert_int_gt(ran, START + 3000 * DAY);
}
END_TEST

/* --- what the manual says ---------------------------------------------------
 */

static struct due_look
look_at(
    const char *text, enum config_catch_up catch_up, wall_ms last, wall_ms now)
{
	struct cron c;
	struct due_rule rule = { &c, &zone, catch_up };
	struct due_look look;
	struct err err;

	ck_assert_int_eq(cron_parse(&c, text, &err), 0);
	due_look(&look, &rule, last, now);
	return look;
}

START_TEST(what_is_on_time_runs_whatever_catch_up_says)
{
	struct due_look l = look_at("@every 1m", CATCH_UP_NO, START,
	    START - START % MINUTE + 2 * MINUTE + 5000);

	ck_assert_uint_eq(l.nruns, 1);
	ck_assert_int_eq(l.runs[0] % MINUTE, 0);
	ck_assert(l.missed);
}
END_TEST

START_TEST(ten_years_of_seconds_take_no_time)
{
	struct due_look l =
	    look_at("@every 1s", CATCH_UP_ALL, START, START + 3650 * DAY);

	ck_assert_uint_eq(l.nruns, DUE_RUNS);
	ck_assert_int_eq(l.runs[DUE_RUNS - 1], START + 3650 * DAY);
	l = look_at("0 0 1 1 *", CATCH_UP_ALL, START, START + 3650 * DAY);
	ck_assert_uint_eq(l.nruns, DUE_RUNS);
}
END_TEST

START_TEST(a_clock_that_was_wrong_by_years_is_forgotten)
{
	struct due_look l =
	    look_at("@hourly", CATCH_UP_ONCE, START + 3650 * DAY, START);

	ck_assert(l.anew);
	ck_assert_uint_eq(l.nruns, 0);
	ck_assert_int_le(l.next, START + HOUR);
	l = look_at("@hourly", CATCH_UP_ONCE, START + HOUR, START);
	ck_assert(!l.anew);
	ck_assert_int_gt(l.next, START + HOUR);
}
END_TEST

START_TEST(jitter_stays_within_and_is_the_same)
{
	int64_t most = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t j = due_jitter("build", START + i * MINUTE, 5000);

		ck_assert_int_ge(j, 0);
		ck_assert_int_le(j, 5000);
		ck_assert_int_eq(
		    j, due_jitter("build", START + i * MINUTE, 5000));
		most = j > most ? j : most;
	}
	ck_assert_int_gt(most, 4000);
	ck_assert_int_eq(due_jitter("build", START, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("due");
	TCase *tc = tcase_create("due");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, as_the_model_has_it);
	tcase_add_loop_test(tc, each_time_of_ten_years_has_one_run, 0, NDECADE);
	tcase_add_test(tc, what_is_on_time_runs_whatever_catch_up_says);
	tcase_add_test(tc, ten_years_of_seconds_take_no_time);
	tcase_add_test(tc, a_clock_that_was_wrong_by_years_is_forgotten);
	tcase_add_test(tc, jitter_stays_within_and_is_the_same);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
