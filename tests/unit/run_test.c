/*
 * run_test - what a job can do, and what it cannot do to the pool.
 */
#include "pool/run.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "job_try.h"

/* --- allocations are counted
 * ------------------------------------------------------- */

static _Atomic unsigned long allocations;

#if !SANITIZED
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t size);

void *
malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *
calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}
#endif

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

/* --- the plainest
 * ----------------------------------------------------------------- */

static int
nothing(struct reeve_job *job)
{
	return job->api->cancelled(job) ? -1 : 0;
}
PLUGIN(nothing);

START_TEST(an_empty_job_allocates_nothing)
{
	unsigned long before;
	struct err err;
	int i;

	TRY_OK(&t, &nothing_plugin);
	before = allocations;
	for (i = 0; i < 1000; i++)
		if (job_run_init(&t.run, &t.spec, &err) == -1 ||
		    job_run_exec(&t.run, &nothing_plugin) != JOB_OK)
			break;
	ck_assert_uint_eq(allocations, before);
	ck_assert_int_eq(i, 1000);
	ck_assert_uint_eq(t.run.bytes_in + t.run.bytes_out + t.run.allocs, 0);
}
END_TEST

static int
silent_failure(struct reeve_job *job)
{
	(void)job;
	return -1;
}
PLUGIN(silent_failure);

static int
two_reasons(struct reeve_job *job)
{
	reeve_job_fail(job, "first: %d", 42);
	return reeve_job_fail(job, "second");
}
PLUGIN(two_reasons);

static int
ugly_reason(struct reeve_job *job)
{
	job->api->answer(job, "an answer of a failure");
	return reeve_job_fail(job, "a\033[2Jb\nc\xff\xc3\xa4");
}
PLUGIN(ugly_reason);

START_TEST(a_failure_says_why)
{
	TRY_FAILS(&t, &silent_failure_plugin, "test failed and does not say");
	TRY_FAILS(&t, &two_reasons_plugin, "first: 42");
	ck_assert_int_eq(try_run(&t, &ugly_reason_plugin), JOB_FAILED);
	ck_assert_str_eq(t.run.err.text, "a?[2Jb?c?\xc3\xa4");
	ck_assert_str_eq(t.run.answer, "");
	/* The next one begins anew. */
	TRY_OK(&t, &nothing_plugin);
	ck_assert_str_eq(t.run.err.text, "");
}
END_TEST

static int
cancelled_one(struct reeve_job *job)
{
	while (!job->api->cancelled(job))
		;
	return reeve_job_fail(job, "stopped");
}
PLUGIN(cancelled_one);

static void *
cancel_soon(void *arg)
{
	char text[JOB_TEXT_MAX];

	(void)arg;
	(void)job_progress_get(&t.progress, text, sizeof text);
	t.cancel = 1;
	return NULL;
}

START_TEST(cancel)
{
	pthread_t th;

	ck_assert_int_eq(pthread_create(&th, NULL, cancel_soon, NULL), 0);
	ck_assert_int_eq(try_run(&t, &cancelled_one_plugin), JOB_CANCELLED);
	pthread_join(th, NULL);
	/* Done all the same is done. */
	t.spec.cancel = NULL;
	TRY_OK(&t, &nothing_plugin);
}
END_TEST

/* --- arguments, answer, progress
 * ------------------------------------------------------- */

static int
says_args(struct reeve_job *job)
{
	const char *v = job->api->arg(job, "size");

	ck_assert_ptr_null(job->api->arg(job, "siz"));
	ck_assert_ptr_null(job->api->arg(job, "sizes"));
	return job->api->answer(job, v == NULL ? "none" : v);
}
PLUGIN(says_args);

START_TEST(arguments)
{
	TRY_OK(&t, &says_args_plugin);
	ck_assert_str_eq(t.run.answer, "none");
	try_arg(&t, "colour=red=dark");
	try_arg(&t, "size=");
	TRY_OK(&t, &says_args_plugin);
	ck_assert_str_eq(t.run.answer, "");
	t.args[1] = "size=10x20";
	TRY_OK(&t, &says_args_plugin);
	ck_assert_str_eq(t.run.answer, "10x20");
}
END_TEST

