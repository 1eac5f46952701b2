/*
 * child_test - the table of children, and reaping.
 *
 * Children are a script (sys_fake.h) but for one that never executes.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "../fake/sys_fake.h"
#include "base/fd.h"
#include "keeper/keeper_priv.h"

#define NOW 1234567

static struct child_table ct;

static void
setup(void)
{
	fake_reset();
	fake_children(true);
	child_table_init(&ct);
}

/* One that runs. */
static struct child *
test_child(uint64_t id, pid_t pid)
{
	struct child *c = child_new(&ct, id, "web.0#1");

	ck_assert_ptr_nonnull(c);
	child_started(&ct, c, pid, 1000);
	c->state = CHILD_ALIVE;
	fake_child_new(pid, -1);
	return c;
}

static void
test_free_all(void)
{
	struct child *c;

	while ((c = TAILQ_FIRST(&ct.all)) != NULL)
		child_free(&ct, c);
	ck_assert(TAILQ_EMPTY(&ct.dirty));
	ck_assert_uint_eq(ct.alive, 0);
	for (int i = 0; i < CHILD_BUCKETS; i++) {
		ck_assert(LIST_EMPTY(&ct.by_pid[i]));
		ck_assert(LIST_EMPTY(&ct.by_id[i]));
	}
}

static size_t
test_dirty(void)
{
	struct child *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &ct.dirty, dirty)
		n++;
	return n;
}

/* --- the table --------------------------------------------------------------
 */

START_TEST(found_by_id_and_by_pid)
{
	struct child *a = test_child(7, 100);
	/* In the same buckets. */
	struct child *b = test_child(7 + CHILD_BUCKETS, 100 + CHILD_BUCKETS);
	struct child *c = child_new(&ct, UINT64_MAX, "engine");

	ck_assert_ptr_eq(child_by_id(&ct, 7), a);
	ck_assert_ptr_eq(child_by_id(&ct, 7 + CHILD_BUCKETS), b);
	ck_assert_ptr_eq(child_by_id(&ct, UINT64_MAX), c);
	ck_assert_ptr_null(child_by_id(&ct, 8));
	ck_assert_ptr_null(child_by_id(&ct, 7 + 2 * CHILD_BUCKETS));
	ck_assert_ptr_eq(child_by_pid(&ct, 100), a);
	ck_assert_ptr_eq(child_by_pid(&ct, 100 + CHILD_BUCKETS), b);
	ck_assert_ptr_null(child_by_pid(&ct, 101));
	ck_assert_uint_eq(ct.alive, 2); /* c has no process yet */
	ck_assert_int_eq(c->state, CHILD_SPAWNING);
	ck_assert(!c->has_process);
	ck_assert_int_eq(a->started_ms, 1000);
	child_free(&ct, a);
	ck_assert_ptr_null(child_by_id(&ct, 7));
	ck_assert_ptr_eq(child_by_id(&ct, 7 + CHILD_BUCKETS), b);
	ck_assert_ptr_eq(TAILQ_FIRST(&ct.all), b); /* in order of creation */
	test_free_all();
}
END_TEST

START_TEST(a_long_label_is_cut)
{
	char label[SPEC_LABEL_MAX + 10];
	struct child *c;

	memset(label, 'x', sizeof label);
	label[sizeof label - 1] = '\0';
	c = child_new(&ct, 1, label);
	ck_assert_uint_eq(strlen(c->label), SPEC_LABEL_MAX);
	test_free_all();
}
END_TEST

START_TEST(marked_once_in_order)
{
	struct child *a = test_child(1, 100), *b = test_child(2, 101);

	child_mark(&ct, b);
	child_mark(&ct, a);
	child_mark(&ct, b);
	ck_assert_ptr_eq(TAILQ_FIRST(&ct.dirty), b);
	ck_assert_uint_eq(test_dirty(), 2);
	child_free(&ct, b); /* takes it out of the list */
	ck_assert_ptr_eq(TAILQ_FIRST(&ct.dirty), a);
	ck_assert_uint_eq(test_dirty(), 1);
	test_free_all();
}
END_TEST

START_TEST(nothing_is_left)
{
	int fds = fake_fd_count();

	for (int i = 0; i < 100; i++)
		test_child((uint64_t)i, 100 + i);
	for (int i = 0; i < 50; i++)
		fake_child_exit(100 + i, 0);
	child_reap(&ct, NOW);
	ck_assert_int_eq(fake_fd_count(), fds); /* one has no descriptor */
	test_free_all();
	ck_assert_int_eq(fake_fd_count(), fds);
}
END_TEST

/* --- signals ----------------------------------------------------------------
 */

START_TEST(signals_go_to_the_unreaped)
{
	struct child *c = test_child(1, 100);

	ck_assert_int_eq(child_signal(c, SIGTERM, false), 0);
	ck_assert_uint_eq(fake_sent_count(), 1);
	ck_assert_int_eq(fake_sent_get(0).pid, 100);
	ck_assert_int_eq(fake_sent_get(0).sig, SIGTERM);
	fake_fail(FAKE_KILL, 1, EPERM);
	ck_assert_int_eq(child_signal(c, SIGTERM, false), -1);
	ck_assert_int_eq(errno, EPERM);
	test_free_all();
}
END_TEST

