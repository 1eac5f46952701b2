/*
 * The thread pool: order, bounds, time limits with a clock of its own, and
 * that every job comes back exactly once, whatever happens to it.
 */
#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/pool_priv.h"

#define MS INT64_C(1000000)

static atomic_llong fake_ns;
static sem_t gate, entered;

/* What ran, in order; one thread at a time writes. */
static int trace[20000];
static atomic_int ntrace;

struct tjob {
	struct pool_job job; /* first */
	int id;
	int times; /* it came back */
	bool with_pool;
};

static int64_t
fake_now(void *arg)
{
	(void)arg;
	return atomic_load(&fake_ns);
}

static void
run_trace(struct pool_job *job)
{
	trace[atomic_fetch_add(&ntrace, 1)] = ((struct tjob *)job)->id;
}

/* Holds its thread until the test lets it go. */
static void
run_gate(struct pool_job *job)
{
	run_trace(job);
	sem_post(&entered);
	while (sem_wait(&gate) == -1)
		continue;
}

static void
run_polite(struct pool_job *job)
{
	sem_post(&entered);
	while (atomic_load(&job->stop) == POOL_GO_ON)
		sched_yield();
}

static struct pool *
pool_of(unsigned threads, unsigned bound)
{
	struct pool_options o = { .threads = threads,
		.bound = bound,
		.grace_ns = 100 * MS,
		.now_ns = fake_now };
	struct pool *p;

	atomic_store(&fake_ns, 1);
	atomic_store(&ntrace, 0);
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	p = pool_new(&o);
	ck_assert_ptr_nonnull(p);
	return p;
}

static void
submit(struct pool *p, struct tjob *t, int id, void (*run)(struct pool_job *))
{
	t->id = id;
	t->job.run = run;
	ck_assert_int_eq(pool_submit(p, &t->job), 0);
}

static struct tjob *
next_done(struct pool *p)
{
	struct pool_job *job;

	while ((job = pool_done(p)) == NULL) {
		pool_tick(p);
		pool_wait(p, 1000 * MS);
	}
	((struct tjob *)job)->times++;
	return (struct tjob *)job;
}

static void
wait_entered(struct pool *p)
{
	/* Threads are woken when the owner waits. */
	pool_wait(p, 0);
	while (sem_wait(&entered) == -1)
		continue;
}

static void
advance(struct pool *p, int64_t ms)
{
	atomic_fetch_add(&fake_ns, ms * MS);
	pool_tick(p);
}

static void
all_done(struct pool *p, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(next_done(p)->job.end, POOL_RAN);
	ck_assert_ptr_null(pool_done(p));
}

