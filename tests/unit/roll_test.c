/*
 * roll_test - the roll as tables of what it says, and against a model.
 *
 * A table row feeds events, a letter and a slot each ("r0" ready, "f0"
 * failed, "g0" gone, "s" soaked, "d0" dropped, "a" abort), and compares the
 * trace of ops: "+0" replace, "-0" retire, "x0" discard, "~5" soak 5 ms.
 */
#include "cluster/roll.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* --- tables -------------------------------------------------------------- */

struct trace {
	struct roll *r;
	struct buf ops;
	struct buf moves;
	int ends;
};

static void
trace_replace(void *arg, int slot)
{
	struct trace *t = arg;

	buf_addf(&t->ops, "+%d ", slot);
}

static void
trace_retire(void *arg, int slot)
{
	struct trace *t = arg;

	buf_addf(&t->ops, "-%d ", slot);
}

static void
trace_discard(void *arg, int slot)
{
	struct trace *t = arg;

	buf_addf(&t->ops, "x%d ", slot);
}

static void
trace_soak(void *arg, int64_t ms)
{
	struct trace *t = arg;

	buf_addf(&t->ops, "~%d ", (int)ms);
}

static void
trace_moved(void *arg, int slot, enum roll_phase phase)
{
	struct trace *t = arg;

	ck_assert_int_eq(roll_phase_of(t->r, slot), phase);
	buf_addf(&t->moves, "%d:%s ", slot, roll_phase_name(phase));
}

static void
trace_end(void *arg, enum roll_end end, const char *reason)
{
	struct trace *t = arg;

	t->ends++;
	buf_addf(&t->ops, "%s%s%s ", end == ROLL_DONE ? "done" : "aborted",
	    reason[0] != '\0' ? ":" : "", reason);
}

static const struct roll_ops trace_ops = {
	.replace = trace_replace,
	.retire = trace_retire,
	.discard = trace_discard,
	.soak = trace_soak,
	.moved = trace_moved,
	.end = trace_end,
};

static void
trace_feed(struct trace *t, const char *events)
{
	for (const char *p = events; *p != '\0'; p++) {
		int slot = p[1] >= '0' && p[1] <= '9' ? p[1] - '0' : -1;

		if (*p == 'r')
			roll_ready(t->r, slot);
		else if (*p == 'f')
			roll_failed(t->r, slot, "why");
		else if (*p == 'g')
			roll_gone(t->r, slot);
		else if (*p == 'd')
			roll_drop(t->r, slot);
		else if (*p == 's')
			roll_soaked(t->r);
		else if (*p == 'a')
			roll_abort(t->r, "order");
	}
}