static void
refuses(const char *arg, const char *what)
{
	struct err err = { 0 };

	t.spec.nargs = 1;
	t.args[0] = "a=1";
	try_arg(&t, arg);
	ck_assert_int_eq(job_run_init(&t.run, &t.spec, &err), -1);
	ck_assert_msg(strstr(err.text, what) != NULL, "it says: %s", err.text);
}

START_TEST(arguments_have_bounds)
{
	char *big = xmalloc(JOB_ARG_LEN_MAX + 2);
	struct err err = { 0 };

	memset(big, 'x', JOB_ARG_LEN_MAX + 1);
	big[1] = '=';
	big[JOB_ARG_LEN_MAX + 1] = '\0';
	refuses("size", "name=value");
	refuses("=5", "name=value");
	refuses("Size=5", "name=value");
	refuses("a=2", "given twice");
	refuses(big, "longer than 4096");
	big[JOB_ARG_LEN_MAX] = '\0';
	t.spec.nargs = 0;
	try_arg(&t, big);
	ck_assert_int_eq(job_run_init(&t.run, &t.spec, &err), 0);
	t.spec.nargs = JOB_ARGS_MAX + 1;
	ck_assert_int_eq(job_run_init(&t.run, &t.spec, &err), -1);
	free(big);
}
END_TEST

static int
long_answer(struct reeve_job *job)
{
	static char text[JOB_ANSWER_MAX + 2];

	memset(text, 'x', JOB_ANSWER_MAX);
	if (job->api->answer(job, text) == -1)
		return -1;
	text[JOB_ANSWER_MAX] = 'y';
	return job->api->answer(job, text);
}
PLUGIN(long_answer);

static int
two_lines(struct reeve_job *job)
{
	return job->api->answer(job, "one\ntwo");
}
PLUGIN(two_lines);

START_TEST(answers_have_bounds)
{
	TRY_FAILS(&t, &long_answer_plugin, "4097 bytes: more than 4096");
	TRY_FAILS(&t, &two_lines_plugin, "not one line");
}
END_TEST

static int
tells(struct reeve_job *job)
{
	char text[JOB_TEXT_MAX];

	job->api->progress(job, 130, "much\tto do");
	ck_assert_int_eq(job_progress_get(&t.progress, text, sizeof text), 100);
	ck_assert_str_eq(text, "much?to do");
	job->api->progress(job, -3, NULL);
	ck_assert_int_eq(job_progress_get(&t.progress, text, sizeof text), 0);
	ck_assert_str_eq(text, "");
	job->api->progress(job, 42, "the end");
	return 0;
}
PLUGIN(tells);

START_TEST(progress_is_read_while_it_runs)
{
	char text[8];

	TRY_OK(&t, &tells_plugin);
	ck_assert_int_eq(job_progress_get(&t.progress, text, sizeof text), 42);
	ck_assert_str_eq(text, "the end");
}
END_TEST

static _Atomic int telling;

static void *
tells_a_lot(void *arg)
{
	char text[JOB_TEXT_MAX];
	int i;

	(void)arg;
	for (i = 0; i < 20000; i++) {
		memset(text, 'a' + i % 26, sizeof text - 1);
		text[(size_t)(i % 100) + 10] = '\0';
		job_progress_set(&t.progress, i % 101, text);
	}
	telling = 0;
	return NULL;
}

START_TEST(progress_is_never_half_a_text)
{
	char text[JOB_TEXT_MAX];
	pthread_t th;

	telling = 1;
	ck_assert_int_eq(pthread_create(&th, NULL, tells_a_lot, NULL), 0);
	while (telling) {
		job_progress_get(&t.progress, text, sizeof text);
		ck_assert_uint_eq(
		    strspn(text, (char[]){ text[0], '\0' }), strlen(text));
	}
	pthread_join(th, NULL);
}
END_TEST

/* --- reading
 * ---------------------------------------------------------------------------
 */

static char seen[1 << 20];
static size_t seen_n;

