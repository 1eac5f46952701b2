/* sched_test - which task is next: cases, and a model with a fake clock. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "queue/sched.h"

static struct sched *s;

static void
setup(void)
{
	s = sched_new(2);
}

static void
teardown(void)
{
	sched_free(s);
}

static void
add(uint64_t id, const char *group, int32_t priority, int64_t not_before,
    const uint64_t *after, size_t n)
{
	struct sched_task t = { id, 1000, group, priority, not_before, after,
		n };

	sched_add(s, &t);
}

static uint64_t failed[16];
static size_t nfailed;

static void
on_failed(void *arg, uint64_t id)
{
	ck_assert_ptr_eq(arg, s);
	failed[nfailed++] = id;
}

static void
end(uint64_t id, bool ok)
{
	nfailed = 0;
	sched_end(s, id, ok, on_failed, s);
}

/* Of both kinds: here there is always a CPU. */
static uint64_t
next_of(struct sched *of, int64_t now)
{
	uint64_t id = sched_next(of, now, true);

	return id != 0 ? id : sched_next(of, now, false);
}

START_TEST(fifo_and_places)
{
	for (uint64_t id = 1; id <= 4; id++)
		add(id, "g", 0, 0, NULL, 0);
	ck_assert_uint_eq(next_of(s, 0), 1);
	ck_assert_uint_eq(next_of(s, 0), 2);
	ck_assert_uint_eq(next_of(s, 0), 0);
	sched_stopped(s, 1);
	ck_assert_uint_eq(next_of(s, 0), 3);
	end(1, true);
	ck_assert_uint_eq(next_of(s, 0), 0);
	end(2, false);
	ck_assert_uint_eq(nfailed, 0);
	ck_assert_uint_eq(next_of(s, 0), 4);
	ck_assert_uint_eq(sched_running(s), 2);
}
END_TEST

START_TEST(priority)
{
	add(1, "g", 0, 0, NULL, 0);
	add(2, "g", 7, 0, NULL, 0);
	add(3, "g", -1, 0, NULL, 0);
	add(4, "g", 7, 0, NULL, 0);
	sched_parallel(s, 1000, "g", 4);
	ck_assert_uint_eq(next_of(s, 0), 2);
	ck_assert_uint_eq(next_of(s, 0), 4);
	ck_assert_uint_eq(next_of(s, 0), 1);
	ck_assert_uint_eq(next_of(s, 0), 3);
}
END_TEST

/* Out of its turn, but not before others, its time, or over its group. */
START_TEST(take)
{
	static const uint64_t after[] = { 1 };

	sched_parallel(s, 1000, "g", 2);
	add(1, "g", 0, 0, NULL, 0);
	add(2, "g", 0, 0, NULL, 0);
	add(3, "g", 0, 0, after, 1);
	add(4, "g", 0, 50, NULL, 0);
	ck_assert(sched_take(s, 2, 0));
	ck_assert(!sched_take(s, 2, 0));
	ck_assert(!sched_take(s, 3, 0));
	ck_assert(!sched_take(s, 4, 49));
	ck_assert(!sched_take(s, 9, 0));
	ck_assert(sched_take(s, 4, 50));
	ck_assert(!sched_take(s, 1, 50));
	end(2, true);
	ck_assert_uint_eq(next_of(s, 50), 1);
}
END_TEST

