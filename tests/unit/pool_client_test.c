/*
 * The client of the pool, before a server that is a thread of this test.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool/proto.h"
#include "reeve/pool.h"

static char path[64];
static int listener;
static struct pool_msg *got; /* the last message that came */
static int got_fds[2];
static size_t ngot_fds;

static void
setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(path, sizeof path, "/tmp/pool-client-test.%d", (int)getpid());
	strcpy(sun.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
	    bind(listener, (struct sockaddr *)&sun, sizeof sun), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	got = malloc(POOL_MSG_MAX);
}

static void
teardown(void)
{
	close(listener);
	unlink(path);
	free(got);
}

/* The next message of that type; false: the end. */
static bool
expect(int fd, uint16_t type)
{
	const char *why = NULL;
	size_t len, n;

	ngot_fds = 0;
	do {
		for (len = 0; pool_msg_check(got, len, &why) == 0; len++) {
			n = 2 - ngot_fds;
			if (pool_recv(fd, (char *)got + len, 1,
				got_fds + ngot_fds, &n) != 1)
				return false;
			ngot_fds += n;
		}
		ck_assert_msg(why == NULL, "%s", why);
	} while (got->type != type);
	return true;
}

static void
reply(int fd, uint64_t id, enum pool_status status, const char *text)
{
	struct {
		struct pool_msg m;
		struct pool_result r;
		char text[64];
	} out = { { sizeof out, PM_RESULT, 0, id }, { .status = status }, "" };

	snprintf(out.text, sizeof out.text, "%s", text);
	ck_assert_int_eq(
	    pool_send(fd, &out, sizeof out, NULL, 0), (ssize_t)sizeof out);
}

static const struct pool_submit *
submitted(void)
{
	return (const struct pool_submit *)(got + 1);
}

/* Dies with two jobs unanswered, one answered; they come again, in order. */
static void *
serve_and_die(void *arg)
{
	uint8_t session[POOL_SESSION];
	uint64_t ids[3];
	int fd = accept(listener, NULL, NULL);

	(void)arg;
	ck_assert(expect(fd, PM_HELLO));
	memcpy(
	    session, ((struct pool_hello *)(got + 1))->session, sizeof session);
	for (int i = 0; i < 3; i++) {
		ck_assert(expect(fd, PM_SUBMIT));
		ck_assert_int_eq(submitted()->flags & PS_AGAIN, 0);
		ids[i] = got->id;
	}
	reply(fd, ids[1], PR_OK, "one");
	close(fd);
	fd = accept(listener, NULL, NULL);
	ck_assert(expect(fd, PM_HELLO));
	ck_assert_int_eq(
	    memcmp(session, ((struct pool_hello *)(got + 1))->session,
		sizeof session),
	    0);
	for (int i = 0; i < 3; i += 2) {
		ck_assert(expect(fd, PM_SUBMIT));
		ck_assert_int_ne(submitted()->flags & PS_AGAIN, 0);
		ck_assert_uint_eq(got->id, ids[i]);
		ck_assert_str_eq(pool_submit_string(got, 0), "kind");
		ck_assert_str_eq(pool_submit_string(got, 3), "a=b");
		reply(fd, got->id, PR_OK, i == 0 ? "zero" : "two");
	}
	ck_assert(!expect(fd, PM_SUBMIT));
	close(fd);
	return NULL;
}

static struct reeve_pool *
begin(pthread_t *th, void *(*serve)(void *))
{
	struct reeve_pool *p;

	ck_assert_int_eq(pthread_create(th, NULL, serve, NULL), 0);
	p = reeve_pool_open(path);
	ck_assert_ptr_nonnull(p);
	return p;
}

static void
finish(struct reeve_pool *p, pthread_t th)
{
	reeve_pool_close(p);
	pthread_join(th, NULL);
}

