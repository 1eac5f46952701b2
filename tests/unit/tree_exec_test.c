/*
 * tree_exec_test - who is within execve when trees are looked for has no mark
 * that can be read, and is looked at again.
 *
 * The process is real; what /proc says of it is made up here.
 */
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "tree/tree.h"
#include "try_main.h"

#define KEEPER 1 /* it stands for one */

static char mark[] = "7.7.7";
static struct tree tree;
static struct tree_left left;
static pid_t member;
static int asked, soon; /* looks at its environment; so many in vain */

static bool
is_there(void)
{
	return kill(member, 0) == 0 && waitpid(member, NULL, WNOHANG) == 0;
}

static void
dies(void)
{
	while (is_there())
		poll(NULL, 0, 1);
}

bool
proc_read(struct proc *p, pid_t pid)
{
	memset(p, 0, sizeof *p);
	if (pid != member)
		return false;
	p->pid = p->session = pid;
	p->parent = KEEPER;
	p->start = 7;
	p->is_alive = is_there();
	return true;
}

enum proc_env
proc_environ(struct buf *b, pid_t pid, size_t max)
{
	(void)max;
	b->len = 0;
	if (pid != member)
		return PROC_ENV_HIDDEN;
	if (++asked <= soon)
		return PROC_ENV_SOON;
	buf_addf(b, "REEVE_TREE=%s", tree.mark);
	b->len++;
	return PROC_ENV_READ;
}

static void
set_up(void)
{
	struct tree_left *one = &left;

	memset(&tree, 0, sizeof tree);
	memset(&left, 0, sizeof left);
	tree.mark = mark;
	tree.leader_gone = true;
	one->tree = &tree;
	member = fork();
	ck_assert_int_ne(member, -1);
	while (member == 0)
		pause();
	asked = soon = 0;
}

static void
tear_down(void)
{
	if (kill(member, SIGKILL) == 0)
		waitpid(member, NULL, 0);
}

static void
look(void)
{
	struct tree_left *one = &left;

	tree_sweep(&one, 1, KEEPER);
}

START_TEST(tree_looks_again)
{
	soon = 2;
	look();
	ck_assert_int_eq(left.hit, 1);
	dies();
}
END_TEST

/* One look does not wait for it, and says that there may be one. */
START_TEST(tree_is_unsure)
{
	soon = 1000;
	look();
	ck_assert(is_there());
	ck_assert_int_lt(asked, 20);
	ck_assert_int_eq(left.n, 0);
	ck_assert(left.unsure);
	soon = 0;
	look();
	ck_assert_int_eq(left.hit, 1);
	dies();
	look();
	ck_assert(!left.unsure);
	ck_assert_int_eq(left.n, 0);
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_test(tc, tree_looks_again);
	tcase_add_test(tc, tree_is_unsure);
}

int
main(void)
{
	return try_main("tree_exec", add_all, set_up, tear_down);
}