START_TEST(slots)
{
	static const uint64_t after[] = { 1 };

	add(1, "g", 0, 0, NULL, 0);
	add(2, SCHED_DETACHED, 0, 0, NULL, 0);
	add(3, "g", 0, 0, after, 1);
	add(4, "g", 0, 50, NULL, 0);
	ck_assert(sched_wants_slot(s, 0));
	ck_assert_int_eq(sched_waits(s, 1), SCHED_WAIT_SLOT);
	ck_assert_int_eq(sched_waits(s, 3), SCHED_WAIT_OTHERS);
	ck_assert_int_eq(sched_waits(s, 4), SCHED_WAIT_TIME);
	/* Each kind of its own. */
	ck_assert_uint_eq(sched_next(s, 0, false), 2);
	ck_assert_uint_eq(sched_next(s, 0, false), 0);
	ck_assert_uint_eq(sched_next(s, 0, true), 1);
	ck_assert_int_eq(sched_waits(s, 1), SCHED_WAIT_NOTHING);
	ck_assert(!sched_wants_slot(s, 0));
	ck_assert(sched_wants_slot(s, 50));
	sched_standard(s, 1);
	ck_assert(!sched_wants_slot(s, 50));
	ck_assert_int_eq(sched_waits(s, 4), SCHED_WAIT_PLACE);
	sched_pause(s, 1000, "g", true);
	ck_assert_int_eq(sched_waits(s, 4), SCHED_WAIT_PAUSED);
	ck_assert_int_eq(sched_waits(s, 99), SCHED_WAIT_NOTHING);
}
END_TEST

START_TEST(groups)
{
	sched_pause(s, 1000, "a", true);
	sched_parallel(s, 1000, "b", 1);
	add(1, "a", 9, 0, NULL, 0);
	add(2, "b", 0, 0, NULL, 0);
	add(3, "b", 0, 0, NULL, 0);
	add(4, SCHED_DETACHED, 0, 0, NULL, 0);
	add(5, SCHED_DETACHED, 0, 0, NULL, 0);
	add(6, SCHED_DETACHED, 0, 0, NULL, 0);
	ck_assert_uint_eq(next_of(s, 0), 2);
	for (uint64_t id = 4; id <= 6; id++)
		ck_assert_uint_eq(next_of(s, 0), id);
	ck_assert_uint_eq(next_of(s, 0), 0);
	sched_pause(s, 1000, "a", false);
	ck_assert_uint_eq(next_of(s, 0), 1);
	sched_parallel(s, 1000, "b", 0);
	ck_assert_uint_eq(next_of(s, 0), 3);
}
END_TEST

/* The same name is another group for another uid. */
START_TEST(uids)
{
	struct sched_task t = { 9, 2000, "g", 0, 0, NULL, 0 };

	add(1, "g", 0, 0, NULL, 0);
	sched_add(s, &t);
	sched_pause(s, 1000, "g", true);
	ck_assert_uint_eq(next_of(s, 0), 9);
	ck_assert_uint_eq(next_of(s, 0), 0);
}
END_TEST

START_TEST(turns)
{
	sched_parallel(s, 1000, "a", 8);
	sched_parallel(s, 1000, "b", 8);
	for (uint64_t id = 1; id <= 4; id++)
		add(id, id <= 2 ? "a" : "b", 0, 0, NULL, 0);
	ck_assert_uint_eq(next_of(s, 0), 1);
	ck_assert_uint_eq(next_of(s, 0), 3);
	ck_assert_uint_eq(next_of(s, 0), 2);
	ck_assert_uint_eq(next_of(s, 0), 4);
}
END_TEST

START_TEST(after)
{
	static const uint64_t one[] = { 1, 1, 77 }, both[] = { 1, 2 };

	add(1, "g", 0, 0, NULL, 0);
	add(2, "g", 0, 0, one, 3);
	add(3, "g", 0, 0, both, 2);
	ck_assert_uint_eq(next_of(s, 0), 1);
	ck_assert_uint_eq(next_of(s, 0), 0);
	end(1, true);
	ck_assert_uint_eq(next_of(s, 0), 2);
	ck_assert_uint_eq(next_of(s, 0), 0);
	end(2, true);
	ck_assert_uint_eq(next_of(s, 0), 3);
	end(3, true);
	ck_assert_uint_eq(sched_count(s), 0);
}
END_TEST