START_TEST(submits_again)
{
	static const char *const args[] = { "a=b", NULL };
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("kind");
	struct reeve_pool_event ev;
	uint64_t ids[3], seen = 0;
	pthread_t th;
	struct reeve_pool *p = begin(&th, serve_and_die);

	rq.args = args;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(reeve_pool_submit(p, &rq, &ids[i]), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(reeve_pool_next(p, -1, &ev), 1);
		ck_assert_str_eq(ev.text, ev.id == ids[0]   ? "zero"
					  : ev.id == ids[1] ? "one"
							    : "two");
		seen += ev.id;
	}
	ck_assert_uint_eq(seen, ids[0] + ids[1] + ids[2]);
	ck_assert_uint_eq(reeve_pool_in_flight(p), 0);
	ck_assert_int_eq(reeve_pool_next(p, -1, &ev), 0);
	finish(p, th);
}
END_TEST

static pthread_barrier_t has_died;

/* Answers the first of two and dies; the other one, and one more, come. */
static void *
serve_answer_and_die(void *arg)
{
	uint64_t ids[2];
	int fd = accept(listener, NULL, NULL);

	(void)arg;
	ck_assert(expect(fd, PM_HELLO));
	for (int i = 0; i < 2; i++) {
		ck_assert(expect(fd, PM_SUBMIT));
		ids[i] = got->id;
	}
	reply(fd, ids[0], PR_OK, "zero");
	close(fd);
	pthread_barrier_wait(&has_died);
	fd = accept(listener, NULL, NULL);
	ck_assert(expect(fd, PM_HELLO));
	ck_assert(expect(fd, PM_SUBMIT));
	ck_assert_uint_eq(got->id, ids[1]);
	reply(fd, got->id, PR_OK, "one");
	ck_assert(expect(fd, PM_SUBMIT));
	reply(fd, got->id, PR_OK, "two");
	ck_assert(!expect(fd, PM_SUBMIT));
	close(fd);
	return NULL;
}

/* It sees by sending that the pool is gone: what had come is not asked again.
 */
START_TEST(hears_the_last_words)
{
	static const char *const want[] = { "zero", "one", "two" };
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("kind");
	struct reeve_pool_event ev;
	struct reeve_pool *p;
	uint64_t ids[3];
	pthread_t th;

	ck_assert_int_eq(pthread_barrier_init(&has_died, NULL, 2), 0);
	p = begin(&th, serve_answer_and_die);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(reeve_pool_submit(p, &rq, &ids[i]), 0);
	ck_assert_int_eq(reeve_pool_flush(p), 0);
	pthread_barrier_wait(&has_died);
	ck_assert_int_eq(reeve_pool_submit(p, &rq, &ids[2]), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(reeve_pool_next(p, 10000, &ev), 1);
		ck_assert_int_eq(ev.type, REEVE_POOL_RESULT);
		ck_assert_uint_eq(ev.id, ids[i]);
		ck_assert_str_eq(ev.text, want[i]);
	}
	ck_assert_uint_eq(reeve_pool_in_flight(p), 0);
	finish(p, th);
	pthread_barrier_destroy(&has_died);
}
END_TEST

/* Gives one back, and answers the other on the old connection, later. */
static void *
serve_and_move(void *arg)
{
	int old = accept(listener, NULL, NULL), fd;
	uint64_t runs;

	(void)arg;
	ck_assert(expect(old, PM_SUBMIT));
	runs = got->id;
	ck_assert(expect(old, PM_SUBMIT));
	reply(old, got->id, PR_MOVED, "");
	fd = accept(listener, NULL, NULL);
	ck_assert(expect(fd, PM_SUBMIT));
	reply(fd, got->id, PR_OK, "moved");
	reply(old, runs, PR_OK, "stayed");
	ck_assert(!expect(old, PM_SUBMIT));
	ck_assert(!expect(fd, PM_SUBMIT));
	close(old);
	close(fd);
	return NULL;
}

START_TEST(moves)
{
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("kind");
	struct reeve_pool_event ev;
	uint64_t ids[2];
	pthread_t th;
	struct reeve_pool *p = begin(&th, serve_and_move);

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(reeve_pool_submit(p, &rq, &ids[i]), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(reeve_pool_next(p, -1, &ev), 1);
		ck_assert_str_eq(ev.text, ev.id == ids[0] ? "stayed" : "moved");
	}
	finish(p, th);
}
END_TEST