START_TEST(signals_to_the_group)
{
	struct child *c = test_child(1, 100);

	ck_assert_int_eq(child_signal(c, SIGINT, true), 0);
	ck_assert_uint_eq(fake_sent_count(), 1);
	ck_assert_uint_eq(fake_sent_to(-100, SIGINT), 1);
	/* It has not made its session yet: itself, then. */
	fake_fail(FAKE_KILL, 1, ESRCH);
	ck_assert_int_eq(child_signal(c, SIGKILL, true), 0);
	ck_assert_uint_eq(fake_sent_to(100, SIGKILL), 1);
	test_free_all();
}
END_TEST

/* The number may be anybody's by now. */
START_TEST(the_dead_are_not_signalled)
{
	struct child *c = test_child(1, 100);
	struct child *unborn = child_new(&ct, 2, "web.1#1");

	fake_child_exit(100, 0);
	ck_assert_int_eq(child_signal(c, SIGTERM, true), 0); /* a zombie */
	child_reap(&ct, NOW);
	fake_sent_clear();
	for (int to_group = 0; to_group < 2; to_group++) {
		errno = 0;
		ck_assert_int_eq(child_signal(c, SIGTERM, to_group), -1);
		ck_assert_int_eq(errno, ESRCH);
		errno = 0;
		ck_assert_int_eq(child_signal(unborn, SIGTERM, to_group), -1);
		ck_assert_int_eq(errno, ESRCH);
	}
	ck_assert_uint_eq(fake_sent_count(), 0);
	test_free_all();
}
END_TEST

/* --- reaping ----------------------------------------------------------------
 */

START_TEST(nobody_is_dead)
{
	struct child *c = test_child(1, 100);

	child_reap(&ct, NOW);
	ck_assert_int_eq(c->state, CHILD_ALIVE);
	ck_assert_uint_eq(test_dirty(), 0);
	test_free_all();
	fake_reset();
	fake_children(true);
	child_reap(&ct, NOW); /* no children at all */
	ck_assert_uint_eq(ct.strangers, 0);
}
END_TEST

START_TEST(how_it_ended)
{
	struct child *c = test_child(1, 100), *k = test_child(2, 101);
	struct child *d = test_child(3, 102);

	fake_child_rss(100, 4321);
	fake_child_exit(100, 3);
	fake_child_killed(101, SIGTERM, false);
	fake_child_killed(102, SIGSEGV, true);
	child_reap(&ct, NOW);
	ck_assert_int_eq(c->state, CHILD_EXITED);
	ck_assert_int_eq(c->code, 3);
	ck_assert_int_eq(c->signo, 0);
	ck_assert(!c->core);
	ck_assert_int_eq(c->max_rss_kb, 4321);
	ck_assert_int_eq(c->died_ms, NOW);
	ck_assert_int_eq(k->code, 0);
	ck_assert_int_eq(k->signo, SIGTERM);
	ck_assert(!k->core);
	ck_assert_int_eq(d->signo, SIGSEGV);
	ck_assert(d->core);
	test_free_all();
}
END_TEST

START_TEST(kept_until_it_is_forgotten)
{
	struct child *c = test_child(1, 100);

	fake_child_exit(100, 3);
	child_reap(&ct, NOW);
	ck_assert(fake_child_reaped(100));
	ck_assert_ptr_null(child_by_pid(&ct, 100));
	ck_assert_ptr_eq(child_by_id(&ct, 1), c);
	ck_assert_int_eq(c->pid, 100); /* to be told of */
	ck_assert(!c->has_process);
	ck_assert_uint_eq(ct.alive, 0);
	ck_assert_uint_eq(test_dirty(), 1);
	/* The number comes again, for another one. */
	struct child *next = test_child(2, 100);

	ck_assert_ptr_eq(child_by_pid(&ct, 100), next);
	child_reap(&ct, NOW + 5);
	ck_assert_int_eq(c->died_ms, NOW);
	ck_assert_int_eq(c->code, 3);
	ck_assert_int_eq(next->state, CHILD_ALIVE);
	child_free(&ct, c);
	ck_assert_ptr_eq(child_by_pid(&ct, 100), next);
	ck_assert_uint_eq(ct.alive, 1);
	test_free_all();
}
END_TEST

START_TEST(all_the_dead_at_once)
{
	for (int i = 0; i < 1000; i++)
		test_child((uint64_t)i, 1000 + i);
	for (int i = 0; i < 1000; i += 2)
		fake_child_exit(1000 + i, 0);
	child_reap(&ct, NOW);
	ck_assert_uint_eq(ct.alive, 500);
	ck_assert_uint_eq(test_dirty(), 500);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(fake_child_reaped(1000 + i), i % 2 == 0);
	test_free_all();
}
END_TEST