START_TEST(after_failed)
{
	static const uint64_t one[] = { 1 }, both[] = { 1, 2 };

	add(1, "g", 0, 0, NULL, 0);
	add(2, "g", 0, 0, NULL, 0);
	add(3, "g", 0, 0, one, 1);
	add(4, "g", 0, 0, both, 2);
	end(1, false);
	ck_assert_uint_eq(nfailed, 2);
	ck_assert_uint_eq(failed[0], 3);
	ck_assert_uint_eq(failed[1], 4);
	/* The caller is still at ending them. */
	sched_stopped(s, 3);
	end(2, true);
	ck_assert_uint_eq(nfailed, 0);
	ck_assert_uint_eq(next_of(s, 0), 0);
	end(4, false);
	end(3, false);
	ck_assert_uint_eq(sched_count(s), 0);
}
END_TEST

START_TEST(delay)
{
	add(1, "g", 0, 500, NULL, 0);
	add(2, "g", 0, 300, NULL, 0);
	ck_assert_int_eq(sched_due(s), 300);
	ck_assert_uint_eq(next_of(s, 299), 0);
	ck_assert_uint_eq(next_of(s, 300), 2);
	ck_assert_int_eq(sched_due(s), 500);
	sched_again(s, 2, 900);
	ck_assert_uint_eq(next_of(s, 600), 1);
	ck_assert_int_eq(sched_due(s), 900);
	sched_stopped(s, 2);
	ck_assert_int_eq(sched_due(s), INT64_MAX);
}
END_TEST

START_TEST(backoff)
{
	static const int64_t want[] = { 1000, 2000, 4000, 8000, 16000, 32000,
		60000, 60000 };

	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(sched_backoff_ms(i + 1), want[i]);
	ck_assert_int_eq(sched_backoff_ms(4000000000U), 60000);
}
END_TEST

/* --- a model: the same rules, each looked up anew --------------------------
 */

#define MODEL_TASKS 400
#define MODEL_AFTER 3

enum model_state {
	M_NONE,
	M_WAITS,
	M_RUNS,
	M_STOPPED,
	M_DONE,
	M_FAILED,
};

static struct model {
	enum model_state state;
	unsigned group;
	int32_t priority;
	int64_t not_before;
	uint64_t after[MODEL_AFTER];
	size_t nafter;
	bool doomed;
} m[MODEL_TASKS + 1];

static struct {
	int parallel;
	bool paused;
} mg[3];

static const char *const names[] = { "a", "b", SCHED_DETACHED };
static unsigned seed;

