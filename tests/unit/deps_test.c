/*
 * deps_test - random graphs, random histories.
 *
 * A model of an engine, with one slot a program, asks deps.c what it may do;
 * what deps.c must not get wrong is looked at without it, from the states and
 * the edges alone.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "engine/deps.h"

#define NODES  12
#define GRAPHS 10000
#define EVENTS 60

/* Check notes each assertion down in a file, which is too slow for millions. */
#define MUST(cond, ...)                                                        \
	do {                                                                   \
		if (!(cond))                                                   \
			ck_abort_msg(__VA_ARGS__);                             \
	} while (0)

enum state {
	STOPPED,
	STARTING,
	RUNNING,
	BACKOFF,
	STOPPING,
	EXITED,
	FATAL,
};

struct prog {
	enum state state;
	bool wanted;
	bool again; /* a restart: down, and then up */
	bool held;  /* told to stop, and waits for others */
	bool oneshot;
	bool good; /* its last end was as it should be */
};

static struct prog prog[NODES];
static struct deps deps;
static size_t n;
static bool stopping;
static uint64_t seed, rnd;

static unsigned
roll(unsigned below)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (unsigned)(rnd >> 33) % below;
}

/* --- what must hold, without deps.c ------------------------------------------
 */

static bool
has_process(size_t i)
{
	return prog[i].state == STARTING || prog[i].state == RUNNING ||
	       prog[i].state == STOPPING;
}

static bool
is_done(size_t i)
{
	return prog[i].state == EXITED && prog[i].good && !prog[i].wanted;
}

static bool
is_so(const struct deps_edge *e)
{
	const struct prog *p = &prog[e->to];

	if (is_done(e->to))
		return true;
	if (!p->wanted && !p->again)
		return false;
	if (e->condition == CONDITION_STARTED)
		return p->state == STARTING || p->state == RUNNING;
	return e->condition == CONDITION_READY && p->state == RUNNING;
}

static bool
all_so(size_t i)
{
	for (size_t k = 0; k < deps.v[i].nedges; k++)
		if (!is_so(&deps.v[i].edges[k]))
			return false;
	return true;
}

/* Is something that it is bound to, however far, down for good? */
static bool
bond_broken(size_t i)
{
	for (size_t k = 0; k < deps.v[i].nedges; k++) {
		const struct deps_edge *e = &deps.v[i].edges[k];
		const struct prog *p = &prog[e->to];

		if (e->bind &&
		    ((!is_done(e->to) &&
			 ((!p->wanted && !p->again) || p->state == FATAL)) ||
			bond_broken(e->to)))
			return true;
	}
	return false;
}

static void
check_start(size_t i)
{
	MUST(all_so(i), "seed %llu: %zu starts too early",
	    (unsigned long long)seed, i);
	MUST(!stopping, "seed %llu: %zu starts at the end",
	    (unsigned long long)seed, i);
	MUST(!has_process(i), "seed %llu: %zu starts twice",
	    (unsigned long long)seed, i);
}

/* On its own: who must go too is down.  At the end: all who depend on it. */
static void
check_stop(size_t i)
{
	for (size_t u = 0; u < n; u++)
		for (size_t k = 0; k < deps.v[u].nedges; k++) {
			if (deps.v[u].edges[k].to != i || !has_process(u))
				continue;
			MUST(!stopping && !bond_broken(u) &&
				 (prog[u].wanted || prog[u].again),
			    "seed %llu: %zu stops before %zu",
			    (unsigned long long)seed, i, u);
		}
}

static void
check_rest(void)
{
	for (size_t i = 0; i < n && !stopping; i++) {
		const struct prog *p = &prog[i];

		if (p->state == STOPPED && p->wanted)
			MUST(!all_so(i) || bond_broken(i),
			    "seed %llu: %zu waits for nothing",
			    (unsigned long long)seed, i);
		if (bond_broken(i) && p->wanted)
			MUST(p->state != BACKOFF,
			    "seed %llu: %zu is tried, but bound",
			    (unsigned long long)seed, i);
	}
}

/* --- the engine ------------------------------------------------------------
 */

