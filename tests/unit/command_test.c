/*
 * command_test - a program as a job: what it is given, how it ends, and what is
 * left of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "job_bytes.h"

static void
script(const char *line)
{
	static char arg[512];

	snprintf(arg, sizeof arg, "arg2=%s", line);
	t.spec.nargs = 0;
	try_arg(&t, "program=sh");
	try_arg(&t, "arg1=-c");
	try_arg(&t, arg);
}

/* What the program made of the bytes. */
static void
makes(const void *bytes, size_t n, const void *want, size_t want_n)
{
	unsigned char *out = through(&job_kind_command, bytes, &n);

	ck_assert_uint_eq(n, want_n);
	ck_assert_mem_eq(out, want, n);
	ck_assert_uint_eq(t.run.bytes_out, n);
	free(out);
}

START_TEST(command_is_a_filter)
{
	unsigned char *plain = material(1000003);

	try_arg(&t, "program=cat");
	makes(plain, 1000003, plain, 1000003);
	makes("", 0, "", 0);
	/* Through pipes of ours: the output is bounded. */
	t.spec.out.len = 1000003;
	makes(plain, 1000003, plain, 1000003);
	t.spec.out.len = 1000002;
	damaged(&job_kind_command, plain, 1000003, "more than the 1000002");
	free(plain);
	t.spec.out.len = -1;
	script("tr a-z A-Z; echo \"$0 $1\"");
	try_arg(&t, "arg3=$HOME; {input}");
	try_arg(&t, "arg4={output} {x}");
	makes("abc", 3, "ABC$HOME; /dev/stdin /dev/stdout {x}\n", 37);
}
END_TEST

START_TEST(command_takes_a_part)
{
	unsigned char *plain = material(1000003);
	char *out;
	size_t n;

	try_bytes(&t, plain, 1000003);
	t.spec.in.off = 100001;
	t.spec.in.len = 800000;
	try_arg(&t, "program=cat");
	TRY_OK(&t, &job_kind_command);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 800000);
	ck_assert_mem_eq(out, plain + 100001, n);
	ck_assert_uint_eq(t.run.bytes_in, n);
	free(out);
	/* One that does not want all of it is content. */
	try_bytes(&t, plain, 1000003);
	t.args[0] = "program=head";
	try_arg(&t, "arg1=-c5");
	TRY_OK(&t, &job_kind_command);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 5);
	free(out);
	free(plain);
}
END_TEST