static const struct {
	struct roll_params params; /* nslots batch surge soak */
	const char *events;
	const char *ops;
} rows[] = {
	/* one at a time, new before old */
	{ { 2, 1, 1, 0 }, "", "+0 " },
	{ { 2, 1, 1, 0 }, "r0", "+0 -0 " },
	{ { 2, 1, 1, 0 }, "r0 g0", "+0 -0 +1 " },
	{ { 2, 1, 1, 0 }, "r0 g0 r1 g1", "+0 -0 +1 -1 done " },
	/* old before new */
	{ { 2, 1, 0, 0 }, "", "-0 " },
	{ { 2, 1, 0, 0 }, "g0 r0", "-0 +0 -1 " },
	{ { 2, 1, 0, 0 }, "g0 r0 g1 r1", "-0 +0 -1 +1 done " },
	/* nothing to roll */
	{ { 0, 1, 1, 0 }, "", "done " },
	/* the canary is alone, then batches, capped by surge */
	{ { 5, 2, 2, 0 }, "", "+0 " },
	{ { 5, 2, 2, 0 }, "r0", "+0 -0 " },
	{ { 5, 2, 2, 0 }, "r0 g0", "+0 -0 +1 +2 " },
	{ { 5, 2, 2, 0 }, "r0 g0 r1 r2", "+0 -0 +1 +2 -1 -2 " },
	{ { 5, 2, 2, 0 }, "r0 g0 r1 r2 g2", "+0 -0 +1 +2 -1 -2 +3 " },
	{ { 4, 3, 1, 0 }, "r0 g0", "+0 -0 +1 " },
	{ { 4, 1, 3, 0 }, "r0 g0", "+0 -0 +1 " },
	{ { 4, 2, 0, 0 }, "g0 r0", "-0 +0 -1 -2 " },
	/* soak: the canary only */
	{ { 2, 1, 1, 5 }, "r0", "+0 ~5 " },
	{ { 2, 1, 1, 5 }, "r0 s", "+0 ~5 -0 " },
	{ { 2, 1, 1, 5 }, "r0 s g0 r1 g1", "+0 ~5 -0 +1 -1 done " },
	{ { 2, 1, 0, 5 }, "g0 r0", "-0 +0 ~5 " },
	{ { 2, 1, 0, 5 }, "g0 r0 s g1 r1", "-0 +0 ~5 -1 +1 done " },
	{ { 2, 1, 1, 5 }, "s r0", "+0 ~5 " },
	/* failures */
	{ { 2, 1, 1, 0 }, "f0", "+0 x0 aborted:why " },
	{ { 2, 1, 1, 0 }, "r0 g0 f1", "+0 -0 +1 x1 aborted:why " },
	{ { 2, 1, 1, 0 }, "r0 f0", "+0 -0 aborted:why " },
	{ { 2, 1, 1, 5 }, "r0 f0", "+0 ~5 ~0 x0 aborted:why " },
	{ { 2, 1, 0, 0 }, "g0 f0", "-0 +0 x0 aborted:why " },
	{ { 2, 1, 0, 5 }, "g0 r0 f0", "-0 +0 ~5 ~0 x0 aborted:why " },
	{ { 4, 2, 2, 0 }, "r0 g0 f2", "+0 -0 +1 +2 x1 x2 aborted:why " },
	{ { 4, 2, 2, 0 }, "r0 g0 r1 f2", "+0 -0 +1 +2 -1 x2 aborted:why " },
	/* orders */
	{ { 2, 1, 1, 0 }, "a", "+0 x0 aborted:order " },
	{ { 2, 1, 1, 0 }, "r0 a", "+0 -0 aborted:order " },
	{ { 2, 1, 0, 0 }, "a", "-0 aborted:order " },
	{ { 2, 1, 0, 5 }, "g0 r0 a", "-0 +0 ~5 ~0 aborted:order " },
	{ { 2, 1, 1, 5 }, "r0 a", "+0 ~5 ~0 x0 aborted:order " },
	/* news that do not fit are ignored */
	{ { 2, 1, 1, 0 }, "g0 r1 g1 f1 s", "+0 " },
	{ { 2, 1, 1, 0 }, "r0 r0 g0 g0 r0 f0", "+0 -0 +1 " },
	{ { 2, 1, 0, 0 }, "r0 f0 s", "-0 " },
	{ { 1, 1, 1, 0 }, "f0 f0 r0 a", "+0 x0 aborted:why " },
	/* dropped slots */
	{ { 2, 1, 1, 0 }, "d1 r0 g0", "+0 -0 done " },
	{ { 2, 1, 1, 0 }, "d0", "+0 +1 " },
	{ { 3, 2, 2, 0 }, "d0", "+0 +1 " },
	{ { 2, 1, 1, 5 }, "r0 d0", "+0 ~5 ~0 +1 " },
	{ { 2, 1, 1, 0 }, "d0 d1", "+0 +1 done " },
	{ { 2, 1, 1, 0 }, "r0 d0 f1", "+0 -0 +1 x1 aborted:why " },
};