static void
look(void)
{
	for (size_t i = 0; i < n; i++) {
		struct deps_node *nd = &deps.v[i];
		const struct prog *p = &prog[i];
		bool wanted = p->wanted || p->again;

		nd->wanted = wanted;
		nd->up = has_process(i);
		nd->over = !wanted || p->state == FATAL;
		nd->started =
		    wanted && (p->state == STARTING || p->state == RUNNING);
		nd->ready = wanted && p->state == RUNNING;
		nd->done = is_done(i);
	}
}

static void
try_start(size_t i)
{
	look();
	prog[i].state = STOPPED; /* from EXITED, BACKOFF: it waits */
	if (stopping || deps_waits(&deps, i) != NULL ||
	    deps_lost(&deps, i) != NULL)
		return;
	check_start(i);
	prog[i].state = STARTING;
}

static void
send_stop(size_t i)
{
	if (prog[i].state == BACKOFF) {
		prog[i].state = STOPPED;
		return;
	}
	if (prog[i].state != STARTING && prog[i].state != RUNNING)
		return;
	check_stop(i);
	prog[i].state = STOPPING;
	prog[i].held = false;
}

static void
try_stop(size_t i)
{
	look();
	prog[i].held = !prog[i].wanted && !stopping && has_process(i) &&
		       prog[i].state != STOPPING && !deps_may_stop(&deps, i);
	if (!prog[i].held)
		send_stop(i);
}

static bool
progress_one(size_t i)
{
	struct prog *p = &prog[i];
	enum state old = p->state;

	look();
	if (p->held) {
		try_stop(i);
	} else if (p->wanted && deps_lost(&deps, i) != NULL) {
		if (p->state == BACKOFF || deps_may_stop(&deps, i))
			send_stop(i);
	} else if (p->wanted && p->state == STOPPED) {
		try_start(i);
	}
	return p->state != old;
}

static void
progress(void)
{
	bool any = !stopping;

	for (int turns = 0; any; turns++) {
		MUST(
		    turns < 100, "seed %llu: no end", (unsigned long long)seed);
		any = false;
		for (size_t i = 0; i < n; i++)
			any = progress_one(i) || any;
	}
	check_rest();
}

static void
order_start(size_t i)
{
	struct prog *p = &prog[i];

	look();
	p->wanted = true;
	p->held = false;
	for (size_t k = 0; k < deps.v[i].nedges; k++) {
		const struct deps_edge *e = &deps.v[i].edges[k];

		if (!deps_holds(&deps, e))
			order_start(e->to);
	}
	if (p->state == STOPPED || p->state == EXITED || p->state == FATAL ||
	    p->state == BACKOFF)
		try_start(i);
}

static void
order_stop(size_t i)
{
	prog[i].wanted = prog[i].again = false;
	if (prog[i].state == EXITED || prog[i].state == FATAL)
		prog[i].state = STOPPED;
	try_stop(i);
}

static void
order_restart(size_t i)
{
	if (!has_process(i)) {
		order_start(i);
		return;
	}
	prog[i].wanted = false;
	prog[i].again = true;
	try_stop(i);
}

/* Its process has ended by itself. */
static void
dies(size_t i, bool good)
{
	struct prog *p = &prog[i];
	bool young = p->state == STARTING;

	p->good = good;
	p->state = EXITED;
	p->held = false;
	if (p->oneshot && good)
		p->wanted = false;
	else if (!p->wanted)
		p->state = p->again ? STOPPED : EXITED;
	else if (young)
		p->state = BACKOFF;
	else
		try_start(i);
	if (p->again) {
		p->again = false;
		p->wanted = true;
		p->state = STOPPED;
	}
}

static void
ends(size_t i)
{
	prog[i].state = STOPPED;
	prog[i].good = false;
	if (prog[i].again) {
		prog[i].again = false;
		prog[i].wanted = true;
	}
	if (prog[i].wanted)
		try_start(i);
}

/* What happens to a process, or does not. */
static void
world(size_t i)
{
	switch (prog[i].state) {
	case STARTING:
		if (roll(3) == 0)
			dies(i, prog[i].oneshot && roll(2) == 0);
		else
			prog[i].state = RUNNING;
		return;
	case RUNNING:
		if (roll(2) == 0)
			dies(i, prog[i].oneshot);
		return;
	case BACKOFF:
		if (roll(3) == 0)
			prog[i].state = FATAL;
		else
			try_start(i);
		return;
	case STOPPING:
		ends(i);
		return;
	case STOPPED:
	case EXITED:
	case FATAL:
		return;
	}
}