static int
reads(struct reeve_job *job)
{
	ptrdiff_t n;

	seen_n = 0;
	while ((n = job->api->read(job, seen + seen_n, 7)) > 0)
		seen_n += (size_t)n;
	return (int)n;
}
PLUGIN(reads);

static int
maps(struct reeve_job *job)
{
	const char *p = job->api->map(job, &seen_n);

	if (p == NULL)
		return -1;
	memcpy(seen, p, seen_n);
	return job->api->map(job, &seen_n) == NULL ? -1 : 0;
}
PLUGIN(maps);

static void
sees(const char *want)
{
	ck_assert_uint_eq(seen_n, strlen(want));
	ck_assert_mem_eq(seen, want, seen_n);
	ck_assert_uint_eq(t.run.bytes_in, seen_n);
	seen_n = 0;
}

START_TEST(input_is_a_file_or_a_part_of_it)
{
	try_bytes(&t, "0123456789abcdefghij", 20);
	lseek(t.spec.in.fd, 3, SEEK_SET); /* means nothing */
	TRY_OK(&t, &reads_plugin);
	sees("0123456789abcdefghij");
	TRY_OK(&t, &maps_plugin);
	sees("0123456789abcdefghij");
	t.spec.in.off = 5;
	t.spec.in.len = 10;
	TRY_OK(&t, &reads_plugin);
	sees("56789abcde");
	ck_assert_int_eq(job_progress_get(&t.progress, NULL, 0), 100);
	TRY_OK(&t, &maps_plugin);
	sees("56789abcde");
	t.spec.in.len = -1;
	TRY_OK(&t, &maps_plugin);
	sees("56789abcdefghij");
	t.spec.in.off = 20;
	TRY_OK(&t, &maps_plugin);
	sees("");
	TRY_OK(&t, &reads_plugin);
	sees("");
	ck_assert_int_eq(lseek(t.spec.in.fd, 0, SEEK_CUR), 3);
}
END_TEST

START_TEST(a_range_must_be_there)
{
	try_bytes(&t, "0123456789", 10);
	t.spec.in.off = 5;
	t.spec.in.len = 6;
	TRY_FAILS(&t, &reads_plugin,
	    "read in.bin: the range 5+6 goes beyond its end (10 bytes)");
	TRY_FAILS(&t, &maps_plugin, "goes beyond its end");
	t.spec.in.off = 11;
	t.spec.in.len = -1;
	TRY_FAILS(&t, &reads_plugin, "goes beyond its end");
	t.spec.in.off = INT64_MAX;
	t.spec.in.len = INT64_MAX;
	TRY_FAILS(&t, &reads_plugin, "goes beyond its end");
}
END_TEST

START_TEST(a_sealed_buffer_is_readable)
{
	try_bytes(&t, "sealed", 6);
	ck_assert_int_eq(fcntl(t.spec.in.fd, F_ADD_SEALS,
			     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW),
	    0);
	TRY_OK(&t, &maps_plugin);
	sees("sealed");
}
END_TEST

START_TEST(no_input_is_an_error)
{
	TRY_FAILS(&t, &reads_plugin, "no input was given");
	TRY_FAILS(&t, &maps_plugin, "no input was given");
	t.spec.in.fd = open("/", O_RDONLY | O_DIRECTORY);
	TRY_FAILS(&t, &reads_plugin, "Is a directory");
}
END_TEST

static void
pipe_with(const char *text)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(fds[1], text, strlen(text)), 0);
	close(fds[1]);
	fd_closep(&t.spec.in.fd);
	t.spec.in.fd = fds[0];
}

START_TEST(input_is_a_pipe)
{
	pipe_with("through a pipe");
	TRY_OK(&t, &reads_plugin);
	sees("through a pipe");
	pipe_with("through a pipe");
	TRY_OK(&t, &maps_plugin);
	sees("through a pipe");
	pipe_with("more than the memory it may have");
	t.spec.memory_max = 10;
	TRY_FAILS(&t, &maps_plugin, "more than 10 bytes from a pipe");
	pipe_with("x");
	t.spec.in.off = 1;
	TRY_FAILS(&t, &reads_plugin, "a range of it cannot be read");
}
END_TEST

