/*
 * sweep_test - what a command left is found though it can't be told whose it is
 * when it is looked at first.
 *
 * The processes are real; what /proc says of them is made up here.
 */
#include <sys/wait.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "pool/kinds/command.h"
#include "try_main.h"

static struct command c;
static pid_t left;        /* the one that is looked for */
static pid_t left_parent; /* as it is told */
static int asked, soon;   /* looks at its environment; so many in vain */

bool
proc_read(struct proc *p, pid_t pid)
{
	memset(p, 0, sizeof *p);
	p->pid = p->session = pid;
	p->parent = left_parent;
	p->start = 7;
	/* It is killed, or about to be; who asks then has enough. */
	p->is_alive = pid == left && kill(pid, 0) == 0 &&
		      waitpid(pid, NULL, WNOHANG) == 0;
	return pid == left || pid == c.pid;
}

enum proc_env
proc_environ(struct buf *b, pid_t pid, size_t max)
{
	(void)max;
	b->len = 0;
	if (pid != left)
		return PROC_ENV_HIDDEN;
	if (++asked <= soon)
		return PROC_ENV_SOON;
	buf_add(b, "A=1", 4);
	buf_add(b, c.mark, strlen(c.mark) + 1);
	return PROC_ENV_READ;
}

static pid_t
sleeper(void)
{
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	while (pid == 0)
		pause();
	return pid;
}

static void
set_up(void)
{
	memset(&c, 0, sizeof c);
	command_mark(&c);
	c.pid = sleeper();
	left = sleeper();
	left_parent = 1;
	asked = soon = 0;
}

static void
tear_down(void)
{
	kill(c.pid, SIGKILL);
	waitpid(c.pid, NULL, 0);
	if (kill(left, SIGKILL) == 0)
		waitpid(left, NULL, 0);
}

static bool
is_left(void)
{
	return kill(left, 0) == 0 && waitpid(left, NULL, WNOHANG) == 0;
}

START_TEST(sweep_ends_who_has_the_mark)
{
	command_sweep(&c);
	ck_assert(!is_left());
}
END_TEST

START_TEST(sweep_waits_for_an_exec)
{
	soon = 9;
	command_sweep(&c);
	ck_assert(!is_left());
	ck_assert_int_gt(asked, soon);
}
END_TEST

/* One that hangs there does not hold up its job for ever. */
START_TEST(sweep_does_not_wait_for_ever)
{
	soon = 1 << 20;
	command_sweep(&c);
	ck_assert(is_left());
	ck_assert_int_gt(asked, 10);
}
END_TEST

/* A program of ours that has just been started is another job's. */
START_TEST(sweep_lets_other_jobs_start)
{
	soon = 1 << 20;
	left_parent = getpid();
	command_sweep(&c);
	ck_assert(is_left());
	ck_assert_int_eq(asked, 1);
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_test(tc, sweep_ends_who_has_the_mark);
	tcase_add_test(tc, sweep_waits_for_an_exec);
	tcase_add_test(tc, sweep_does_not_wait_for_ever);
	tcase_add_test(tc, sweep_lets_other_jobs_start);
}

int
main(void)
{
	return try_main("sweep", add_all, set_up, tear_down);
}
