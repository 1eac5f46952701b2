/*
 * fault_test - files that are cut under a job, and jobs that crash.
 */
#include "pool/run.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "job_try.h"

static struct try t;

static void
setup(void)
{
	try_init(&t, "test");
}

static void
teardown(void)
{
	try_fini(&t);
}

static int
passes(struct reeve_job *job)
{
	ptrdiff_t n;

	while ((n = job->api->pass(job, 70000)) > 0)
		;
	return (int)n;
}
PLUGIN(passes);

static int
is_cut(struct reeve_job *job)
{
	size_t n, i, off = (size_t)t.spec.in.off;
	const char *p = job->api->map(job, &n);

	if (p == NULL || ftruncate(t.spec.in.fd, 5000) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (p[i] != (i + off < 5000 ? 'i' : 0))
			return reeve_job_fail(job, "it sees other bytes");
	return job->api->cancelled(job) ? 0 : -1;
}
PLUGIN(is_cut);

static int
writes_what_was_cut(struct reeve_job *job)
{
	size_t n;
	const char *p = job->api->map(job, &n);

	if (p == NULL || ftruncate(t.spec.in.fd, 5000) == -1)
		return -1;
	return job->api->write(job, p, n);
}
PLUGIN(writes_what_was_cut);

static int
output_is_cut(struct reeve_job *job)
{
	char *p = job->api->map_output(job, 100000);

	if (p == NULL || ftruncate(t.spec.out.fd, 5000) == -1)
		return -1;
	memset(p, 'o', 100000);
	return p[99999] == 'o' ? 0 : reeve_job_fail(job, "it is not stored");
}
PLUGIN(output_is_cut);

static void
big_input(int64_t off)
{
	char *big = xmalloc(1 << 20);

	memset(big, 'i', 1 << 20);
	try_bytes(&t, big, 1 << 20);
	free(big);
	t.spec.in.off = off;
}

START_TEST(an_input_that_shrinks_is_a_failure)
{
	struct err err;
	int round;

	ck_assert_int_eq(job_fault_install(NULL, &err), 0);
	for (round = 0; round < 3; round++) {
		big_input(round * 3000);
		TRY_FAILS(&t, &is_cut_plugin,
		    "read in.bin: the input became shorter while it was read");
		big_input(0);
		TRY_FAILS(&t, &writes_what_was_cut_plugin,
		    "the input became shorter while it was read");
		big_input(0);
		t.spec.out.off = 10;
		TRY_FAILS(&t, &output_is_cut_plugin,
		    "write out.bin: the output was made shorter");
		t.spec.out.off = 0;
		/* The thread goes on. */
		TRY_OK(&t, &passes_plugin);
	}
}
END_TEST

static int
cut_and_read(struct reeve_job *job)
{
	char buf[4096];
	ptrdiff_t n = job->api->read(job, buf, sizeof buf);

	if (n <= 0 || ftruncate(t.spec.in.fd, 5000) == -1)
		return -1;
	while ((n = job->api->read(job, buf, sizeof buf)) > 0)
		;
	return (int)n;
}
PLUGIN(cut_and_read);

START_TEST(an_input_that_shrinks_while_it_is_read)
{
	big_input(0);
	TRY_FAILS(&t, &cut_and_read_plugin, "the input became shorter");
}
END_TEST

/* What the hook saw, in memory that a crash leaves. */
static struct {
	int sig;
	uint64_t id;
} * board;

static void
hook(int sig, const struct job_run *run)
{
	board->sig = sig;
	board->id = run == NULL ? 0 : run->job.id;
}

#if !SANITIZED
static int
segfaults(struct reeve_job *job)
{
	*(volatile int *)job->user = 1;
	return 0;
}
PLUGIN(segfaults);
#endif

static int
aborts(struct reeve_job *job)
{
	(void)job;
	abort();
}
PLUGIN(aborts);

static int
illegal(struct reeve_job *job)
{
	(void)job;
	__builtin_trap();
}
PLUGIN(illegal);

#if !SANITIZED
static int
deeper(volatile char *p, int n)
{
	volatile char frame[4096];

	frame[0] = p[0];
	return n == 0 ? frame[0] : deeper(frame, n + 1) + frame[1];
}

static int
overflows(struct reeve_job *job)
{
	volatile char c = 0;

	(void)job;
	return deeper(&c, 1);
}
PLUGIN(overflows);
#endif

/* A fault in a mapping of its own is not ours to mend. */
static int
foreign_bus(struct reeve_job *job)
{
	volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED,
	    job->api->input_fd(job, NULL, NULL), 0);

	return p[4096];
}
PLUGIN(foreign_bus);

static void *
crashes_on_a_thread(void *arg)
{
	struct job_thread th;
	struct err err;

	ck_assert_int_eq(job_thread_init(&th, &err), 0);
	try_run(&t, arg);
	job_thread_fini(&th);
	return NULL;
}

static void
crashes(const struct reeve_job_plugin *p, int sig)
{
	struct rlimit none = { 0, 0 };
	struct err err;
	pthread_t th;
	int status;
	pid_t pid;

	memset(board, 0, sizeof *board);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		job_fault_install(hook, &err);
		pthread_create(
		    &th, NULL, crashes_on_a_thread, (void *)(uintptr_t)p);
		pthread_join(th, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == sig,
	    "it ended with status %#x, not signal %d", (unsigned)status, sig);
	ck_assert_int_eq(board->sig, sig);
	ck_assert_uint_eq(board->id, 7);
}

START_TEST(a_crash_names_the_job)
{
	board = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	try_bytes(&t, "short", 5);
	crashes(&aborts_plugin, SIGABRT);
	crashes(&illegal_plugin, SIGILL);
	crashes(&foreign_bus_plugin, SIGBUS);
#if !SANITIZED
	crashes(&segfaults_plugin, SIGSEGV);
	crashes(&overflows_plugin, SIGSEGV);
#endif
}
END_TEST

START_TEST(a_thread_gives_its_stack_back)
{
	struct job_thread th;
	struct err err;
	stack_t before, after;

	sigaltstack(NULL, &before);
	ck_assert_int_eq(job_thread_init(&th, &err), 0);
	sigaltstack(NULL, &after);
	ck_assert_int_eq(after.ss_flags & SS_DISABLE, 0);
	ck_assert_uint_ge(after.ss_size, 32768);
	job_thread_fini(&th);
	sigaltstack(NULL, &after);
	ck_assert_ptr_eq(before.ss_sp, after.ss_sp);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_create("fault");
	SRunner *sr;
	int failed;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_input_that_shrinks_is_a_failure);
	tcase_add_test(tc, an_input_that_shrinks_while_it_is_read);
	tcase_add_test(tc, a_crash_names_the_job);
	tcase_add_test(tc, a_thread_gives_its_stack_back);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