START_TEST(a_pipe_that_says_nothing_can_be_cancelled)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	t.spec.in.fd = fds[0];
	t.cancel = 1;
	ck_assert_int_eq(try_run(&t, &reads_plugin), JOB_CANCELLED);
	close(fds[1]);
}
END_TEST

static int
careless(struct reeve_job *job)
{
	char c;

	job->api->read(job, &c, 1);
	job->api->write(job, "x", 1);
	return 0;
}
PLUGIN(careless);

START_TEST(an_error_that_is_overlooked_fails_the_job)
{
	TRY_FAILS(&t, &careless_plugin, "no input was given");
}
END_TEST

/* --- writing
 * -------------------------------------------------------------------------- */

static char pattern[300000];

static int
writes(struct reeve_job *job)
{
	size_t i;

	for (i = 0; i < sizeof pattern; i += 1000)
		if (job->api->write(job, pattern + i, 1000) == -1)
			return -1;
	return 0;
}
PLUGIN(writes);

static int
writes_map(struct reeve_job *job)
{
	char *p = job->api->map_output(job, 5000);

	if (p == NULL)
		return -1;
	memset(p, 'm', 5000);
	return 0;
}
PLUGIN(writes_map);

START_TEST(output_is_a_file_or_a_part_of_it)
{
	char *out;
	size_t n;

	try_bytes(&t, "", 0);
	TRY_OK(&t, &writes_plugin);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, sizeof pattern);
	ck_assert_mem_eq(out, pattern, n);
	ck_assert_uint_eq(t.run.bytes_out, n);
	free(out);
	try_bytes(&t, "", 0);
	t.spec.out.off = 100;
	t.spec.out.len = 250000;
	TRY_FAILS(&t, &writes_plugin,
	    "write out.bin: more than the 250000 bytes it may hold");
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 250100);
	ck_assert_mem_eq(out + 100, pattern, 250000);
	free(out);
	t.spec.out.fd = (close(t.spec.out.fd), -1);
	TRY_FAILS(&t, &writes_plugin, "no output was given");
}
END_TEST

START_TEST(output_in_memory)
{
	char *out;
	size_t n;

	try_bytes(&t, "", 0);
	ck_assert_int_eq(pwrite(t.spec.out.fd, "before", 6, 0), 6);
	ck_assert_int_eq(pwrite(t.spec.out.fd, "behind", 6, 5006), 6);
	t.spec.out.off = 6;
	t.spec.out.len = 5000;
	TRY_OK(&t, &writes_map_plugin);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 5012);
	ck_assert_mem_eq(out, "beforem", 7);
	ck_assert_mem_eq(out + 5005, "mbehind", 7);
	free(out);
	ck_assert_uint_eq(t.run.bytes_out, 5000);
	t.spec.out.len = 4999;
	TRY_FAILS(&t, &writes_map_plugin, "more than the 4999 bytes");
	t.spec.out.len = 5000;
	ck_assert_int_eq(fcntl(t.spec.out.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	TRY_FAILS(&t, &writes_map_plugin, "write out.bin: Operation not");
}
END_TEST

START_TEST(output_that_nobody_reads)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	t.spec.out.fd = fds[1];
	TRY_FAILS(&t, &writes_plugin, "write out.bin: nobody reads it");
	close(t.spec.out.fd);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[0]);
	t.spec.out.fd = fds[1];
	TRY_FAILS(&t, &writes_plugin, "write out.bin: nobody reads it");
}
END_TEST

static void *
drains(void *arg)
{
	int fd = *(int *)arg;
	ssize_t n;

	seen_n = 0;
	while ((n = read(fd, seen + seen_n, sizeof seen - seen_n)) > 0)
		seen_n += (size_t)n;
	return NULL;
}

