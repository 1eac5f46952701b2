/* fake_test - the fakes that the other unit tests stand on. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "../fake/sys_fake.h"

/* --- loop ------------------------------------------------------------------
 */

struct seen {
	char text[64];
	size_t n;
	struct loop *lp;
	struct loop_timer *again;
	int again_left;
	struct loop_task task;
	bool done;
	int events;
};

static void
seen_add(struct seen *s, char c)
{
	if (s->n < sizeof s->text - 1)
		s->text[s->n++] = c;
}

static void
on_a(struct loop_timer *t, void *arg)
{
	struct seen *s = arg;

	(void)t;
	seen_add(s, 'a');
	if (s->again != NULL && s->again_left-- > 0)
		loop_timer_start(s->again, 10);
}

static void
on_b(struct loop_timer *t, void *arg)
{
	(void)t;
	seen_add(arg, 'b');
}

static void
on_task(void *arg)
{
	seen_add(arg, 't');
}

static void
on_queue(struct loop_timer *t, void *arg)
{
	struct seen *s = arg;

	(void)t;
	seen_add(s, 'q');
	loop_task_queue(s->lp, &s->task);
	loop_task_queue(s->lp, &s->task);
}

START_TEST(timers_fire_in_order_of_time)
{
	struct loop *lp = loop_new();
	struct seen s = { .lp = lp };
	struct loop_timer a, b;

	fake_clock_set(1000);
	loop_timer_init(&a, lp, on_a, &s);
	loop_timer_init(&b, lp, on_b, &s);
	ck_assert_int_eq(fake_loop_next(lp), -1);
	loop_timer_start(&a, 20);
	loop_timer_start(&b, 10);
	ck_assert_int_eq(fake_loop_next(lp), 10);
	ck_assert(loop_timer_active(&a));
	fake_loop_advance(lp, 9);
	ck_assert_str_eq(s.text, "");
	fake_loop_advance(lp, 1);
	ck_assert_str_eq(s.text, "b");
	ck_assert(!loop_timer_active(&b));
	fake_loop_advance(lp, 100);
	ck_assert_str_eq(s.text, "ba");
	ck_assert_int_eq(loop_now(lp), 1110);
	ck_assert_int_eq(clock_mono_ms(), 1110);
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
	fake_clock_real();
}
END_TEST

START_TEST(a_timer_that_restarts_itself_keeps_its_rate)
{
	struct loop *lp = loop_new();
	struct loop_timer a;
	struct seen s = { .lp = lp, .again = &a, .again_left = 3 };

	fake_clock_set(0);
	loop_timer_init(&a, lp, on_a, &s);
	loop_timer_start(&a, -5);
	fake_loop_advance(lp, 25);
	ck_assert_str_eq(s.text, "aaa");
	loop_timer_stop(&a);
	loop_timer_stop(&a);
	fake_loop_advance(lp, 1000);
	ck_assert_str_eq(s.text, "aaa");
	loop_free(lp);
	fake_clock_real();
}
END_TEST

START_TEST(tasks_run_once_at_the_end_of_the_turn)
{
	struct loop *lp = loop_new();
	struct seen s = { .lp = lp };
	struct loop_timer q, b;

	fake_clock_set(0);
	loop_task_init(&s.task, on_task, &s);
	loop_timer_init(&q, lp, on_queue, &s);
	loop_timer_init(&b, lp, on_b, &s);
	loop_timer_start(&q, 5);
	loop_timer_start(&b, 5);
	fake_loop_advance(lp, 5);
	ck_assert_str_eq(s.text, "qbt");
	loop_task_queue(lp, &s.task);
	ck_assert_uint_eq(fake_loop_tasks(lp), 1);
	loop_task_cancel(lp, &s.task);
	loop_task_cancel(lp, &s.task);
	fake_loop_turn(lp);
	ck_assert_str_eq(s.text, "qbt");
	loop_free(lp);
	fake_clock_real();
}
END_TEST

static void
on_io(struct loop_io *io, int events, void *arg)
{
	struct seen *s = arg;

	seen_add(s, 'i');
	s->events = events;
	s->done = true;
	loop_io_stop(io);
}