START_TEST(roll_says_what_the_table_says)
{
	struct trace t = { 0 };

	t.r = roll_new(&rows[_i].params, NULL, &trace_ops, &t);
	ck_assert_str_eq(buf_str(&t.ops), "");
	roll_start(t.r);
	roll_start(t.r);
	trace_feed(&t, rows[_i].events);
	ck_assert_msg(strcmp(buf_str(&t.ops), rows[_i].ops) == 0,
	    "row %d, events '%s': got '%s', want '%s'", _i, rows[_i].events,
	    buf_str(&t.ops), rows[_i].ops);
	ck_assert_int_eq(t.ends, strstr(rows[_i].ops, "done") != NULL ||
				     strstr(rows[_i].ops, "aborted") != NULL);
	roll_free(t.r);
	buf_fini(&t.ops);
	buf_fini(&t.moves);
}
END_TEST

static const struct {
	struct roll_params params;
	const char *events;
	const char *moves;
	int progress;
} move_rows[] = {
	{ { 1, 1, 1, 0 }, "r0 g0", "0:starting 0:retiring 0:new ", 1 },
	{ { 1, 1, 1, 9 }, "r0 s g0", "0:starting 0:soaking 0:retiring 0:new ",
	    1 },
	{ { 1, 1, 0, 9 }, "g0 r0 s", "0:retiring 0:starting 0:soaking 0:new ",
	    1 },
	{ { 2, 1, 1, 0 }, "f0", "0:starting 0:old ", 0 },
	{ { 2, 1, 1, 0 }, "r0 a", "0:starting 0:retiring 0:new ", 1 },
	{ { 2, 1, 0, 0 }, "a", "0:retiring 0:old ", 0 },
	{ { 2, 1, 0, 9 }, "g0 r0 a", "0:retiring 0:starting 0:soaking 0:new ",
	    1 },
	{ { 2, 1, 1, 0 }, "d1", "0:starting ", 1 },
};

START_TEST(roll_tells_phases)
{
	struct trace t = { 0 };

	t.r = roll_new(&move_rows[_i].params, NULL, &trace_ops, &t);
	roll_start(t.r);
	trace_feed(&t, move_rows[_i].events);
	ck_assert_str_eq(buf_str(&t.moves), move_rows[_i].moves);
	ck_assert_int_eq(roll_progress(t.r), move_rows[_i].progress);
	roll_free(t.r);
	buf_fini(&t.ops);
	buf_fini(&t.moves);
}
END_TEST

#define O ROLL_OLD
#define S ROLL_STARTING
#define K ROLL_SOAKING
#define R ROLL_RETIRING
#define N ROLL_NEW

static const struct {
	struct roll_params params;
	enum roll_phase phases[4];
	const char *events;
	const char *ops;
} resume_rows[] = {
	{ { 4, 2, 2, 0 }, { O, O, O, O }, "", "+0 " },
	{ { 4, 2, 2, 0 }, { N, O, O, O }, "", "+1 +2 " },
	{ { 4, 2, 2, 0 }, { S, O, O, O }, "r0", "-0 " },
	{ { 4, 2, 2, 0 }, { S, O, O, O }, "f0", "x0 aborted:why " },
	{ { 4, 2, 2, 0 }, { R, O, O, O }, "", "+1 " },
	{ { 4, 2, 0, 0 }, { R, O, O, O }, "g0", "+0 " },
	{ { 4, 2, 2, 0 }, { N, S, R, O }, "", "" },
	{ { 4, 2, 2, 0 }, { N, S, R, O }, "g2", "+3 " },
	{ { 4, 1, 1, 7 }, { K, O, O, O }, "", "~7 " },
	{ { 4, 1, 1, 7 }, { K, O, O, O }, "s", "~7 -0 " },
	{ { 4, 1, 1, 0 }, { K, O, O, O }, "", "-0 " },
	{ { 4, 1, 1, 7 }, { K, O, O, O }, "f0", "~7 ~0 x0 aborted:why " },
	{ { 4, 2, 2, 0 }, { N, N, N, N }, "", "done " },
	/* under way beyond the limit: they end, nothing begins */
	{ { 4, 1, 1, 0 }, { S, S, S, O }, "r0 g0 r1 g1", "-0 -1 " },
	{ { 4, 1, 1, 0 }, { S, S, S, O }, "r0 g0 r1 g1 r2 g2", "-0 -1 -2 +3 " },
};