static unsigned
dice(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static int
model_running(unsigned g)
{
	int n = 0;

	for (size_t i = 1; i <= MODEL_TASKS; i++)
		n += m[i].state == M_RUNS && m[i].group == g;
	return n;
}

static bool
model_blocked(const struct model *t)
{
	for (size_t i = 0; i < t->nafter; i++) {
		const struct model *by = &m[t->after[i]];

		if (by->state != M_DONE && by->state != M_NONE)
			return true;
	}
	return false;
}

static bool
model_may(size_t id, int64_t now)
{
	const struct model *t = &m[id];
	int n = mg[t->group].parallel;

	if (n == 0)
		n = t->group == 2 ? SCHED_UNLIMITED : 2;
	return t->state == M_WAITS && !t->doomed && !model_blocked(t) &&
	       t->not_before <= now && !mg[t->group].paused &&
	       model_running(t->group) < n;
}

/* What the scheduler chose must be allowed, and the best of its group. */
static void
model_check_next(uint64_t id, int64_t now)
{
	for (size_t i = 1; i <= MODEL_TASKS; i++) {
		if (!model_may(i, now))
			continue;
		ck_assert_msg(id != 0, "task %zu could run", i);
		if (m[i].group == m[id].group)
			ck_assert(m[i].priority < m[id].priority ||
				  (m[i].priority == m[id].priority && i >= id));
	}
	if (id != 0)
		ck_assert(model_may(id, now));
}

static void
model_on_failed(void *arg, uint64_t id)
{
	(void)arg;
	ck_assert(m[id].state == M_WAITS);
	m[id].doomed = true;
}

static void
model_add(uint64_t id, int64_t now)
{
	struct model *t = &m[id];
	struct sched_task st = { id, 1, NULL, 0, 0, t->after, 0 };

	t->state = M_WAITS;
	t->group = dice(3);
	t->priority = (int32_t)dice(3) - 1;
	t->not_before = dice(4) == 0 ? now + (int64_t)dice(86400) * 1000 : 0;
	for (t->nafter = 0; id > 1 && t->nafter < dice(MODEL_AFTER + 1);
	     t->nafter++) {
		uint64_t by = 1 + dice((unsigned)id - 1);

		/* A failed one would never be given to the scheduler. */
		if (m[by].state == M_FAILED || m[by].doomed)
			break;
		t->after[t->nafter] = by;
	}
	st.nafter = t->nafter;
	st.group = names[t->group];
	st.priority = t->priority;
	st.not_before = t->not_before;
	sched_add(s, &st);
}

static void
model_end(uint64_t id, bool ok)
{
	m[id].state = ok ? M_DONE : M_FAILED;
	sched_end(s, id, ok, model_on_failed, NULL);
}

static void
model_change(uint64_t id, int64_t now)
{
	struct model *t = &m[id];

	if (t->doomed && t->state == M_WAITS) {
		model_end(id, false);
	} else if (t->state == M_RUNS && dice(4) == 0) {
		t->state = M_STOPPED;
		sched_stopped(s, id);
	} else if ((t->state == M_RUNS || t->state == M_STOPPED) &&
		   dice(3) == 0) {
		t->state = M_WAITS;
		t->not_before = now + sched_backoff_ms(1 + dice(9));
		sched_again(s, id, t->not_before);
	} else if (t->state == M_RUNS || t->state == M_STOPPED) {
		model_end(id, dice(10) != 0);
	} else if (t->state == M_WAITS && dice(40) == 0) {
		model_end(id, false); /* cancelled */
	}
}

static void
model_group(void)
{
	unsigned g = dice(3);

	mg[g].paused = dice(4) == 0;
	mg[g].parallel = (int)dice(4);
	sched_pause(s, 1, names[g], mg[g].paused);
	sched_parallel(s, 1, names[g], mg[g].parallel);
}

static void
model_run(void)
{
	int64_t now = 1;
	uint64_t added = 0, id;

	memset(m, 0, sizeof m);
	memset(mg, 0, sizeof mg);
	/* Ten years of it, in steps of up to a day and a half. */
	for (int step = 0; step < 5000; step++) {
		now += (int64_t)dice(2 * 65536) * 1000;
		if (added < MODEL_TASKS && dice(8) == 0)
			model_add(++added, now);
		if (dice(50) == 0)
			model_group();
		if (added > 0)
			model_change(1 + dice((unsigned)added), now);
		do {
			id = next_of(s, now);
			model_check_next(id, now);
			m[id].state = id != 0 ? M_RUNS : M_NONE;
		} while (id != 0);
		ck_assert_int_gt(sched_due(s), now);
	}
}

START_TEST(model)
{
	for (unsigned i = 0; i < 5; i++) {
		seed = i * 7919 + 1;
		sched_free(s);
		s = sched_new(2);
		model_run();
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sched");
	TCase *tc = tcase_create("sched");
	SRunner *sr;
	int bad;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, fifo_and_places);
	tcase_add_test(tc, priority);
	tcase_add_test(tc, groups);
	tcase_add_test(tc, slots);
	tcase_add_test(tc, uids);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, after);
	tcase_add_test(tc, after_failed);
	tcase_add_test(tc, delay);
	tcase_add_test(tc, take);
	tcase_add_test(tc, backoff);
	tcase_add_test(tc, model);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
