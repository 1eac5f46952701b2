/*
 * event_test - numbers, the ring's end, what a restart finds, watchers.
 */
#include "state/event.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/sys_fake.h"
#include "state/table.h"

static struct event_log *
test_open(int fd)
{
	struct err err = { 0 };
	struct event_log *el = event_open(fd, &err);

	ck_assert_msg(el != NULL, "%s", err.text);
	return el;
}

static void
test_add(struct event_log *el, int n)
{
	char text[32];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof text, "text %d", (int)event_last(el) + 1);
		event_add(el, "web.0", "state", text);
	}
}

static void
test_has(const struct event_log *el, uint64_t seq)
{
	const struct event *ev = event_get(el, seq);
	char text[32];

	snprintf(text, sizeof text, "text %d", (int)seq);
	ck_assert_ptr_nonnull(ev);
	ck_assert_uint_eq(ev->seq, seq);
	ck_assert_str_eq(ev->text, text);
}

/* Changes the text of an event where it lies. */
static void
test_damage(const struct event_log *el, const char *text)
{
	struct stat st;
	char *p, *at;

	ck_assert_int_eq(fstat(event_fd(el), &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    event_fd(el), 0);
	ck_assert(p != MAP_FAILED);
	at = memmem(p, (size_t)st.st_size, text, strlen(text) + 1);
	ck_assert_ptr_nonnull(at);
	at[0] ^= 1;
	munmap(p, (size_t)st.st_size);
}

START_TEST(numbers_begin_at_one)
{
	struct event_log *el = test_open(-1);

	ck_assert_uint_eq(event_last(el), 0);
	ck_assert_uint_eq(event_first(el), 1);
	ck_assert_ptr_null(event_get(el, 0));
	ck_assert_ptr_null(event_get(el, 1));
	test_add(el, 3);
	ck_assert_uint_eq(event_last(el), 3);
	ck_assert_uint_eq(event_first(el), 1);
	for (uint64_t i = 1; i <= 3; i++)
		test_has(el, i);
	ck_assert_str_eq(event_get(el, 2)->name, "web.0");
	ck_assert_str_eq(event_get(el, 2)->kind, "state");
	ck_assert_int_gt(event_get(el, 2)->at_ms, 0);
	ck_assert_ptr_null(event_get(el, 4));
	event_close(el);
}
END_TEST

START_TEST(ring_drops_the_oldest)
{
	struct event_log *el = test_open(-1);

	test_add(el, EVENT_RING);
	ck_assert_uint_eq(event_first(el), 1);
	test_has(el, 1);
	test_add(el, 10);
	ck_assert_uint_eq(event_last(el), EVENT_RING + 10);
	ck_assert_uint_eq(event_first(el), 11);
	ck_assert_ptr_null(event_get(el, 10));
	test_has(el, 11);
	test_has(el, EVENT_RING + 10);
	event_close(el);
}
END_TEST

START_TEST(numbers_go_on_after_a_restart)
{
	static const int counts[] = { 0, 5, EVENT_RING, 3 * EVENT_RING + 7 };
	struct event_log *el = test_open(-1), *again;
	uint64_t first;

	test_add(el, counts[_i]);
	first = event_first(el);
	again = test_open(event_fd(el));
	event_close(el);
	ck_assert_uint_eq(event_last(again), (uint64_t)counts[_i]);
	ck_assert_uint_eq(event_first(again), first);
	for (uint64_t i = first; i <= (uint64_t)counts[_i]; i++)
		test_has(again, i);
	test_add(again, 1);
	test_has(again, (uint64_t)counts[_i] + 1);
	event_close(again);
}
END_TEST

START_TEST(damaged_events_are_gaps)
{
	struct event_log *el = test_open(-1), *again;

	test_add(el, 9);
	test_damage(el, "text 1");
	test_damage(el, "text 5");
	test_damage(el, "text 9");
	again = test_open(event_fd(el));
	event_close(el);
	ck_assert_uint_eq(event_first(again), 2);
	ck_assert_uint_eq(event_last(again), 9); /* its number is not lost */
	ck_assert_ptr_null(event_get(again, 1));
	ck_assert_ptr_null(event_get(again, 5));
	ck_assert_ptr_null(event_get(again, 9));
	test_has(again, 8);
	test_add(again, 1);
	test_has(again, 10);
	event_close(again);
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
	struct event_log *el = test_open(-1);
	char text[2 * EVENT_TEXT_MAX];
	const struct event *ev;

	/* ASCII up to the last byte that fits, then "ä", "€" and so on. */
	memset(text, 'x', sizeof text);
	strcpy(text + EVENT_TEXT_MAX - 2, "\xc3\xa4");
	event_add(el, "web.0", "a kind that is too long", text);
	ev = event_get(el, 1);
	ck_assert_uint_eq(strlen(ev->text), EVENT_TEXT_MAX - 2);
	ck_assert_str_eq(ev->kind, "a kind that is ");
	strcpy(text + EVENT_TEXT_MAX - 4, "\xe2\x82\xac\xe2\x82\xac");
	event_add(el, "web.0", "state", text);
	ev = event_get(el, 2);
	ck_assert_uint_eq(strlen(ev->text), EVENT_TEXT_MAX - 1);
	ck_assert_str_eq(ev->text + EVENT_TEXT_MAX - 4, "\xe2\x82\xac");
	event_close(el);
}
END_TEST

START_TEST(what_is_no_ring_is_refused)
{
	struct err err = { 0 };
	struct table *tb = table_open(-1, &err);
	int fd = memfd_create("x", MFD_CLOEXEC);

	ck_assert_ptr_null(event_open(table_fd(tb), &err));
	ck_assert(strstr(err.text, "open memfd reeve-events: ") == err.text);
	ck_assert_ptr_null(event_open(fd, &err));
	table_close(tb);
}
END_TEST

/* --- watchers ------------------------------------------------------------- */

struct watch {
	struct event_log *el;
	struct event_watcher w;
	char seen[64];
	struct watch *leave; /* unwatched when told */
	struct watch *join;  /* watches when told, once */
	int more;            /* events to add when told */
};

static void
watch_told(void *arg, const struct event *ev)
{
	struct watch *me = arg;
	size_t len = strlen(me->seen);

	snprintf(me->seen + len, sizeof me->seen - len, "%d ", (int)ev->seq);
	if (me->leave != NULL)
		event_unwatch(me->el, &me->leave->w);
	if (me->join != NULL) {
		event_watch(me->el, &me->join->w, watch_told, me->join);
		me->join = NULL;
	}
	if (me->more > 0) {
		me->more--;
		test_add(me->el, 1);
	}
}

/* a is told last: c, b, a. */
static void
watch_three(
    struct event_log *el, struct watch *a, struct watch *b, struct watch *c)
{
	struct watch *all[] = { a, b, c };

	for (int i = 0; i < 3; i++) {
		all[i]->el = el;
		event_watch(el, &all[i]->w, watch_told, all[i]);
	}
}

START_TEST(watcher_may_leave_when_told)
{
	struct event_log *el = test_open(-1);
	struct watch a = { 0 }, b = { 0 }, c = { 0 };

	watch_three(el, &a, &b, &c);
	b.leave = &b;
	test_add(el, 2);
	ck_assert_str_eq(a.seen, "1 2 ");
	ck_assert_str_eq(b.seen, "1 ");
	ck_assert_str_eq(c.seen, "1 2 ");
	event_unwatch(el, &b.w); /* twice is fine */
	event_unwatch(el, &a.w);
	event_unwatch(el, &c.w);
	test_add(el, 1);
	ck_assert_str_eq(a.seen, "1 2 ");
	event_close(el);
}
END_TEST

START_TEST(watcher_may_send_others_away)
{
	struct event_log *el = test_open(-1);
	struct watch a = { 0 }, b = { 0 }, c = { 0 };

	watch_three(el, &a, &b, &c);
	c.leave = &b; /* the next to be told */
	test_add(el, 2);
	ck_assert_str_eq(a.seen, "1 2 ");
	ck_assert_str_eq(b.seen, "");
	ck_assert_str_eq(c.seen, "1 2 ");
	a.leave = &c; /* has been told already */
	test_add(el, 2);
	ck_assert_str_eq(a.seen, "1 2 3 4 ");
	ck_assert_str_eq(c.seen, "1 2 3 ");
	event_close(el);
}
END_TEST

START_TEST(watcher_that_joins_is_told_of_the_next)
{
	struct event_log *el = test_open(-1);
	struct watch a = { 0 }, b = { 0 }, c = { 0 }, d = { .el = el };

	watch_three(el, &a, &b, &c);
	b.join = &d;
	test_add(el, 2);
	ck_assert_str_eq(d.seen, "2 ");
	ck_assert_str_eq(a.seen, "1 2 ");
	event_close(el);
}
END_TEST

START_TEST(events_made_by_watchers_come_in_order)
{
	struct event_log *el = test_open(-1);
	struct watch a = { 0 }, b = { 0 }, c = { 0 };

	watch_three(el, &a, &b, &c);
	c.more = 2;
	test_add(el, 1);
	ck_assert_str_eq(a.seen, "1 2 3 ");
	ck_assert_str_eq(b.seen, "1 2 3 ");
	ck_assert_str_eq(c.seen, "1 2 3 ");
	event_close(el);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("event");
	TCase *tc = tcase_create("event");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, fake_reset, NULL);
	tcase_add_test(tc, numbers_begin_at_one);
	tcase_add_test(tc, ring_drops_the_oldest);
	tcase_add_loop_test(tc, numbers_go_on_after_a_restart, 0, 4);
	tcase_add_test(tc, damaged_events_are_gaps);
	tcase_add_test(tc, long_texts_are_cut_between_characters);
	tcase_add_test(tc, what_is_no_ring_is_refused);
	tcase_add_test(tc, watcher_may_leave_when_told);
	tcase_add_test(tc, watcher_may_send_others_away);
	tcase_add_test(tc, watcher_that_joins_is_told_of_the_next);
	tcase_add_test(tc, events_made_by_watchers_come_in_order);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