/* --- graphs and histories --------------------------------------------------
 */

static void
new_graph(void)
{
	deps_fini(&deps);
	deps_init(&deps, n);
	for (size_t i = 1; i < n; i++)
		for (unsigned k = roll(4); k > 0; k--) {
			struct deps_edge e = { .to = roll((unsigned)i) };

			e.bind = roll(4) == 0;
			e.condition = e.bind ? CONDITION_READY
					     : (enum config_condition)roll(3);
			if (e.condition == CONDITION_DONE &&
			    !prog[e.to].oneshot)
				e.condition = CONDITION_READY;
			deps_add(&deps, i, &e);
		}
}

/* What is not in a record is lost; what is wanted is acted on again. */
static void
new_engine(void)
{
	for (size_t i = 0; i < n; i++) {
		prog[i].held = false;
		if (!prog[i].wanted && prog[i].state != STOPPING &&
		    has_process(i))
			try_stop(i);
	}
}

static void
event(void)
{
	size_t i = roll((unsigned)n);

	switch (roll(12)) {
	case 0:
	case 1:
		order_start(i);
		break;
	case 2:
		order_stop(i);
		break;
	case 3:
		order_restart(i);
		break;
	case 4:
		if (roll(4) == 0)
			new_graph();
		break;
	case 5:
		new_engine();
		break;
	default:
		world(i);
		break;
	}
	progress();
}

/* All is well, and everybody wanted: then all are up. */
static void
check_no_wedge(void)
{
	bool quiet;

	for (size_t i = 0; i < n; i++)
		order_start(i);
	for (size_t turn = 0; turn < 4 * n; turn++) {
		for (size_t i = 0; i < n; i++) {
			if (prog[i].state == STOPPING)
				ends(i);
			else if (prog[i].state == BACKOFF)
				try_start(i);
			else if (prog[i].state == STARTING)
				prog[i].state = RUNNING;
			else if (prog[i].state == RUNNING && prog[i].oneshot)
				dies(i, true);
			progress();
		}
	}
	for (size_t i = 0; i < n; i++) {
		quiet = prog[i].oneshot ? is_done(i) : prog[i].state == RUNNING;
		MUST(quiet, "seed %llu: %zu is not up: %d",
		    (unsigned long long)seed, i, (int)prog[i].state);
	}
}

/* As order.c does it; in as few turns as the longest chain and more. */
static void
check_shutdown(void)
{
	bool up[NODES], below[NODES], any = true;

	stopping = true;
	for (size_t turn = 0; any; turn++) {
		MUST(turn <= n + 1, "seed %llu: no end",
		    (unsigned long long)seed);
		any = false;
		for (size_t i = 0; i < n; i++)
			if (prog[i].state == STOPPING)
				prog[i].state = STOPPED;
		for (size_t i = 0; i < n; i++)
			any = (up[i] = has_process(i)) || any;
		deps_below(&deps, up, below);
		for (size_t i = 0; i < n; i++) {
			prog[i].wanted = prog[i].again = false;
			if (!below[i])
				send_stop(i);
		}
	}
	stopping = false;
}

START_TEST(random_graphs_and_histories)
{
	for (seed = 1; seed <= GRAPHS; seed++) {
		rnd = seed * 0x9e3779b97f4a7c15ULL;
		n = 2 + roll(NODES - 1);
		memset(prog, 0, sizeof prog);
		for (size_t i = 0; i < n; i++)
			prog[i].oneshot = roll(4) == 0;
		new_graph();
		for (size_t i = 0; i < n; i++)
			if (roll(3) != 0)
				order_start(i);
		for (int e = 0; e < EVENTS; e++)
			event();
		check_no_wedge();
		for (unsigned e = roll(20); e > 0; e--)
			event();
		check_shutdown();
	}
	deps_fini(&deps);
}
END_TEST

/* --- by hand ---------------------------------------------------------------
 */

static void
edge(size_t from, size_t to, enum config_condition c, bool bind)
{
	struct deps_edge e = { to, c, bind };

	deps_add(&deps, from, &e);
}