START_TEST(roll_goes_on_after_a_restart)
{
	struct trace t = { 0 };

	t.r = roll_new(
	    &resume_rows[_i].params, resume_rows[_i].phases, &trace_ops, &t);
	roll_start(t.r);
	trace_feed(&t, resume_rows[_i].events);
	ck_assert_msg(strcmp(buf_str(&t.ops), resume_rows[_i].ops) == 0,
	    "row %d: got '%s', want '%s'", _i, buf_str(&t.ops),
	    resume_rows[_i].ops);
	roll_free(t.r);
	buf_fini(&t.ops);
	buf_fini(&t.moves);
}
END_TEST

START_TEST(roll_keeps_news_until_start)
{
	static const struct roll_params params = { 2, 1, 1, 0 };
	static const enum roll_phase phases[] = { R, O };
	struct trace t = { 0 };

	t.r = roll_new(&params, phases, &trace_ops, &t);
	roll_gone(t.r, 0);
	ck_assert_str_eq(buf_str(&t.ops), "");
	roll_start(t.r);
	ck_assert_str_eq(buf_str(&t.ops), "+1 ");
	roll_free(t.r);
	roll_free(NULL);
	buf_fini(&t.ops);
	buf_fini(&t.moves);
}
END_TEST

/* --- model --------------------------------------------------------------- */

enum model_old {
	OLD_SERVES,
	OLD_DRAINS,
	OLD_GONE
};
enum model_new {
	NEW_NONE,
	NEW_STARTS,
	NEW_SERVES
};

struct model_slot {
	enum model_old old;
	enum model_new new;
	bool dropped;
	bool replaced;
	bool retired;
	bool crashed; /* the new one, after it was ready */
};

/*
 * A program's instances, as a caller of roll would see them.  calm: nothing
 * is injected, so the roll must end done.
 */
struct model {
	struct roll *r;
	struct roll_params params;
	struct model_slot slot[12];
	uint64_t rng;
	uint64_t seed;
	bool calm;
	bool nested;   /* inside an op */
	bool aborting; /* told from outside an op: no old one is touched */
	bool discarded;
	bool soaking;
	bool one_through;
	int ends;
	enum roll_end end;
};

#define MODEL_ASSERT(m, cond)                                                  \
	ck_assert_msg(cond, "seed %llu (n %d batch %d surge %d): " #cond,      \
	    (unsigned long long)(m)->seed, (m)->params.nslots,                 \
	    (m)->params.batch, (m)->params.surge)

static unsigned
model_random(struct model *m, unsigned below)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return (unsigned)((m->rng >> 11) % below);
}

static void
model_check(struct model *m)
{
	int extra = 0, serving = 0, slots = 0, crashed = 0;

	for (int i = 0; i < m->params.nslots; i++) {
		const struct model_slot *s = &m->slot[i];

		if (s->dropped)
			continue;
		slots++;
		crashed += s->crashed;
		extra += (s->old != OLD_GONE) + (s->new != NEW_NONE) - 1;
		serving += s->old == OLD_SERVES || s->new == NEW_SERVES;
	}
	MODEL_ASSERT(m, extra <= m->params.surge);
	MODEL_ASSERT(
	    m, serving + crashed >=
		   slots - (m->params.surge == 0 ? m->params.batch : 0));
}