START_TEST(runs_in_order)
{
	struct tjob j[6] = { 0 };
	struct pool *p = pool_of(1, 10);
	static const uint8_t prio[6] = { 3, 3, 7, 0, 3, 0 };
	static const int want[6] = { 0, 3, 5, 1, 4, 2 };

	submit(p, &j[0], 0, run_gate);
	wait_entered(p);
	for (int i = 1; i < 6; i++) {
		j[i].job.priority = prio[i];
		submit(p, &j[i], i, run_trace);
	}
	sem_post(&gate);
	all_done(p, 6);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(trace[i], want[i]);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(a_high_one_starts_next)
{
	static struct tjob j[10002];
	struct pool *p = pool_of(1, 20000);

	memset(j, 0, sizeof j);
	submit(p, &j[0], 0, run_gate);
	wait_entered(p);
	for (int i = 1; i <= 10000; i++) {
		j[i].job.priority = 7;
		submit(p, &j[i], i, run_trace);
	}
	submit(p, &j[10001], 10001, run_trace);
	pool_wait(p, 0);
	sem_post(&gate);
	all_done(p, 10002);
	ck_assert_int_eq(trace[1], 10001);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(full_is_refused)
{
	struct tjob j[5] = { 0 };
	struct pool *p = pool_of(1, 3);
	struct pool_stats st;

	submit(p, &j[0], 0, run_gate);
	wait_entered(p);
	for (int i = 1; i < 4; i++)
		submit(p, &j[i], i, run_trace);
	j[4].job.run = run_trace;
	ck_assert_int_eq(pool_submit(p, &j[4].job), -1);
	ck_assert_int_eq(errno, EAGAIN);
	pool_get_stats(p, &st);
	ck_assert_uint_eq(st.queued, 3);
	ck_assert_uint_eq(st.busy, 1);
	ck_assert_uint_eq(st.refused, 1);
	pool_set_bound(p, 4);
	submit(p, &j[4], 4, run_trace);
	pool_close(p);
	ck_assert_int_eq(pool_submit(p, &j[4].job), -1);
	ck_assert_int_eq(errno, ESHUTDOWN);
	sem_post(&gate);
	all_done(p, 5);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(a_class_has_its_limit)
{
	struct pool_class slow = { .limit = 1 };
	struct tjob j[5] = { 0 };
	struct pool *p = pool_of(2, 10);

	for (int i = 0; i < 3; i++) {
		j[i].job.cls = &slow;
		submit(p, &j[i], i, run_gate);
	}
	wait_entered(p);
	/* The second thread passes over the two others of the class. */
	submit(p, &j[3], 3, run_trace);
	ck_assert_ptr_eq(next_done(p), &j[3]);
	ck_assert_int_eq(ntrace, 2);
	/* One of those that wait is taken out. */
	ck_assert(pool_withdraw(p, &j[2].job));
	ck_assert(!pool_withdraw(p, &j[0].job));
	submit(p, &j[2], 2, run_gate);
	pool_class_limit(p, &slow, 2);
	wait_entered(p);
	ck_assert_int_eq(trace[2], 1);
	for (int i = 0; i < 3; i++)
		sem_post(&gate);
	all_done(p, 3);
	ck_assert_uint_eq(slow.running, 0);
	ck_assert_uint_eq(slow.nparked, 0);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

/* A thread has passed over all that cannot run, to the last one there is. */
static void
passed_over(struct pool *p)
{
	struct tjob last = { 0 };

	last.job.priority = POOL_PRIORITIES - 1;
	submit(p, &last, 99, run_trace);
	ck_assert_ptr_eq(next_done(p), &last);
	atomic_store(&ntrace, 0);
}

static void
hold_thread(struct pool *p, struct tjob *t)
{
	submit(p, t, 100, run_gate);
	wait_entered(p);
}

/*
 * c and d wait for their class, are let into the queue one by one, and find
 * something that is more urgent before them.
 */
START_TEST(a_class_keeps_its_order)
{
	struct pool_class two = { .limit = 2 };
	struct tjob a[4] = { 0 }, urgent[3] = { 0 };
	struct pool *p = pool_of(3, 10);

	for (int i = 0; i < 4; i++) {
		a[i].job.cls = &two;
		a[i].job.priority = 3;
		submit(p, &a[i], i, i < 2 ? run_polite : run_trace);
	}
	wait_entered(p);
	wait_entered(p);
	passed_over(p);
	hold_thread(p, &urgent[0]);
	submit(p, &urgent[1], 101, run_gate);
	submit(p, &urgent[2], 102, run_gate);
	for (int i = 0; i < 2; i++) {
		pool_cancel(p, &a[i].job);
		ck_assert_ptr_eq(next_done(p), &a[i]);
		wait_entered(p);
	}
	/* One thread is free for both. */
	sem_post(&gate);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(next_done(p)->job.end, POOL_RAN);
	ck_assert_int_eq(trace[3], 2);
	ck_assert_int_eq(trace[4], 3);
	sem_post(&gate);
	sem_post(&gate);
	all_done(p, 2);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(a_limit_that_is_raised_keeps_the_order)
{
	struct pool_class one = { .limit = 1 };
	struct tjob j[6] = { 0 };
	struct pool *p = pool_of(2, 10);
	static const int want[] = { 3, 1, 2, 4, 5 };

	for (int i = 0; i < 6; i++) {
		j[i].job.cls = &one;
		j[i].job.priority = i == 3 ? 0 : 3;
		submit(p, &j[i], i, i == 0 ? run_gate : run_trace);
		if (i == 0)
			wait_entered(p);
	}
	passed_over(p);
	pool_class_limit(p, &one, 0);
	for (int i = 1; i < 6; i++)
		ck_assert_int_eq(next_done(p)->job.end, POOL_RAN);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(trace[i], want[i]);
	sem_post(&gate);
	all_done(p, 1);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

/* The one that may run next is taken away: it is another one's turn. */
START_TEST(a_class_goes_on_without_its_next)
{
	struct pool_class one = { .limit = 1 };
	struct tjob j[4] = { 0 }, urgent[2] = { 0 };
	struct pool *p = pool_of(2, 10);

	for (int i = 0; i < 4; i++) {
		j[i].job.cls = &one;
		j[i].job.priority = 3;
		submit(p, &j[i], i, i == 0 ? run_polite : run_trace);
		if (i == 0)
			wait_entered(p);
	}
	passed_over(p);
	hold_thread(p, &urgent[0]);
	submit(p, &urgent[1], 101, run_gate);
	pool_cancel(p, &j[0].job);
	ck_assert_ptr_eq(next_done(p), &j[0]);
	wait_entered(p);
	pool_cancel(p, &j[1].job);
	ck_assert_ptr_eq(next_done(p), &j[1]);
	ck_assert(pool_withdraw(p, &j[2].job));
	sem_post(&gate);
	sem_post(&gate);
	all_done(p, 3);
	ck_assert_int_eq(trace[2], 3);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(cancel)
{
	struct tjob j[3] = { 0 };
	struct pool *p = pool_of(1, 10);

	submit(p, &j[0], 0, run_polite);
	submit(p, &j[1], 1, run_trace);
	submit(p, &j[2], 2, run_trace);
	wait_entered(p);
	pool_cancel(p, &j[1].job);
	ck_assert_ptr_eq(next_done(p), &j[1]);
	ck_assert_int_eq(j[1].job.end, POOL_CANCELLED);
	ck_assert_int_eq(j[1].job.started_ns, 0);
	pool_cancel(p, &j[0].job);
	ck_assert_ptr_eq(next_done(p), &j[0]);
	ck_assert_int_eq(j[0].job.end, POOL_CANCELLED);
	all_done(p, 1);
	/* One that has ended is left alone. */
	pool_cancel(p, &j[2].job);
	ck_assert_ptr_null(pool_done(p));
	ck_assert_int_eq(ntrace, 1);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(time_limits)
{
	struct tjob j[3] = { 0 };
	struct pool *p = pool_of(1, 10);

	j[0].job.run_timeout_ns = 50 * MS;
	j[1].job.queue_timeout_ns = 20 * MS;
	/* A run's limit counts from its start, not from the submit. */
	j[2].job.run_timeout_ns = 5 * MS;
	submit(p, &j[0], 0, run_polite);
	wait_entered(p);
	submit(p, &j[1], 1, run_trace);
	submit(p, &j[2], 2, run_trace);
	advance(p, 19);
	ck_assert_ptr_null(pool_done(p));
	ck_assert_int_eq(pool_tick(p), 1 + 20 * MS);
	advance(p, 1);
	ck_assert_ptr_eq(next_done(p), &j[1]);
	ck_assert_int_eq(j[1].job.end, POOL_QUEUE_TIMEOUT);
	ck_assert_int_eq(pool_tick(p), 1 + 50 * MS);
	advance(p, 30);
	ck_assert_ptr_eq(next_done(p), &j[0]);
	ck_assert_int_eq(j[0].job.end, POOL_RUN_TIMEOUT);
	ck_assert_ptr_eq(next_done(p), &j[2]);
	ck_assert_int_eq(j[2].job.end, POOL_RAN);
	ck_assert_int_eq(pool_tick(p), -1);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(a_stuck_thread_is_replaced)
{
	struct tjob j[3] = { 0 };
	struct pool *p = pool_of(2, 10);
	struct pool_stats st;

	j[0].job.run_timeout_ns = 50 * MS;
	submit(p, &j[0], 0, run_gate);
	wait_entered(p);
	submit(p, &j[1], 1, run_gate);
	wait_entered(p);
	pool_cancel(p, &j[1].job);
	advance(p, 50);
	/* Told to stop, both; one since 50 ms. */
	advance(p, 50);
	ck_assert_ptr_eq(next_done(p), &j[1]);
	advance(p, 50);
	ck_assert_ptr_eq(next_done(p), &j[0]);
	ck_assert_int_eq(j[0].job.end, POOL_STUCK);
	ck_assert_int_eq(j[1].job.end, POOL_STUCK);
	pool_get_stats(p, &st);
	ck_assert_uint_eq(st.threads, 2);
	ck_assert_uint_eq(st.abandoned, 2);
	ck_assert_uint_eq(st.stuck, 2);
	ck_assert_uint_eq(st.busy, 0);
	ck_assert_int_eq(pool_free(p), -1);
	/* The others go on. */
	submit(p, &j[2], 2, run_trace);
	ck_assert_ptr_eq(next_done(p), &j[2]);
	ck_assert_ptr_null(pool_done(p));
	sem_post(&gate);
	sem_post(&gate);
	ck_assert_int_eq(next_done(p)->job.end, POOL_BACK);
	ck_assert_int_eq(next_done(p)->job.end, POOL_BACK);
	ck_assert_int_eq(j[0].times, 2);
	ck_assert_int_eq(j[1].times, 2);
	do {
		pool_tick(p);
		pool_get_stats(p, &st);
	} while (st.abandoned > 0);
	ck_assert_uint_eq(st.threads, 2);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(resize)
{
	struct tjob j[8] = { 0 };
	struct pool *p = pool_of(1, 10);
	struct pool_stats st;

	for (int i = 0; i < 8; i++)
		submit(p, &j[i], i, run_gate);
	wait_entered(p);
	pool_resize(p, 4);
	for (int i = 1; i < 4; i++)
		wait_entered(p);
	pool_resize(p, 2);
	/* Two of the four leave after their job. */
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(next_done(p)->job.end, POOL_RAN);
	wait_entered(p);
	wait_entered(p);
	pool_get_stats(p, &st);
	ck_assert_uint_eq(st.threads, 2);
	ck_assert_uint_eq(st.busy, 2);
	ck_assert_uint_eq(st.queued, 2);
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	all_done(p, 4);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(allocates_nothing)
{
	static struct tjob j[64];
	struct pool *p = pool_of(2, 100);
	struct mallinfo2 before, after;

	memset(j, 0, sizeof j);
	for (int round = 0; round < 200; round++) {
		if (round == 10)
			before = mallinfo2();
		for (int i = 0; i < 64; i++) {
			j[i].job.queue_timeout_ns = 1000 * MS;
			j[i].job.run_timeout_ns = 1000 * MS;
			submit(p, &j[i], 0, run_trace);
		}
		all_done(p, 64);
		atomic_store(&ntrace, 0);
	}
	after = mallinfo2();
	ck_assert_uint_eq(after.uordblks, before.uordblks);
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

START_TEST(tells_by_descriptor)
{
	struct tjob j = { 0 };
	struct pool *p = pool_of(1, 10);
	uint64_t n;

	ck_assert(pool_arm(p));
	submit(p, &j, 0, run_gate);
	wait_entered(p);
	ck_assert_int_eq(read(pool_fd(p), &n, sizeof n), -1);
	ck_assert(pool_arm(p));
	sem_post(&gate);
	while (read(pool_fd(p), &n, sizeof n) == -1)
		ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!pool_arm(p));
	all_done(p, 1);
	ck_assert(pool_arm(p));
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

static int looks;

static bool
nothing(struct pool *p)
{
	(void)p;
	looks++;
	return false;
}

static bool
something(struct pool *p)
{
	(void)p;
	return true;
}

START_TEST(looking_on_is_left_out_when_it_does_not_pay)
{
	struct pool_spin s = { 0 };
	int first;

	ck_assert(!pool_spin(NULL, &s, nothing));
	first = looks;
	ck_assert_int_gt(first, 100);
	for (int i = 0; i < 256 * 100; i++)
		ck_assert(!pool_spin(NULL, &s, nothing));
	/* Then, it is one look each, and now and then a long one. */
	looks = 0;
	for (int i = 0; i < 2560; i++)
		ck_assert(!pool_spin(NULL, &s, nothing));
	ck_assert_int_ge(looks, 2560 + 10 * first);
	ck_assert_int_le(looks, 2560 + 10 * 4 * first);
	/* Once it has paid it is as at first. */
	while (s.skip > 0)
		ck_assert(!pool_spin(NULL, &s, nothing));
	ck_assert(pool_spin(NULL, &s, something));
	looks = 0;
	ck_assert(!pool_spin(NULL, &s, nothing));
	ck_assert_int_eq(looks, first);
}
END_TEST

/* More are told of than are asked for: none of it is left in the descriptor,
 * which would be readable for ever. */
START_TEST(the_descriptor_is_quiet_again)
{
	static struct tjob j[64];
	struct pool *p = pool_of(3, 64);
	struct pollfd fd = { .fd = pool_fd(p), .events = POLLIN };
	int left = 0;

	memset(j, 0, sizeof j);
	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < round % 7 + 1; i++, left++)
			submit(p, &j[i], 0, run_trace);
		while (left > 0) {
			while (pool_done(p) != NULL)
				left--;
			if (left > 0 && pool_arm(p))
				ck_assert_int_eq(poll(&fd, 1, -1), 1);
		}
		atomic_store(&ntrace, 0);
	}
	/* A thread may be about to write for what was taken already. */
	while (!pool_arm(p) || poll(&fd, 1, 20) == 1)
		continue;
	ck_assert_int_eq(pool_free(p), 0);
}
END_TEST

/* --- all at once ---------------------------------------------------------- */

#define STRESS 256

static void
run_stress(struct pool_job *job)
{
	int n = ((struct tjob *)job)->id % 7;

	while (n-- > 0 && atomic_load(&job->stop) == POOL_GO_ON)
		sched_yield();
}

static void
stress_step(struct pool *p, struct tjob *j, unsigned *seed)
{
	unsigned r = (unsigned)rand_r(seed);
	struct tjob *t = &j[r / 16 % STRESS];

	switch (r % 16) {
	case 0:
		if (t->with_pool)
			pool_cancel(p, &t->job);
		break;
	case 1:
		if (t->with_pool && pool_withdraw(p, &t->job))
			t->with_pool = false;
		break;
	case 2:
		pool_resize(p, 1 + r / 16 % 4);
		break;
	case 3:
		advance(p, r / 16 % 3);
		break;
	default:
		if (t->with_pool)
			break;
		t->id = (int)(r % 1000);
		t->job.run = run_stress;
		t->job.priority = (uint8_t)(r / 16 % POOL_PRIORITIES);
		t->job.queue_timeout_ns = r % 3 == 0 ? MS : 0;
		t->job.run_timeout_ns = r % 5 == 0 ? MS : 0;
		t->with_pool = pool_submit(p, &t->job) == 0;
	}
}

/* Whatever is abandoned or resized meanwhile. */
static void
has_its_threads(struct pool *p)
{
	struct pool_stats st;

	pool_get_stats(p, &st);
	ck_assert_uint_ge(st.threads, st.wanted);
	ck_assert_uint_le(st.busy, st.threads);
}

START_TEST(each_comes_back_once)
{
	static struct tjob j[STRESS];
	struct pool_class some = { .limit = 2 };
	struct pool *p = pool_of(3, STRESS / 2);
	unsigned seed = (unsigned)_i + 1;
	struct pool_job *job;
	struct tjob *t;
	int left = 0;

	memset(j, 0, sizeof j);
	for (int i = 0; i < STRESS; i += 3)
		j[i].job.cls = &some;
	for (int n = 0; n < 20000; n++) {
		stress_step(p, j, &seed);
		has_its_threads(p);
		while ((job = pool_done(p)) != NULL) {
			t = (struct tjob *)job;
			if (job->end == POOL_STUCK)
				continue; /* it comes back once more */
			ck_assert(t->with_pool);
			t->with_pool = false;
		}
		if (n % 8 == 0)
			pool_wait(p, 0);
	}
	for (int i = 0; i < STRESS; i++)
		left += j[i].with_pool;
	for (; left > 0; left -= t->job.end != POOL_STUCK) {
		t = next_done(p);
		ck_assert(t->with_pool);
		t->with_pool = t->job.end == POOL_STUCK;
	}
	ck_assert_ptr_null(pool_done(p));
	ck_assert_uint_eq(some.running, 0);
	ck_assert_uint_eq(some.nparked, 0);
	while (pool_free(p) == -1)
		pool_tick(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = tcase_create("pool");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, runs_in_order);
	tcase_add_test(tc, a_high_one_starts_next);
	tcase_add_test(tc, full_is_refused);
	tcase_add_test(tc, a_class_has_its_limit);
	tcase_add_test(tc, a_class_keeps_its_order);
	tcase_add_test(tc, a_limit_that_is_raised_keeps_the_order);
	tcase_add_test(tc, a_class_goes_on_without_its_next);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, time_limits);
	tcase_add_test(tc, a_stuck_thread_is_replaced);
	tcase_add_test(tc, resize);
	tcase_add_test(tc, allocates_nothing);
	tcase_add_test(tc, tells_by_descriptor);
	tcase_add_test(tc, looking_on_is_left_out_when_it_does_not_pay);
	tcase_add_test(tc, the_descriptor_is_quiet_again);
	tcase_add_loop_test(tc, each_comes_back_once, 0, 10);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
