/*
 * The pool's board: what another pool reads of one that was killed.
 */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/board.h"

static char dir[64];

static void
setup(void)
{
	strcpy(dir, "/tmp/board-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	struct dirent *d;
	DIR *all = opendir(dir);

	while ((d = readdir(all)) != NULL)
		(void)unlinkat(dirfd(all), d->d_name, 0);
	closedir(all);
	rmdir(dir);
}

static struct board *
open_board(void)
{
	struct err err = { .text = "" };
	struct board *b = board_open(dir, &err);

	ck_assert_msg(b != NULL, "%s", err.text);
	return b;
}

static struct board_entry *
begin(struct board *b, uint64_t id)
{
	struct board_job j = { .id = id, .print = id + 1000 };

	memset(j.session, 7, sizeof j.session);
	return board_begin(b, &j);
}

/* A pool that does that, and is killed; its pid. */
static pid_t
killed_after(void (*what)(struct board *b))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		what(open_board());
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	return pid;
}

/* What became of it; "" : nothing is known. */
static struct board_entry *taken;

static const char *
take(struct board *b, uint64_t id)
{
	static char said[BOARD_TEXT + 64];
	uint8_t session[POOL_SESSION];

	memset(session, 7, sizeof session);
	taken = board_take_end(b, session, id);
	if (taken == NULL)
		return "";
	snprintf(said, sizeof said, "%s %d %s",
	    pool_status_name((enum pool_status)taken->result.status),
	    taken->result.signal, taken->text);
	return said;
}

static void
three(struct board *b)
{
	struct pool_result r = { .status = PR_OK, .bytes_out = 5 };
	struct board_entry *e;
	char much[1000];

	begin(b, 1);
	board_end(begin(b, 2), &r, "the sum");
	board_free(begin(b, 3));
	board_crash(begin(b, 4), SIGSEGV);
	memset(much, 'x', sizeof much);
	much[sizeof much - 1] = '\0';
	e = begin(b, 5);
	board_end(e, &r, much);
}

START_TEST(tells_of_the_dead)
{
	struct board *b;

	killed_after(three);
	b = open_board();
	ck_assert_uint_eq(board_collect(b), 4);
	/* It ran beside the one that crashed. */
	ck_assert_str_eq(take(b, 1), "lost 0 ");
	/* It had ended; it is told once. */
	ck_assert_str_eq(take(b, 2), "ok 0 the sum");
	ck_assert_uint_eq(taken->result.bytes_out, 5);
	ck_assert_str_eq(take(b, 2), "");
	ck_assert_str_eq(take(b, 3), "");
	ck_assert_str_eq(take(b, 4), "crashed 11 ");
	/* Without its text a result is none. */
	ck_assert_str_eq(take(b, 5), "lost 0 ");
	ck_assert_uint_eq(board_collect(b), 0);
	board_close(b);
}
END_TEST

static void
alone(struct board *b)
{
	begin(b, 1);
}

static void
second(struct board *b)
{
	begin(b, 2);
}

static void
crash(struct board *b)
{
	begin(b, 2);
	board_crash(begin(b, 1), SIGABRT);
}

static void
two(struct board *b)
{
	begin(b, 1);
	begin(b, 2);
}

static void
stopped(struct board *b)
{
	begin(b, 1);
	board_draining(b);
}

START_TEST(is_told_how_it_ended)
{
	struct board *b;
	char path[128];

	board_note_end(dir, killed_after(alone), SIGKILL, "out of memory");
	b = open_board();
	ck_assert_uint_eq(board_collect(b), 1);
	ck_assert_str_eq(take(b, 1), "crashed 9 out of memory");
	board_note_end(dir, killed_after(two), 0, "exited with 3");
	ck_assert_uint_eq(board_collect(b), 2);
	ck_assert_str_eq(take(b, 2), "crashed 0 exited with 3");
	ck_assert_str_eq(take(b, 1), "crashed 0 exited with 3");
	/* What was caught is better known; who is not to blame needs none. */
	board_note_end(dir, killed_after(crash), SIGKILL, "no");
	ck_assert_uint_eq(board_collect(b), 2);
	ck_assert_str_eq(take(b, 1), "crashed 6 ");
	ck_assert_str_eq(take(b, 2), "lost 0 ");
	/* It is read once, and none is written without a board. */
	board_note_end(dir, 1, SIGKILL, "");
	board_close(b);
	snprintf(path, sizeof path, "ls %s | grep -q death", dir);
	ck_assert_int_ne(system(path), 0);
}
END_TEST

static void
collects(struct board *b)
{
	ck_assert_uint_gt(board_collect(b), 0);
}

static void
takes_one(struct board *b)
{
	ck_assert_uint_eq(board_collect(b), 2);
	ck_assert_str_eq(take(b, 2), "lost 0 ");
	board_free(taken);
	board_tidy(b);
	/* Found, but not told. */
	ck_assert_str_eq(take(b, 1), "crashed 6 ");
}

static int
boards(void)
{
	struct dirent *d;
	DIR *all = opendir(dir);
	int n = 0;

	while ((d = readdir(all)) != NULL)
		n += strncmp(d->d_name, "board.", 6) == 0;
	closedir(all);
	return n;
}