START_TEST(command_is_given_names)
{
	char in[] = "/tmp/kinds_in.XXXXXX", out[] = "/tmp/kinds_out.XXXXXX";
	char *got;
	size_t n;

	try_fini(&t);
	t.spec.in.fd = mkstemp(in);
	t.spec.out.fd = mkstemp(out);
	t.spec.in.name = in;
	t.spec.out.name = out;
	ck_assert_int_eq(fd_write_all(t.spec.in.fd, "by name", 7), 0);
	/* What it prints is not the output then. */
	script("cp \"$0\" \"${1#of=}\"; echo chatter; cat");
	try_arg(&t, "arg3={input}");
	try_arg(&t, "arg4=of={output}");
	TRY_OK(&t, &job_kind_command);
	got = try_output(&t, &n);
	ck_assert_str_eq(got, "by name");
	free(got);
	/* Another file of that name is not the job's. */
	ck_assert_int_eq(unlink(in), 0);
	close(open(in, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	script("cat \"$0\"");
	try_arg(&t, "arg3={input}");
	TRY_OK(&t, &job_kind_command);
	got = try_output(&t, &n);
	ck_assert_str_eq(got, "by name");
	free(got);
	unlink(in);
	unlink(out);
}
END_TEST

START_TEST(command_says_how_it_failed)
{
	try_bytes(&t, "", 0);
	script("echo first >&2; echo 'no such thing' >&2; exit 3");
	TRY_FAILS(&t, &job_kind_command, "sh exited with 3: no such thing");
	script("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1");
	TRY_FAILS(&t, &job_kind_command, "sh exited with 1: xxxx");
	script("kill -9 $$");
	TRY_FAILS(&t, &job_kind_command, "sh was killed by signal 9 (Killed)");
	script("kill -PIPE $$");
	TRY_FAILS(&t, &job_kind_command, "sh was killed by signal 13");
	t.spec.nargs = 0;
	TRY_FAILS(&t, &job_kind_command, "program=PATH is needed");
	try_arg(&t, "program=/nowhere/prog");
	TRY_FAILS(&t, &job_kind_command, "run /nowhere/prog: No such file");
	t.args[0] = "program=true";
	try_arg(&t, "arg2=skipped");
	TRY_FAILS(&t, &job_kind_command, "test has no argument arg2");
	t.spec.nargs = 1;
	TRY_OK(&t, &job_kind_command);
	/* It needs neither input nor output. */
	try_fini(&t);
	TRY_OK(&t, &job_kind_command);
}
END_TEST

static bool
is_alive(long pid)
{
	char path[40], state = 'X';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state != 'Z' && state != 'X';
}

/* Up to three numbers that the program printed: they are dead at once. */
static void
all_are_dead(void)
{
	long pids[3] = { 0 };
	char *out;
	size_t n;

	out = try_output(&t, &n);
	ck_assert_int_ge(
	    sscanf(out, "%ld %ld %ld", &pids[0], &pids[1], &pids[2]), 1);
	free(out);
	for (int i = 0; i < 3; i++)
		while (pids[i] != 0 && is_alive(pids[i]))
			poll(NULL, 0, 5);
}

static void *
cancels_when_it_has_begun(void *arg)
{
	char text[64];

	while (pread(*(int *)arg, text, sizeof text, 0) <= 0 ||
	       memchr(text, '\n', sizeof text) == NULL)
		poll(NULL, 0, 5);
	t.cancel = 1;
	return NULL;
}

START_TEST(command_dies_with_its_tree)
{
	pthread_t th;

	/* One in its group, one that left the group, and itself. */
	script("sleep 1000 & a=$!; setsid sleep 1000 & echo $$ $a $!; wait");
	try_bytes(&t, "", 0);
	ck_assert_int_eq(pthread_create(&th, NULL, cancels_when_it_has_begun,
			     &t.spec.out.fd),
	    0);
	ck_assert_int_eq(try_run(&t, &job_kind_command), JOB_CANCELLED);
	pthread_join(th, NULL);
	all_are_dead();
}
END_TEST

START_TEST(command_leaves_nothing_running)
{
	script("sleep 1000 & echo $!");
	try_bytes(&t, "", 0);
	TRY_OK(&t, &job_kind_command);
	all_are_dead();
}
END_TEST

/* A session of its own, and no parent but the machine's: a daemon. */
START_TEST(command_leaves_no_daemon)
{
	script("setsid sh -c 'sleep 1000 & echo $! $$; wait' & "
	       "while ! test -s \"$0\"; do sleep 0.01; done");
	try_arg(&t, "arg3=/dev/stdout");
	try_bytes(&t, "", 0);
	TRY_OK(&t, &job_kind_command);
	all_are_dead();
	/* One with another environment, below one that has it. */
	script("setsid sh -c 'env -i sh -c \"echo \\$\\$; exec sleep 1000\"' & "
	       "while ! test -s \"$0\"; do sleep 0.01; done");
	try_arg(&t, "arg3=/dev/stdout");
	try_bytes(&t, "", 0);
	TRY_OK(&t, &job_kind_command);
	all_are_dead();
}
END_TEST

static TCase *
command_case(void)
{
	TCase *tc = tcase_create("command");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, command_is_a_filter);
	tcase_add_test(tc, command_takes_a_part);
	tcase_add_test(tc, command_is_given_names);
	tcase_add_test(tc, command_says_how_it_failed);
	tcase_add_test(tc, command_dies_with_its_tree);
	tcase_add_test(tc, command_leaves_nothing_running);
	tcase_add_test(tc, command_leaves_no_daemon);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("command");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, command_case());
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