START_TEST(what_a_condition_means)
{
	static const struct {
		bool started, ready, done;
		const char *holds; /* of started, ready, done */
	} rows[] = {
		{ false, false, false, "---" },
		{ true, false, false, "s--" },
		{ true, true, false, "sr-" },
		{ false, false, true, "srd" },
	};
	char got[4] = "---";

	deps_init(&deps, 2);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct deps_edge e = { .to = 0 };

		deps.v[0].started = rows[i].started;
		deps.v[0].ready = rows[i].ready;
		deps.v[0].done = rows[i].done;
		for (int c = 0; c < 3; c++) {
			e.condition = (enum config_condition)c;
			got[c] = deps_holds(&deps, &e) ? "srd"[c] : '-';
		}
		ck_assert_str_eq(got, rows[i].holds);
	}
	deps_fini(&deps);
}
END_TEST

START_TEST(nobody_never_holds)
{
	deps_init(&deps, 1);
	edge(0, DEPS_NOBODY, CONDITION_STARTED, true);
	ck_assert_ptr_eq(deps_waits(&deps, 0), &deps.v[0].edges[0]);
	ck_assert_ptr_eq(deps_lost(&deps, 0), &deps.v[0].edges[0]);
	deps_fini(&deps);
}
END_TEST

START_TEST(below_goes_all_the_way)
{
	bool from[5] = { false, false, true, false, false }, below[5];

	/* 3 -> 2 -> 1 -> 0, and 4 alone */
	deps_init(&deps, 5);
	edge(1, 0, CONDITION_READY, false);
	edge(2, 1, CONDITION_READY, false);
	edge(3, 2, CONDITION_READY, false);
	deps_below(&deps, from, below);
	ck_assert(below[0] && below[1]);
	ck_assert(!below[2] && !below[3] && !below[4]);
	ck_assert(deps_reaches(&deps, 3, 0));
	ck_assert(!deps_reaches(&deps, 0, 3));
	deps_fini(&deps);
}
END_TEST

START_TEST(a_bond_breaks_through_others)
{
	/* 2 bound to 1 bound to 0 */
	deps_init(&deps, 3);
	edge(1, 0, CONDITION_READY, true);
	edge(2, 1, CONDITION_READY, true);
	for (size_t i = 0; i < 3; i++)
		deps.v[i].wanted = deps.v[i].up = deps.v[i].ready = true;
	ck_assert_ptr_null(deps_lost(&deps, 2));
	deps.v[0].over = true;
	deps.v[0].wanted = false;
	ck_assert_ptr_nonnull(deps_lost(&deps, 2));
	ck_assert(deps_may_stop(&deps, 2));
	ck_assert(!deps_may_stop(&deps, 1));
	ck_assert(!deps_may_stop(&deps, 0));
	deps.v[2].up = false;
	ck_assert(deps_may_stop(&deps, 1));
	deps.v[1].up = false;
	ck_assert(deps_may_stop(&deps, 0));
	deps_fini(&deps);
}
END_TEST

/* There are 2^60 ways from the top to the bottom. */
START_TEST(a_lattice_of_bonds_is_looked_at_once)
{
	const size_t top = 2 * 60;

	deps_init(&deps, top + 2);
	for (size_t i = 2; i < top + 2; i++) {
		edge(i, (i & ~(size_t)1) - 2, CONDITION_READY, true);
		edge(i, (i & ~(size_t)1) - 1, CONDITION_READY, true);
	}
	for (size_t i = 0; i < top + 2; i++)
		deps.v[i].wanted = deps.v[i].up = deps.v[i].ready = true;
	ck_assert_ptr_null(deps_lost(&deps, top));
	ck_assert(deps_may_stop(&deps, 0));
	deps.v[1].over = true;
	ck_assert_ptr_eq(deps_lost(&deps, top), &deps.v[top].edges[0]);
	ck_assert_ptr_eq(deps_lost(&deps, 2), &deps.v[2].edges[1]);
	ck_assert_ptr_null(deps_lost(&deps, 1));
	ck_assert(!deps_may_stop(&deps, 0));
	deps_fini(&deps);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deps");
	TCase *tc = tcase_create("deps");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_a_condition_means);
	tcase_add_test(tc, nobody_never_holds);
	tcase_add_test(tc, below_goes_all_the_way);
	tcase_add_test(tc, a_bond_breaks_through_others);
	tcase_add_test(tc, a_lattice_of_bonds_is_looked_at_once);
	tcase_add_test(tc, random_graphs_and_histories);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
