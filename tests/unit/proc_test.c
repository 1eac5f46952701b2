/* proc_test - /proc of processes that are in every state there is. */
#include "base/proc.h"

#include <sys/wait.h>

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "try_main.h"

#define MARK  "PROC_TEST=mark"
#define AGAIN "proc-test-again" /* argv[0] of one that executes itself */
#define LOOKS 4000
#define MAX   (1 << 20)

static struct buf env;
static pid_t child;

static void
set_up(void)
{
	buf_init(&env);
	child = 0;
}

static void
tear_down(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	buf_fini(&env);
}

/* One that executes itself for ever when it is called AGAIN. */
static void
start(char name[], char *const envp[])
{
	char *argv[] = { name, NULL };

	child = fork();
	ck_assert_int_ne(child, -1);
	if (child != 0)
		return;
	execve("/proc/self/exe", argv, envp);
	_exit(1);
}

static bool
has(const char *text)
{
	return env.len > 0 && memmem(env.data, env.len, text, strlen(text) + 1);
}

START_TEST(proc_tells_of_this_one)
{
	struct proc p;

	ck_assert(proc_read(&p, getpid()));
	ck_assert_int_eq(p.pid, getpid());
	ck_assert_int_eq(p.parent, getppid());
	ck_assert_int_eq(p.session, getsid(0));
	ck_assert(p.is_alive);
	ck_assert_uint_gt(p.start, 0);
	ck_assert_uint_gt(p.memory, 0);
	ck_assert_uint_gt(p.env_end, p.env_begin);
	ck_assert_int_eq(proc_environ(&env, getpid(), MAX), PROC_ENV_READ);
	ck_assert(env.len > 0 && env.data[env.len] == '\0');
}
END_TEST

START_TEST(proc_has_ended)
{
	struct proc p;
	siginfo_t si;

	child = fork();
	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT), 0);
	ck_assert(proc_read(&p, child));
	ck_assert(!p.is_alive);
	ck_assert_int_eq(proc_environ(&env, child, MAX), PROC_ENV_HIDDEN);
	waitpid(child, NULL, 0);
	ck_assert(!proc_read(&p, child));
	ck_assert_int_eq(proc_environ(&env, child, MAX), PROC_ENV_HIDDEN);
	child = 0;
}
END_TEST

/* Threads of the kernel have no memory; 2 is one, but in a container. */
START_TEST(proc_is_the_kernels)
{
	struct proc p;

	if (!proc_read(&p, 2) || p.memory != 0)
		return;
	ck_assert(p.is_alive);
	ck_assert_int_eq(proc_environ(&env, 2, MAX), PROC_ENV_HIDDEN);
}
END_TEST

START_TEST(proc_has_no_environment)
{
	char name[] = "proc-test-sleeps", *none[] = { NULL };
	enum proc_env how;

	start(name, none);
	/* Until it is itself: it has ours first. */
	do
		how = proc_environ(&env, child, MAX);
	while (how == PROC_ENV_SOON || env.len > 0);
	ck_assert_int_eq(how, PROC_ENV_READ);
}
END_TEST

/* In one of twenty looks, or so, it has no environment. */
START_TEST(proc_executes)
{
	char name[] = AGAIN, first[] = "A=1", mark[] = MARK, last[] = "B=2";
	char *envp[] = { first, mark, last, NULL };
	int read = 0;

	start(name, envp);
	while (proc_environ(&env, child, MAX) == PROC_ENV_SOON || !has(MARK))
		;
	for (int i = 0; i < LOOKS; i++)
		switch (proc_environ(&env, child, MAX)) {
		case PROC_ENV_READ:
			ck_assert(has(MARK));
			read++;
			break;
		case PROC_ENV_SOON:
			break;
		case PROC_ENV_HIDDEN:
			ck_abort_msg("it is there, and ours");
		}
	ck_assert_int_gt(read, 0);
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_test(tc, proc_tells_of_this_one);
	tcase_add_test(tc, proc_has_ended);
	tcase_add_test(tc, proc_is_the_kernels);
	tcase_add_test(tc, proc_has_no_environment);
	tcase_add_test(tc, proc_executes);
}

int
main(int argc, char *argv[])
{
	if (argc > 0 && strcmp(argv[0], AGAIN) == 0)
		execv("/proc/self/exe", argv);
	if (argc > 0 && strcmp(argv[0], "proc-test-sleeps") == 0)
		for (;;)
			pause();
	return try_main("proc", add_all, set_up, tear_down);
}