/* Pools that die one after the other, before they have told. */
START_TEST(what_was_not_told_is_told_by_the_next)
{
	struct board *b;

	killed_after(crash);
	killed_after(collects);
	killed_after(collects);
	killed_after(takes_one);
	b = open_board();
	ck_assert_uint_eq(board_collect(b), 1);
	ck_assert_uint_eq(board_collect(b), 0);
	ck_assert_str_eq(take(b, 2), "");
	ck_assert_str_eq(take(b, 1), "crashed 6 ");
	/* It was counted once. */
	ck_assert(!board_is_poison(b, 1001));
	ck_assert_int_eq(boards(), 2);
	board_tidy(b);
	ck_assert_int_eq(boards(), 2);
	board_free(taken);
	board_tidy(b);
	ck_assert_int_eq(boards(), 1);
	board_close(b);
	ck_assert_int_eq(boards(), 0);
}
END_TEST

/* The one that is being replaced leaves them to the one that is there. */
START_TEST(what_was_not_told_goes_along)
{
	struct board *b, *next;

	killed_after(alone);
	b = open_board();
	ck_assert_uint_eq(board_collect(b), 1);
	board_draining(b);
	ck_assert_str_eq(take(b, 1), "");
	/* Of the same process, which can't have two: as if it had died. */
	board_leave(b);
	next = board_open(dir, NULL);
	ck_assert_uint_eq(board_collect(next), 1);
	ck_assert_str_eq(take(next, 1), "crashed 0 ");
	board_close(next);
	board_close(b);
}
END_TEST

START_TEST(there_is_an_end_to_what_is_kept)
{
	struct board *b;

	for (int i = 0; i < 40; i++)
		killed_after(alone);
	b = open_board();
	ck_assert_uint_eq(board_collect(b), 16);
	ck_assert_int_eq(boards(), 17);
	board_close(b);
}
END_TEST

/* How many such deaths it takes; 0: it is never to blame. */
static const struct {
	void (*what)(struct board *b);
	uint64_t id;
	int deaths;
} blame[] = { { alone, 1, 2 }, { crash, 1, 2 }, { crash, 2, 0 }, { two, 1, 4 },
	{ stopped, 1, 0 } };

START_TEST(blames)
{
	struct board *b = open_board();
	int deaths = blame[_i].deaths;

	for (int i = 1; i <= 6; i++) {
		killed_after(blame[_i].what);
		board_collect(b);
		ck_assert_msg(board_is_poison(b, blame[_i].id + 1000) ==
				  (deaths != 0 && i >= deaths),
		    "after %d deaths", i);
	}
	board_close(b);
	/* The next pool knows it as well. */
	b = open_board();
	ck_assert(board_is_poison(b, blame[_i].id + 1000) == (deaths != 0));
	board_close(b);
}
END_TEST

/* Who kills the pool by hand does not make a bad job of what it does. */
START_TEST(blames_less_who_may_have_been_killed)
{
	struct board *b = open_board();

	for (int i = 1; i <= 4; i++) {
		ck_assert(!board_is_poison(b, 1001));
		board_note_end(dir, killed_after(alone), SIGKILL, "");
		ck_assert_uint_eq(board_collect(b), 1);
	}
	ck_assert(board_is_poison(b, 1001));
	board_close(b);
	b = open_board();
	for (int i = 1; i <= 2; i++) {
		ck_assert(!board_is_poison(b, 1002));
		board_note_end(dir, killed_after(second), SIGKILL, "memory");
		ck_assert_uint_gt(board_collect(b), 0);
	}
	ck_assert(board_is_poison(b, 1002));
	board_close(b);
}
END_TEST

START_TEST(one_that_lives_is_left_alone)
{
	struct board *b, *other = open_board();
	int to[2], from[2], status;
	pid_t pid;
	char c = 0;

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		b = open_board();
		begin(b, 1);
		(void)!write(from[1], &c, 1);
		(void)!read(to[0], &c, 1);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(read(from[0], &c, 1), 1);
	ck_assert_uint_eq(board_collect(other), 0);
	ck_assert_int_eq(write(to[1], &c, 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_uint_eq(board_collect(other), 1);
	board_close(other);
}
END_TEST

START_TEST(has_room_for_so_many)
{
	struct board *b = open_board();
	struct board_entry *e = NULL;

	for (int i = 0; i < BOARD_JOBS; i++)
		ck_assert_ptr_nonnull(e = begin(b, (uint64_t)i + 1));
	ck_assert_ptr_null(begin(b, 9999));
	board_free(e);
	ck_assert_ptr_eq(begin(b, 9999), e);
	board_close(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("board");
	TCase *tc = tcase_create("board");
	SRunner *sr;
	int failed;

	log_set_level(LOG_ERROR);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tells_of_the_dead);
	tcase_add_test(tc, what_was_not_told_is_told_by_the_next);
	tcase_add_test(tc, what_was_not_told_goes_along);
	tcase_add_test(tc, there_is_an_end_to_what_is_kept);
	tcase_add_test(tc, is_told_how_it_ended);
	tcase_add_loop_test(
	    tc, blames, 0, (int)(sizeof blame / sizeof blame[0]));
	tcase_add_test(tc, blames_less_who_may_have_been_killed);
	tcase_add_test(tc, one_that_lives_is_left_alone);
	tcase_add_test(tc, has_room_for_so_many);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