START_TEST(io_is_told_on_order)
{
	struct loop *lp = loop_new();
	struct seen s = { .lp = lp };
	struct loop_io io;

	loop_io_init(&io, lp, 77, LOOP_READ, on_io, &s);
	ck_assert_int_eq(fake_loop_io(lp, 77, LOOP_READ), 0);
	loop_io_start(&io);
	loop_io_start(&io);
	ck_assert_int_eq(fake_loop_watched(lp, 77), LOOP_READ);
	ck_assert_int_eq(fake_loop_io(lp, 78, LOOP_READ), 0);
	ck_assert_int_eq(fake_loop_io(lp, 77, LOOP_WRITE), 0);
	loop_io_set(&io, LOOP_READ | LOOP_WRITE);
	ck_assert_int_eq(fake_loop_io(lp, 77, LOOP_WRITE), 1);
	ck_assert_int_eq(s.events, LOOP_WRITE);
	ck_assert_uint_eq(fake_loop_ios(lp), 0);
	loop_io_set(&io, LOOP_READ);
	loop_io_set(&io, 0);
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
}
END_TEST

START_TEST(io_is_polled_for_real)
{
	struct loop *lp = loop_new();
	struct seen s = { .lp = lp };
	struct loop_timer a;
	struct loop_io io;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	loop_io_init(&io, lp, p[0], LOOP_READ, on_io, &s);
	loop_io_start(&io);
	ck_assert_int_eq(fake_loop_poll(lp, 0), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert(fake_loop_until(lp, &s.done, 1000));
	ck_assert_str_eq(s.text, "i");
	loop_timer_init(&a, lp, on_a, &s);
	loop_timer_start(&a, 1);
	loop_run(lp); /* returns when nothing is left to happen */
	ck_assert_str_eq(s.text, "ia");
	close(p[0]);
	close(p[1]);
	loop_free(lp);
}
END_TEST

static void
on_signal(struct loop_signal *sg, int signo, void *arg)
{
	(void)sg;
	ck_assert_int_eq(signo, SIGHUP);
	seen_add(arg, 's');
}

START_TEST(signals_are_told_on_order)
{
	struct loop *lp = loop_new();
	struct seen s = { .lp = lp };
	struct loop_signal sg;

	loop_signal_init(&sg, lp, SIGHUP, on_signal, &s);
	loop_signal_start(&sg);
	ck_assert_int_eq(fake_loop_signal(lp, SIGTERM), 0);
	ck_assert_int_eq(fake_loop_signal(lp, SIGHUP), 1);
	loop_signal_stop(&sg);
	ck_assert_int_eq(fake_loop_signal(lp, SIGHUP), 0);
	ck_assert_str_eq(s.text, "s");
	loop_free(lp);
}
END_TEST

START_TEST(wall_clock_steps_alone)
{
	fake_clock_set(500);
	fake_wall_set(1000000);
	ck_assert_int_eq(clock_wall_ms(), 1000000);
	ck_assert_int_eq(clock_mono_ms(), 500);
	fake_clock_real();
	ck_assert_int_gt(clock_wall_ms(), 1600000000000);
}
END_TEST

/* --- sys -------------------------------------------------------------------
 */

START_TEST(the_nth_call_fails)
{
	int p[2], fds = fake_fd_count();

	fake_reset();
	fake_fail(FAKE_PIPE2, 2, EMFILE);
	fake_fail(FAKE_PIPE2, 3, ENFILE);
	ck_assert_int_eq(sys_pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(fake_fd_count(), fds + 2);
	sys_close(p[0]);
	sys_close(p[1]);
	ck_assert_int_eq(sys_pipe2(p, O_CLOEXEC), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(sys_pipe2(p, O_CLOEXEC), -1);
	ck_assert_int_eq(errno, ENFILE);
	ck_assert_int_eq(sys_pipe2(p, O_CLOEXEC), 0);
	fake_fail(FAKE_CLOSE, 1, EIO);
	ck_assert_int_eq(sys_close(p[0]), -1);
	ck_assert_int_eq(errno, EIO);
	sys_close(p[1]);
	ck_assert_uint_eq(fake_calls(FAKE_PIPE2), 4);
	ck_assert_int_eq(fake_fd_count(), fds);
	fake_fail_always(FAKE_SOCKET, ENOBUFS);
	ck_assert_int_eq(sys_socket(AF_UNIX, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(sys_socket(AF_UNIX, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	fake_reset();
}
END_TEST

START_TEST(a_sweep_ends)
{
	unsigned i;

	for (i = 1;; i++) {
		int p[2];
		int fd;

		fake_reset();
		fake_fail_any(i, EMFILE);
		if (sys_pipe2(p, O_CLOEXEC) == 0) {
			sys_close(p[0]);
			sys_close(p[1]);
		}
		fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd != -1)
			sys_close(fd);
		if (!fake_fail_hit())
			break;
	}
	ck_assert_uint_eq(i, 3);
	fake_reset();
}
END_TEST

START_TEST(children_are_a_script)
{
	siginfo_t si;
	struct rusage ru;

	fake_reset();
	fake_children(true);
	ck_assert_int_eq(
	    sys_waitid(P_ALL, 0, &si, WEXITED | WNOHANG, NULL), -1);
	ck_assert_int_eq(errno, ECHILD);
	fake_child_new(100, 9);
	fake_child_new(101, 10);
	ck_assert_int_eq(sys_waitid(P_ALL, 0, &si, WEXITED | WNOHANG, NULL), 0);
	ck_assert_int_eq(si.si_pid, 0);
	ck_assert_int_eq(sys_pidfd_send_signal(10, SIGTERM), 0);
	ck_assert_uint_eq(fake_sent_to(101, SIGTERM), 1);
	ck_assert(fake_sent_get(0).by_pidfd);
	fake_child_rss(101, 1234);
	fake_child_killed(101, SIGTERM, false);
	fake_child_exit(100, 3);
	ck_assert_int_eq(
	    sys_waitid(P_PIDFD, 10, &si, WEXITED | WNOHANG, &ru), 0);
	ck_assert_int_eq(si.si_pid, 101);
	ck_assert_int_eq(si.si_code, CLD_KILLED);
	ck_assert_int_eq(si.si_status, SIGTERM);
	ck_assert_int_eq(ru.ru_maxrss, 1234);
	ck_assert(fake_child_reaped(101));
	ck_assert_int_eq(sys_pidfd_send_signal(10, SIGKILL), -1);
	ck_assert_int_eq(errno, ESRCH);
	ck_assert_int_eq(
	    sys_waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT, NULL), 0);
	ck_assert_int_eq(si.si_pid, 100);
	ck_assert(!fake_child_reaped(100) && !fake_child_alive(100));
	ck_assert_int_eq(sys_kill(100, SIGHUP), 0); /* a zombie can be told */
	ck_assert_int_eq(sys_waitid(P_ALL, 0, &si, WEXITED, NULL), 0);
	ck_assert_int_eq(si.si_status, 3);
	ck_assert_int_eq(sys_kill(100, SIGHUP), -1);
	ck_assert_uint_eq(fake_sent_count(), 2);
	ck_assert(!fake_sent_get(1).late);
	ck_assert_int_eq(sys_kill(-100, SIGHUP), 0);
	ck_assert(fake_sent_get(2).late);
	fake_reset();
}
END_TEST

START_TEST(the_heap_is_counted)
{
	size_t before = fake_heap_bytes();
	char *volatile p = malloc(100000);

	ck_assert_uint_ge(fake_heap_bytes(), before + 100000);
	free(p);
	ck_assert_uint_lt(fake_heap_bytes(), before + 100000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fake");
	TCase *loop = tcase_create("loop");
	TCase *sys = tcase_create("sys");
	SRunner *sr;
	int failed;

	tcase_add_test(loop, timers_fire_in_order_of_time);
	tcase_add_test(loop, a_timer_that_restarts_itself_keeps_its_rate);
	tcase_add_test(loop, tasks_run_once_at_the_end_of_the_turn);
	tcase_add_test(loop, io_is_told_on_order);
	tcase_add_test(loop, io_is_polled_for_real);
	tcase_add_test(loop, signals_are_told_on_order);
	tcase_add_test(loop, wall_clock_steps_alone);
	suite_add_tcase(s, loop);
	tcase_add_test(sys, the_nth_call_fails);
	tcase_add_test(sys, a_sweep_ends);
	tcase_add_test(sys, children_are_a_script);
	tcase_add_test(sys, the_heap_is_counted);
	suite_add_tcase(s, sys);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