START_TEST(output_is_a_pipe)
{
	int fds[2];
	pthread_t th;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	t.spec.out.fd = fds[1];
	ck_assert_int_eq(pthread_create(&th, NULL, drains, &fds[0]), 0);
	TRY_OK(&t, &writes_plugin);
	fd_closep(&t.spec.out.fd);
	pthread_join(th, NULL);
	close(fds[0]);
	ck_assert_uint_eq(seen_n, sizeof pattern);
	ck_assert_mem_eq(seen, pattern, seen_n);
	/* One that is full, and whose reader is gone to sleep. */
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], pattern, 4096) > 0)
		;
	t.spec.out.fd = fds[1];
	t.cancel = 1;
	ck_assert_int_eq(try_run(&t, &writes_plugin), JOB_CANCELLED);
	close(fds[0]);
}
END_TEST

START_TEST(a_full_disk)
{
	struct rlimit rl = { 100000, 100000 };

	try_bytes(&t, "", 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	TRY_FAILS(&t, &writes_plugin, "write out.bin: File too large");
	fd_closep(&t.spec.out.fd);
	t.spec.out.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	TRY_FAILS(&t, &writes_plugin, "write out.bin: No space left");
}
END_TEST

/* --- from the one to the other
 * ---------------------------------------------------------- */

static int
passes(struct reeve_job *job)
{
	ptrdiff_t n;

	while ((n = job->api->pass(job, 70000)) > 0)
		;
	return (int)n;
}
PLUGIN(passes);

static void
passed(size_t from, size_t want)
{
	char *out;
	size_t n;

	TRY_OK(&t, &passes_plugin);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, want);
	ck_assert_mem_eq(out, pattern + from, want);
	ck_assert_uint_eq(t.run.bytes_in, want);
	ck_assert_uint_eq(t.run.bytes_out, want);
	free(out);
}

START_TEST(pass_between_files)
{
	try_bytes(&t, pattern, sizeof pattern);
	passed(0, sizeof pattern);
	try_bytes(&t, pattern, sizeof pattern);
	t.spec.in.off = 12345;
	t.spec.in.len = 200001;
	t.spec.out.len = 200001;
	passed(12345, 200001);
	t.spec.out.len = 200000;
	TRY_FAILS(&t, &passes_plugin, "more than the 200000 bytes");
	try_bytes(&t, "", 0);
	t.spec.in.off = 0;
	t.spec.in.len = t.spec.out.len = -1;
	passed(0, 0);
}
END_TEST

static void
passed_holes(size_t n, bool kept)
{
	struct stat in, out;

	lseek(t.spec.in.fd, 77, SEEK_SET);
	lseek(t.spec.out.fd, 0, SEEK_SET);
	TRY_OK(&t, &passes_plugin);
	ck_assert_uint_eq(t.run.bytes_in, n);
	ck_assert_uint_eq(t.run.bytes_out, n);
	ck_assert_int_eq(lseek(t.spec.in.fd, 0, SEEK_CUR), 77);
	ck_assert_int_eq(fstat(t.spec.in.fd, &in), 0);
	ck_assert_int_eq(fstat(t.spec.out.fd, &out), 0);
	ck_assert_int_eq(out.st_blocks < (int64_t)n / 1024, kept);
}

/* At the beginning, between, at the end. */
START_TEST(pass_keeps_holes)
{
	const size_t at[] = { 1 << 20, 5 << 20 }, all = 9 << 20;
	char *out;
	size_t n;

	try_bytes(&t, "", 0);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(
		    pwrite(t.spec.in.fd, pattern, sizeof pattern, (off_t)at[i]),
		    sizeof pattern);
	ck_assert_int_eq(ftruncate(t.spec.in.fd, (off_t)all), 0);
	passed_holes(all, true);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, all);
	for (size_t i = 0; i < 2; i++)
		ck_assert_mem_eq(out + at[i], pattern, sizeof pattern);
	for (size_t i = 0; i < at[0]; i++)
		ck_assert_int_eq(out[i], 0);
	free(out);
	/* What is there must be written over. */
	passed_holes(all, false);
	/* A part of it that ends in a hole, and begins in one. */
	ck_assert_int_eq(ftruncate(t.spec.out.fd, 0), 0);
	t.spec.in.off = 4 << 20;
	t.spec.in.len = 4 << 20;
	passed_holes(4 << 20, true);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 4 << 20);
	ck_assert_mem_eq(out + (1 << 20), pattern, sizeof pattern);
	free(out);
	t.spec.in.off = 0;
	t.spec.in.len = -1;
}
END_TEST