/* Before the first slot is through, only one that is still here is touched. */
static void
model_check_canary(struct model *m)
{
	int touched = 0;

	if (m->one_through)
		return;
	for (int i = 0; i < m->params.nslots; i++) {
		const struct model_slot *s = &m->slot[i];

		touched += !s->dropped && (s->replaced || s->retired);
	}
	MODEL_ASSERT(m, touched <= 1);
}

static void model_inject(struct model *m);

static void
model_maybe_nested(struct model *m)
{
	bool outer = m->nested;

	model_check(m);
	model_check_canary(m);
	m->nested = true;
	if (!outer && model_random(m, 4) == 0)
		model_inject(m);
	m->nested = outer;
}

static void
model_replace(void *arg, int slot)
{
	struct model *m = arg;
	struct model_slot *s = &m->slot[slot];

	MODEL_ASSERT(m, m->ends == 0 && !s->dropped && !s->replaced);
	MODEL_ASSERT(m, !m->aborting && !m->discarded);
	MODEL_ASSERT(m, (m->params.surge == 0) == (s->old == OLD_GONE));
	s->replaced = true;
	s->new = NEW_STARTS;
	model_maybe_nested(m);
}

static void
model_retire(void *arg, int slot)
{
	struct model *m = arg;
	struct model_slot *s = &m->slot[slot];

	MODEL_ASSERT(m, m->ends == 0 && !s->dropped && !s->retired);
	MODEL_ASSERT(m, !m->aborting && !m->discarded);
	MODEL_ASSERT(m, s->old == OLD_SERVES);
	MODEL_ASSERT(
	    m, m->params.surge == 0 || s->new == NEW_SERVES || s->crashed);
	s->retired = true;
	s->old = OLD_DRAINS;
	model_maybe_nested(m);
}

static void
model_discard(void *arg, int slot)
{
	struct model *m = arg;
	struct model_slot *s = &m->slot[slot];

	MODEL_ASSERT(m, m->ends == 0 && !s->dropped && s->replaced);
	s->new = NEW_NONE;
	m->discarded = true;
	model_maybe_nested(m);
}

static void
model_soak(void *arg, int64_t ms)
{
	struct model *m = arg;

	MODEL_ASSERT(m, m->ends == 0);
	MODEL_ASSERT(m, ms == 0 || ms == m->params.soak_ms);
	m->soaking = ms != 0;
	model_maybe_nested(m);
}

static void
model_moved(void *arg, int slot, enum roll_phase phase)
{
	struct model *m = arg;

	MODEL_ASSERT(m, m->ends == 0 && !m->slot[slot].dropped);
	if (phase == ROLL_NEW)
		m->one_through = true;
	model_maybe_nested(m);
}

static void
model_end(void *arg, enum roll_end end, const char *reason)
{
	struct model *m = arg;

	(void)reason;
	MODEL_ASSERT(m, m->ends == 0 && !m->soaking);
	m->ends++;
	m->end = end;
	model_maybe_nested(m);
}

static const struct roll_ops model_ops = {
	.replace = model_replace,
	.retire = model_retire,
	.discard = model_discard,
	.soak = model_soak,
	.moved = model_moved,
	.end = model_end,
};

static void
model_fail(struct model *m, int i)
{
	struct model_slot *s = &m->slot[i];

	if (s->new == NEW_NONE || m->calm)
		return;
	s->crashed |= s->new == NEW_SERVES;
	s->new = NEW_NONE;
	roll_failed(m->r, i, "failed");
}

/* What may happen to slot i next; false: nothing was due. */
static bool
model_go_on(struct model *m, int i)
{
	struct model_slot *s = &m->slot[i];

	if (s->dropped)
		return false;
	if (s->new == NEW_STARTS) {
		s->new = NEW_SERVES;
		roll_ready(m->r, i);
		return true;
	}
	if (s->old == OLD_DRAINS) {
		s->old = OLD_GONE;
		roll_gone(m->r, i);
		return true;
	}
	return false;
}

