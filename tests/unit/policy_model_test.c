/*
 * policy_model_test - restart policy over random lives, with a fake clock.
 *
 * A slot is a loop here: it runs, it ends, the policy says what follows.  The
 * invariants are checked at each end against a plain list of all deaths, and
 * an engine that is killed anywhere is a copy of the record asked again.
 */
#include "engine/policy.h"

#include <check.h>
#include <string.h>

#define HISTORIES 10000
#define LIVES     60

static uint32_t seed;

static uint32_t
chance(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* A slot, as the engine keeps it. */
struct life {
	struct config_program conf;
	struct table_past past;
	unsigned failures;
	mono_ms now;
	mono_ms deaths[LIVES]; /* since it was last FATAL; for the check */
	int ndeaths;
};

static struct config_program
random_conf(void)
{
	static struct config_rare rare;
	struct config_program p = {
		.rare = &rare,
		.autorestart = (enum config_autorestart)chance(5),
		.startsecs_ms = chance(3) * 1000,
		.startretries = (int64_t)chance(6) - 1,
		.backoff_min_ms = 1 + chance(1000),
		.backoff_max_ms = 1 + chance(60000),
		.essential = (enum config_essential)chance(5),
	};

	rare = (struct config_rare){ .exitcodes = { 1 },
		.fatal_retry_ms = chance(2) * 60000 };
	if (chance(3) != 0)
		rare.restart_limit =
		    (struct config_rate){ 1 + chance(TABLE_PAST),
			    1 + chance(120000) };
	return p;
}

/* Deaths within the period that ends now, by counting. */
static int
count_deaths(const struct life *l)
{
	int n = 0;

	for (int i = 0; i < l->ndeaths; i++)
		n += l->now - l->deaths[i] <=
		     l->conf.rare->restart_limit.period_ms;
	return n;
}

static struct policy_end
random_end(struct life *l)
{
	struct policy_end end = { .code = -1 };
	bool ready = chance(4) != 0;
	int64_t ran = chance(3) == 0 ? chance(100000) : chance(3000);

	if (chance(3) == 0)
		end.signo = chance(2) == 0 ? 9 : 15;
	else
		end.code = (int)chance(3);
	l->now += ran;
	end.failed_start =
	    policy_failed_start(&l->conf, ran, ready, end.code, end.signo);
	if (ready && ran >= l->conf.startsecs_ms)
		ck_assert(!end.failed_start);
	return end;
}

static void
note_end(struct life *l, const struct policy_end *end)
{
	l->failures = end->failed_start ? l->failures + 1 : 0;
	policy_note_death(&l->past, l->now);
	l->deaths[l->ndeaths++] = l->now;
}

/* The next engine has the record, and nothing else. */
static void
check_same_after_a_kill(
    const struct life *l, const struct policy_end *end, enum policy_next next)
{
	struct table_slot record = { .failures = l->failures };
	struct table_past past;

	record.past = l->past;
	memcpy(&past, &record.past, sizeof past);
	ck_assert_int_eq(
	    policy_next(&l->conf, &past, record.failures, end), next);
}

static void
check_next(
    const struct life *l, const struct policy_end *end, enum policy_next next)
{
	const struct config_program *p = &l->conf;
	bool fatal = next == POLICY_TRIES || next == POLICY_LIMIT;
	bool tries = end->failed_start && p->startretries >= 0 &&
		     l->failures > p->startretries;
	bool over = p->rare->restart_limit.count != 0 &&
		    count_deaths(l) > p->rare->restart_limit.count;

	if (next == POLICY_REST) {
		ck_assert(!end->failed_start);
		ck_assert_int_ne(p->autorestart, AUTORESTART_TRUE);
	} else {
		ck_assert(end->failed_start ||
			  (p->autorestart != AUTORESTART_NEVER &&
			      p->autorestart != AUTORESTART_FALSE));
		ck_assert_int_eq(next == POLICY_TRIES, tries);
		ck_assert_int_eq(next == POLICY_LIMIT, over && !tries);
	}
	if (next == POLICY_LATER) {
		int64_t ms = policy_delay_ms(p, l->failures, chance(1000000));

		ck_assert_int_gt(ms, 0);
		ck_assert_int_le(ms, p->backoff_max_ms);
	}
	if (next == POLICY_NOW)
		ck_assert_int_eq(l->failures, 0);
	ck_assert_int_eq(policy_essential(p, next),
	    p->essential == ESSENTIAL_YES || p->essential == ESSENTIAL_MAIN ||
		(p->essential == ESSENTIAL_ON_FATAL && fatal) ||
		(p->essential == ESSENTIAL_ON_EXIT &&
		    (next == POLICY_REST ||
			(fatal && p->rare->fatal_retry_ms == 0))));
}

/* As act_fatal: with the next try everything begins anew. */
static void
begin_anew(struct life *l)
{
	l->failures = 0;
	l->past.n = 0;
	l->ndeaths = 0;
}

static void
one_history(uint32_t n)
{
	struct life l = { .now = 0 };

	seed = n * 2654435761U + 1;
	l.conf = random_conf();
	l.now = 1 + chance(1000000);
	for (int i = 0; i < LIVES; i++) {
		struct policy_end end = random_end(&l);
		enum policy_next next;

		note_end(&l, &end);
		next = policy_next(&l.conf, &l.past, l.failures, &end);
		check_next(&l, &end, next);
		check_same_after_a_kill(&l, &end, next);
		switch (next) {
		case POLICY_TRIES:
		case POLICY_LIMIT:
			l.now += l.conf.rare->fatal_retry_ms;
			begin_anew(&l);
			break;
		case POLICY_REST: /* and somebody starts it */
			l.now += chance(100000);
			break;
		case POLICY_NOW:
			break;
		case POLICY_LATER:
			l.now += policy_delay_ms(
			    &l.conf, l.failures, chance(1000000));
			break;
		}
	}
}

START_TEST(ten_thousand_histories)
{
	for (uint32_t n = 0; n < HISTORIES; n++)
		one_history(n);
}
END_TEST

/* --- restart_rate ----------------------------------------------------------
 */

/* In no period more starts than twice the count: the burst, then the flow. */
static void
check_flow(const struct config_rate *rate, const mono_ms *at, int n)
{
	for (int i = 0; i < n; i++) {
		int within = 0;

		for (int k = i; k < n && at[k] - at[i] < rate->period_ms; k++)
			within++;
		ck_assert_int_le(within, 2 * rate->count + 1);
	}
}

START_TEST(starts_are_spread)
{
	struct config_rate rate;
	int64_t full_us = 0;
	mono_ms now = 1000, at[400], last = 0;

	seed = (uint32_t)_i * 77777 + 5;
	rate.count = 1 + chance(50);
	rate.period_ms = 100 + chance(5000);
	for (int i = 0; i < 400; i++) {
		int64_t ms;

		now += chance(4) == 0 ? chance(200) : 0;
		ms = policy_budget(&rate, &full_us, now);
		ck_assert_int_ge(ms, 0);
		at[i] = now + ms;
		ck_assert_int_ge(at[i], last); /* first come, first served */
		last = at[i];
	}
	check_flow(&rate, at, 400);
	/* After a quiet period the whole burst is there again. */
	now = last + 2 * rate.period_ms;
	for (int64_t i = 0; i < rate.count; i++)
		ck_assert_int_eq(policy_budget(&rate, &full_us, now), 0);
	ck_assert_int_gt(policy_budget(&rate, &full_us, now), 0);
}
END_TEST

START_TEST(no_rate_is_no_wait)
{
	struct config_rate none = { 0, 0 };
	int64_t full_us = 0;

	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(policy_budget(&none, &full_us, 5), 0);
}
END_TEST

START_TEST(five_hundred_at_once_are_within_the_default)
{
	struct config_rate rate = { 1000, 1000 };
	int64_t full_us = 0;

	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(policy_budget(&rate, &full_us, 5000), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy_model");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ten_thousand_histories);
	tcase_add_loop_test(tc, starts_are_spread, 0, 50);
	tcase_add_test(tc, no_rate_is_no_wait);
	tcase_add_test(tc, five_hundred_at_once_are_within_the_default);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