static void *
serve_buffer(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	char *m;

	(void)arg;
	ck_assert(expect(fd, PM_BUFFER));
	ck_assert_uint_eq(ngot_fds, 1);
	ck_assert_uint_eq(got->id, 0);
	m = mmap(NULL, 8192, PROT_READ, MAP_SHARED, got_fds[0], 0);
	ck_assert_ptr_ne(m, MAP_FAILED);
	ck_assert(expect(fd, PM_SUBMIT));
	ck_assert_uint_eq(submitted()->in_buffer, 1);
	ck_assert_int_eq(submitted()->in_off, 4096);
	reply(fd, got->id, PR_OK, m + 4096);
	ck_assert(expect(fd, PM_BUFFER_DROP));
	munmap(m, 8192);
	close(got_fds[0]);
	(void)expect(fd, PM_SUBMIT);
	close(fd);
	return NULL;
}

START_TEST(shares_memory)
{
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("kind");
	struct reeve_pool_event ev;
	uint64_t id;
	void *m;
	pthread_t th;
	struct reeve_pool *p = begin(&th, serve_buffer);

	rq.in_buffer = 0;
	ck_assert_int_eq(reeve_pool_submit(p, &rq, &id), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(reeve_pool_buffer(p, 8192, &m), 0);
	strcpy((char *)m + 4096, "through memory");
	ck_assert_int_eq(reeve_pool_buffer_seal(p, 0), 0);
	rq.in_off = 4096;
	ck_assert_int_eq(reeve_pool_submit(p, &rq, &id), 0);
	ck_assert_int_eq(reeve_pool_next(p, -1, &ev), 1);
	ck_assert_str_eq(ev.text, "through memory");
	reeve_pool_buffer_free(p, 0);
	finish(p, th);
}
END_TEST

/* Says why, and closes: not a death, so nothing is submitted again. */
static void *
serve_bye(void *arg)
{
	struct {
		struct pool_msg m;
		char text[16];
	} out = { { sizeof out, PM_BYE, 0, 0 }, "rude" };
	int fd = accept(listener, NULL, NULL);

	(void)arg;
	ck_assert(expect(fd, PM_SUBMIT));
	ck_assert_int_eq(
	    pool_send(fd, &out, sizeof out, NULL, 0), (ssize_t)sizeof out);
	ck_assert(!expect(fd, PM_SUBMIT));
	close(fd);
	return NULL;
}

START_TEST(tells_why_it_was_dropped)
{
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("kind");
	struct reeve_pool_event ev;
	uint64_t id;
	pthread_t th;
	struct reeve_pool *p = begin(&th, serve_bye);

	ck_assert_int_eq(reeve_pool_submit(p, &rq, &id), 0);
	ck_assert_int_eq(reeve_pool_next(p, -1, &ev), -1);
	ck_assert_str_eq(reeve_pool_error(p), "the pool: rude");
	finish(p, th);
}
END_TEST

START_TEST(nobody_is_there)
{
	close(listener);
	ck_assert_ptr_null(reeve_pool_open(path));
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_ptr_null(reeve_pool_open("/nonexistent/pool.sock"));
	ck_assert_int_eq(errno, ENOENT);
	listener = -1;
}
END_TEST

/* Closed before it could write: why is read, and it does not try again. */
START_TEST(hears_that_it_may_not)
{
	struct {
		struct pool_msg m;
		char text[16];
	} bye = { { sizeof bye, PM_BYE, 0, EACCES }, "you may not" };
	struct reeve_pool_request rq = REEVE_POOL_REQUEST("noop");
	struct reeve_pool *p = reeve_pool_open(path);
	uint64_t id;
	int fd;

	ck_assert_ptr_nonnull(p);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, &bye, sizeof bye), (ssize_t)sizeof bye);
	close(fd);
	ck_assert_int_eq(reeve_pool_submit(p, &rq, &id), 0);
	ck_assert_int_eq(reeve_pool_flush(p), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_str_eq(reeve_pool_error(p), "the pool: you may not");
	reeve_pool_close(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pool_client");
	TCase *tc = tcase_create("pool_client");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, submits_again);
	tcase_add_test(tc, hears_the_last_words);
	tcase_add_test(tc, moves);
	tcase_add_test(tc, shares_memory);
	tcase_add_test(tc, tells_why_it_was_dropped);
	tcase_add_test(tc, hears_that_it_may_not);
	tcase_add_test(tc, nobody_is_there);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