static void
model_drop(struct model *m, int i)
{
	if (m->calm)
		return;
	m->slot[i].dropped = true;
	roll_drop(m->r, i);
}

static void
model_abort(struct model *m)
{
	if (m->calm)
		return;
	m->aborting |= !m->nested;
	roll_abort(m->r, "order");
}

/* Something that does not fit, or that does, at any moment. */
static void
model_inject(struct model *m)
{
	int i = (int)model_random(m, (unsigned)m->params.nslots);

	switch (model_random(m, 16)) {
	case 0:
		if (m->slot[i].new == NEW_SERVES)
			roll_ready(m->r, i); /* once more */
		break;
	case 1:
		if (roll_phase_of(m->r, i) == ROLL_OLD && !m->slot[i].dropped)
			roll_ready(m->r, i); /* not asked for */
		break;
	case 2:
		model_fail(m, i);
		break;
	case 3:
		model_drop(m, i);
		break;
	case 4:
		if (model_random(m, 4) == 0)
			model_abort(m);
		break;
	default:
		model_go_on(m, i);
		break;
	}
}

static bool
model_step(struct model *m)
{
	int n = m->params.nslots, from;

	if (model_random(m, 3) == 0)
		model_inject(m);
	if (m->ends != 0)
		return true;
	if (m->soaking && model_random(m, 3) == 0) {
		m->soaking = false;
		roll_soaked(m->r);
		return true;
	}
	from = (int)model_random(m, (unsigned)n);
	for (int k = 0; k < n; k++) {
		if (model_go_on(m, (from + k) % n))
			return true;
	}
	return m->soaking;
}

static void
model_check_end(struct model *m)
{
	for (int i = 0; i < m->params.nslots; i++) {
		const struct model_slot *s = &m->slot[i];

		if (s->dropped)
			continue;
		if (m->end == ROLL_DONE)
			MODEL_ASSERT(
			    m, s->old == OLD_GONE &&
				   (s->new == NEW_SERVES || s->crashed));
		else
			MODEL_ASSERT(m, s->new != NEW_STARTS);
		MODEL_ASSERT(m, s->retired || s->old == OLD_SERVES);
	}
	MODEL_ASSERT(m, !m->calm || m->end == ROLL_DONE);
}

static void
model_run(uint64_t seed)
{
	struct model m = { .seed = seed, .rng = seed * 0x9e3779b97f4a7c15U };

	m.params.nslots = 1 + (int)model_random(&m, 12);
	m.params.batch = 1 + (int)model_random(&m, 4);
	m.params.surge = (int)model_random(&m, 4);
	m.params.soak_ms = model_random(&m, 2) * 50;
	m.calm = model_random(&m, 4) == 0;
	m.r = roll_new(&m.params, NULL, &model_ops, &m);
	roll_start(m.r);
	for (int steps = 0; m.ends == 0; steps++) {
		MODEL_ASSERT(&m, steps < 1000);
		MODEL_ASSERT(&m, model_step(&m) || m.ends != 0);
		model_check(&m);
	}
	model_check_end(&m);
	/* Late news of a roll that is over do nothing. */
	for (int i = 0; i < m.params.nslots; i++)
		model_go_on(&m, i);
	MODEL_ASSERT(&m, m.ends == 1);
	roll_free(m.r);
}

START_TEST(roll_keeps_its_promises)
{
	for (uint64_t seed = 1; seed <= 10000; seed++)
		model_run(seed);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("roll");
	TCase *tc = tcase_create("roll");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(
	    tc, roll_says_what_the_table_says, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(
	    tc, roll_tells_phases, 0, sizeof move_rows / sizeof move_rows[0]);
	tcase_add_loop_test(tc, roll_goes_on_after_a_restart, 0,
	    sizeof resume_rows / sizeof resume_rows[0]);
	tcase_add_test(tc, roll_keeps_news_until_start);
	tcase_add_test(tc, roll_keeps_its_promises);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
