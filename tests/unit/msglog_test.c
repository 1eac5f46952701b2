/*
 * msglog_test - numbers, readers, the ring's end, and a successor.
 */
#include "state/msglog.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static struct msglog *ml;
static struct err err;
static uint64_t places;
static unsigned news;

static void
set_up(void)
{
	ml = msglog_open(-1, &err);
	ck_assert_ptr_nonnull(ml);
	places = news = 0;
}

static void
tear_down(void)
{
	msglog_free(ml);
}

static void
add(struct msglog *to, uint64_t id, const char *text, size_t n, mono_ms now)
{
	struct msglog_head h = { .len = (uint32_t)n,
		.id = id,
		.at = ++places,
		.counter = (uint32_t)id,
		.name = "web.0" };

	msglog_add(to, &h, text, now);
}

static void
on_news(void *arg)
{
	(void)arg;
	news++;
}

static bool
reads(struct msglog_reader *rd, const char *text, uint64_t lost)
{
	struct msglog_message m;
	uint64_t gap;

	if (!msglog_next(ml, rd, &m, &gap))
		return text == NULL;
	ck_assert_uint_eq(gap, lost);
	ck_assert_uint_eq(m.head->len, strlen(text));
	ck_assert(memcmp(m.text, text, m.head->len) == 0);
	msglog_took(ml, rd, 0);
	return true;
}

START_TEST(they_are_numbered)
{
	struct msglog_reader rd = { .news = on_news };

	ck_assert_uint_eq(msglog_last(ml), 0);
	add(ml, 1, "one", 3, 0);
	add(ml, 1, "two", 3, 0);
	ck_assert_uint_eq(msglog_last(ml), 2);
	msglog_read_from(ml, &rd, 1);
	ck_assert(reads(&rd, "two", 0));
	ck_assert(reads(&rd, NULL, 0));
	msglog_follow(ml, &rd, 0);
	add(ml, 2, "three", 5, 0);
	ck_assert_uint_eq(news, 1);
	ck_assert(reads(&rd, "three", 0));
	msglog_unfollow(ml, &rd);
	add(ml, 2, "four", 4, 0);
	ck_assert_uint_eq(news, 1);
}
END_TEST

START_TEST(a_successor_knows_the_last)
{
	struct msglog_head h = { .len = 1, .id = 9, .at = 77, .name = "a.0" };
	struct msglog *next;

	add(ml, 1, "x", 1, 0);
	msglog_add(ml, &h, "1", 0);
	next = msglog_open(msglog_fd(ml), &err);
	ck_assert_ptr_nonnull(next);
	msglog_add(next, &h, "1", 0); /* it was not dealt with to the end */
	ck_assert_uint_eq(msglog_last(next), 2);
	h.at = 79;
	msglog_add(next, &h, "2", 0);
	ck_assert_uint_eq(msglog_last(next), 3);
	msglog_free(next);
}
END_TEST

START_TEST(the_oldest_go)
{
	size_t n = 1024 * 1024;
	char *big = xcalloc(1, n);
	struct msglog_reader rd = { .news = on_news };
	struct msglog *next;

	memset(big, 'x', n - 1);
	msglog_read_from(ml, &rd, 0);
	for (int i = 0; i < 10; i++)
		add(ml, 1, big, n - 1, 0);
	ck_assert_uint_eq(msglog_before(ml), 7);
	ck_assert(reads(&rd, big, 7));
	ck_assert(reads(&rd, big, 0));
	ck_assert(reads(&rd, big, 0));
	ck_assert(reads(&rd, NULL, 0));
	next = msglog_open(msglog_fd(ml), &err);
	ck_assert_ptr_nonnull(next);
	ck_assert_uint_eq(msglog_last(next), 10);
	msglog_free(next);
	free(big);
}
END_TEST

START_TEST(what_followers_have_not_read_is_counted)
{
	struct msglog_reader rd = { .news = on_news };
	struct msglog_message m;
	uint64_t lost;
	size_t one;

	add(ml, 1, "old", 3, 0);
	ck_assert_uint_eq(msglog_unread(ml, 1, 0), 0);
	msglog_read_from(ml, &rd, msglog_last(ml));
	msglog_follow(ml, &rd, 0);
	add(ml, 1, "x", 1, 0);
	one = msglog_unread(ml, 1, 0);
	ck_assert_uint_gt(one, 0);
	ck_assert_uint_eq(msglog_unread(ml, 2, 0), 0);
	add(ml, 2, "y", 1, 0);
	ck_assert_uint_eq(msglog_unread(ml, 1, 0), one);
	ck_assert_uint_eq(msglog_unread(ml, 2, 0), one);
	ck_assert_uint_eq(msglog_unread_all(ml, 0), 2 * one);
	ck_assert(msglog_next(ml, &rd, &m, &lost));
	msglog_took(ml, &rd, 100);
	ck_assert_uint_eq(msglog_unread(ml, 1, 100), 0);
	ck_assert_uint_eq(msglog_unread(ml, 2, 100), one);
	/* Who does not read on is not waited for. */
	ck_assert_uint_eq(msglog_unread(ml, 2, 99 + MSGLOG_STALL_MS), one);
	ck_assert_uint_eq(msglog_unread(ml, 2, 100 + MSGLOG_STALL_MS), 0);
	msglog_unfollow(ml, &rd);
	ck_assert_uint_eq(msglog_unread_all(ml, 100), 0);
}
END_TEST

START_TEST(who_was_not_waited_for_is_again)
{
	struct msglog_reader rd = { .news = on_news };
	struct msglog_message m;
	uint64_t lost;

	msglog_read_from(ml, &rd, 0);
	msglog_follow(ml, &rd, 0);
	add(ml, 1, "x", 1, 0);
	ck_assert_uint_eq(msglog_unread(ml, 1, MSGLOG_STALL_MS), 0);
	ck_assert(msglog_next(ml, &rd, &m, &lost));
	msglog_took(ml, &rd, 20000);
	/* It waits from now on, not from when it read the last. */
	add(ml, 1, "y", 1, 90000);
	ck_assert_uint_gt(msglog_unread(ml, 1, 90000), 0);
	msglog_unfollow(ml, &rd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("msglog");
	TCase *tc = tcase_create("msglog");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, they_are_numbered);
	tcase_add_test(tc, a_successor_knows_the_last);
	tcase_add_test(tc, the_oldest_go);
	tcase_add_test(tc, what_followers_have_not_read_is_counted);
	tcase_add_test(tc, who_was_not_waited_for_is_again);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