static void *
feeds(void *arg)
{
	int fd = *(int *)arg;

	fd_write_all(fd, pattern, sizeof pattern);
	close(fd);
	return NULL;
}

START_TEST(pass_from_a_pipe)
{
	int fds[2];
	pthread_t th;

	try_bytes(&t, "", 0);
	close(t.spec.in.fd);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	t.spec.in.fd = fds[0];
	ck_assert_int_eq(pthread_create(&th, NULL, feeds, &fds[1]), 0);
	passed(0, sizeof pattern);
	pthread_join(th, NULL);
}
END_TEST

/* --- memory
 * ----------------------------------------------------------------------------
 */

static int
forgets(struct reeve_job *job)
{
	char *a = job->api->alloc(job, 1000), *b = job->api->alloc(job, 1000);
	char *c = job->api->alloc(job, 1);
	size_t i;

	for (i = 0; i < 1000; i++)
		if (a[i] != 0)
			return -1;
	memset(a, 'a', 1000);
	memset(b, 'b', 1000);
	*c = 'c';
	job->api->release(job, b);
	job->api->release(job, NULL);
	return job->api->alloc(job, 500) == NULL ? -1 : 0;
}
PLUGIN(forgets);

static int
greedy(struct reeve_job *job)
{
	return job->api->alloc(job, SIZE_MAX - 3) == NULL ? -1 : 0;
}
PLUGIN(greedy);

static int
rubbish(struct reeve_job *job)
{
	static char mine[200] __attribute__((aligned(16)));

	job->api->release(job, mine + 96);
	return 0;
}
PLUGIN(rubbish);

START_TEST(memory_is_given_back)
{
	TRY_OK(&t, &forgets_plugin);
	ck_assert_uint_eq(t.run.allocs, 4);
	ck_assert_ptr_null(t.run.blocks);
	t.spec.memory_max = 2001;
	TRY_OK(&t, &forgets_plugin);
	t.spec.memory_max = 2000;
	TRY_FAILS(&t, &greedy_plugin, "more memory than the 2000 bytes");
	t.spec.memory_max = 0;
	TRY_FAILS(&t, &greedy_plugin, "memory");
	TRY_FAILS(&t, &rubbish_plugin, "released memory that");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("run");
	SRunner *sr;
	size_t i;
	int failed;

	for (i = 0; i < sizeof pattern; i++)
		pattern[i] = (char)(i * 7 + i / 251);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_job_allocates_nothing);
	tcase_add_test(tc, a_failure_says_why);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, arguments_have_bounds);
	tcase_add_test(tc, answers_have_bounds);
	tcase_add_test(tc, progress_is_read_while_it_runs);
	tcase_add_test(tc, progress_is_never_half_a_text);
	tcase_add_test(tc, input_is_a_file_or_a_part_of_it);
	tcase_add_test(tc, a_range_must_be_there);
	tcase_add_test(tc, a_sealed_buffer_is_readable);
	tcase_add_test(tc, no_input_is_an_error);
	tcase_add_test(tc, input_is_a_pipe);
	tcase_add_test(tc, a_pipe_that_says_nothing_can_be_cancelled);
	tcase_add_test(tc, an_error_that_is_overlooked_fails_the_job);
	tcase_add_test(tc, output_is_a_file_or_a_part_of_it);
	tcase_add_test(tc, output_in_memory);
	tcase_add_test(tc, output_that_nobody_reads);
	tcase_add_test(tc, output_is_a_pipe);
	tcase_add_test(tc, a_full_disk);
	tcase_add_test(tc, pass_between_files);
	tcase_add_test(tc, pass_keeps_holes);
	tcase_add_test(tc, pass_from_a_pipe);
	tcase_add_test(tc, memory_is_given_back);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