START_TEST(strangers_are_reaped)
{
	struct child *c = test_child(1, 100);

	fake_child_new(555, -1);
	fake_child_new(556, -1);
	fake_child_new(557, -1);
	fake_child_exit(555, 1);
	fake_child_killed(557, SIGKILL, false);
	fake_child_exit(100, 0);
	child_reap(&ct, NOW);
	ck_assert(fake_child_reaped(555) && fake_child_reaped(557));
	ck_assert(!fake_child_reaped(556));
	ck_assert_uint_eq(ct.strangers, 2);
	ck_assert_uint_eq(fake_sent_count(), 0); /* never acted upon */
	ck_assert_uint_eq(test_dirty(), 1);
	ck_assert_ptr_eq(TAILQ_FIRST(&ct.dirty), c);
	test_free_all();
}
END_TEST

/* While the zombie holds the number the group can be nobody else's. */
START_TEST(the_group_is_killed_before_reaping)
{
	struct child *c = test_child(1, 100), *other = test_child(2, 101);

	c->kill_group = true;
	fake_child_exit(100, 0);
	fake_child_exit(101, 0);
	child_reap(&ct, NOW);
	ck_assert_uint_eq(fake_sent_count(), 1);
	ck_assert_uint_eq(fake_sent_to(-100, SIGKILL), 1);
	ck_assert(!fake_sent_get(0).late);
	ck_assert_int_eq(c->state, CHILD_EXITED);
	ck_assert_int_eq(other->state, CHILD_EXITED);
	test_free_all();
}
END_TEST

START_TEST(nothing_is_allocated)
{
	size_t before;

	for (int i = 0; i < 100; i++)
		test_child((uint64_t)i, 100 + i)->kill_group = true;
	for (int i = 0; i < 100; i++)
		fake_child_exit(100 + i, 0);
	before = fake_heap_bytes();
	child_reap(&ct, NOW);
	ck_assert_uint_eq(fake_heap_bytes(), before);
	ck_assert_uint_eq(ct.alive, 0);
	test_free_all();
}
END_TEST

/* --- a start that fails
 * ------------------------------------------------------- */

static void
on_spawned(void *arg, const struct spawn_err *se)
{
	struct child *c = arg;

	c->spawn = NULL;
	c->state = se == NULL ? CHILD_ALIVE : CHILD_FAILED;
	if (se != NULL)
		c->err = *se;
}

/* Died before the loop has seen what became of exec: reaping asks. */
START_TEST(a_start_under_way_is_settled)
{
	static const char *const paths[] = { "/nonexistent", "/bin/true" };
	char word[] = "web";
	char *argv[] = { word, NULL };
	struct loop *lp = loop_new();
	struct child *c = child_new(&ct, 1, "web.0#1");
	struct spawn_fds fds = { NULL, -1, NULL };
	struct spawn_err se;
	struct spec sp;
	siginfo_t si;
	struct mw w;
	struct mr r;
	pid_t pid;

	fake_reset(); /* it is a real one */
	spec_init(&sp);
	sp.path = paths[_i];
	sp.argv = argv;
	mw_init(&w, NULL, 0);
	spec_write(&w, &sp);
	mr_init(&r, w.data, w.len);
	pid = spawn_start(lp, spec_read(&r, 0, NULL), &fds, NULL, &c->spawn,
	    on_spawned, c, &se);
	mw_fini(&w);
	ck_assert_int_gt(pid, 0);
	child_started(&ct, c, pid, 1000);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	child_reap(&ct, NOW);
	ck_assert_ptr_null(c->spawn);
	ck_assert_int_eq(c->state, _i == 0 ? CHILD_FAILED : CHILD_EXITED);
	if (_i == 0) {
		ck_assert_int_eq(c->err.stage, STAGE_EXEC);
		ck_assert_int_eq(c->err.errnum, ENOENT);
	}
	ck_assert_uint_eq(test_dirty(), 1);
	ck_assert_uint_eq(ct.strangers, 0);
	test_free_all();
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("child");
	TCase *tc = tcase_create("child");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, found_by_id_and_by_pid);
	tcase_add_test(tc, a_long_label_is_cut);
	tcase_add_test(tc, marked_once_in_order);
	tcase_add_test(tc, nothing_is_left);
	tcase_add_test(tc, signals_go_to_the_unreaped);
	tcase_add_test(tc, signals_to_the_group);
	tcase_add_test(tc, the_dead_are_not_signalled);
	tcase_add_test(tc, nobody_is_dead);
	tcase_add_test(tc, how_it_ended);
	tcase_add_test(tc, kept_until_it_is_forgotten);
	tcase_add_test(tc, all_the_dead_at_once);
	tcase_add_test(tc, strangers_are_reaped);
	tcase_add_test(tc, the_group_is_killed_before_reaping);
	tcase_add_test(tc, nothing_is_allocated);
	tcase_add_loop_test(tc, a_start_under_way_is_settled, 0, 2);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
