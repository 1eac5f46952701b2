/*
 * table_test - the state table, torn, reopened and grown.
 *
 * The layout is table.c's own: copies are found in the memory by what the
 * test has put into them.
 */
#include "state/table.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/sys_fake.h"
#include "state/region.h"

#define OLD 0x1122334455667788ULL
#define NEW 0x99aabbccddeeff01ULL

static struct table *
test_open(int fd)
{
	struct err err = { 0 };
	struct table *tb = table_open(fd, &err);

	ck_assert_msg(tb != NULL, "%s", err.text);
	return tb;
}

static void
test_put(struct table *tb, uint32_t rec, const char *name, uint64_t restarts)
{
	struct table_slot ts = { .restarts = restarts };

	snprintf(ts.name, sizeof ts.name, "%s", name);
	table_put_slot(tb, rec, &ts);
}

/* Flips a byte at each place of the table that has the number. */
static int
test_damage(const struct table *tb, uint64_t number)
{
	struct stat st;
	unsigned char *p;
	int n = 0;

	ck_assert_int_eq(fstat(table_fd(tb), &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    table_fd(tb), 0);
	ck_assert(p != MAP_FAILED);
	for (off_t i = 0; i + (off_t)sizeof number <= st.st_size; i += 4) {
		if (memcmp(p + i, &number, sizeof number) != 0)
			continue;
		p[i + 3] ^= 0x40;
		n++;
	}
	munmap(p, (size_t)st.st_size);
	return n;
}

/* Each bit matters, and the length, and what came before. */
START_TEST(a_sum_tells_any_change)
{
	unsigned char text[37] = "what a copy of a record may be like:";
	uint32_t whole = region_sum(0, text, sizeof text);

	for (size_t bit = 0; bit < sizeof text * 8; bit++) {
		text[bit / 8] ^= (unsigned char)(1U << bit % 8);
		ck_assert_uint_ne(region_sum(0, text, sizeof text), whole);
		text[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	ck_assert_uint_eq(region_sum(0, text, sizeof text), whole);
	ck_assert_uint_ne(region_sum(0, text, sizeof text - 1), whole);
	ck_assert_uint_ne(region_sum(1, text, sizeof text), whole);
	ck_assert_uint_ne(region_sum(0, text, 0), region_sum(1, text, 0));
}
END_TEST

START_TEST(record_is_what_was_put)
{
	struct table *tb = test_open(-1);
	struct table_slot in = { .name = "web.0", .state = 3, .failures = 7 };
	struct table_slot out;
	uint32_t rec;

	in.cur.id = 12;
	in.next.generation = 5;
	in.drain.id = 11;
	in.deaths[TABLE_DEATHS - 1].signo = 9;
	ck_assert_uint_eq(table_find_slot(tb, "web.0", false), TABLE_NONE);
	rec = table_find_slot(tb, "web.0", true);
	ck_assert_uint_ne(rec, TABLE_NONE);
	ck_assert(!table_get_slot(tb, rec, &out)); /* not written yet */
	table_put_slot(tb, rec, &in);
	ck_assert_uint_eq(table_find_slot(tb, "web.0", false), rec);
	ck_assert_uint_eq(table_find_slot(tb, "web.0", true), rec);
	ck_assert(table_get_slot(tb, rec, &out));
	ck_assert_mem_eq(&in, &out, sizeof in);
	ck_assert(!table_get_slot(tb, rec + 1, &out));
	ck_assert(!table_get_slot(tb, TABLE_NONE, &out));
	table_close(tb);
}
END_TEST

START_TEST(torn_write_leaves_the_one_before)
{
	struct table *tb = test_open(-1), *again;
	uint32_t rec = table_find_slot(tb, "web.0", true);
	struct table_slot out;

	test_put(tb, rec, "web.0", OLD);
	test_put(tb, rec, "web.0", NEW);
	ck_assert_int_eq(test_damage(tb, NEW), 1);
	ck_assert(table_get_slot(tb, rec, &out));
	ck_assert_uint_eq(out.restarts, OLD);
	again = test_open(table_fd(tb));
	rec = table_find_slot(again, "web.0", false);
	ck_assert(table_get_slot(again, rec, &out));
	ck_assert_uint_eq(out.restarts, OLD);
	/* The next write goes over the torn one. */
	test_put(again, rec, "web.0", 5);
	ck_assert(table_get_slot(again, rec, &out));
	ck_assert_uint_eq(out.restarts, 5);
	ck_assert_int_eq(test_damage(again, OLD), 1);
	ck_assert(table_get_slot(again, rec, &out));
	table_close(again);
	table_close(tb);
}
END_TEST

START_TEST(both_copies_torn_is_none)
{
	struct table *tb = test_open(-1), *again;
	uint32_t rec = table_find_slot(tb, "web.0", true);
	struct table_slot out;

	test_put(tb, rec, "web.0", OLD);
	test_put(tb, rec, "web.0", NEW);
	ck_assert_int_eq(test_damage(tb, OLD) + test_damage(tb, NEW), 2);
	ck_assert(!table_get_slot(tb, rec, &out));
	again = test_open(table_fd(tb));
	ck_assert_uint_eq(table_find_slot(again, "web.0", false), TABLE_NONE);
	table_close(again);
	/* It is as good as new. */
	test_put(tb, rec, "web.0", 8);
	ck_assert(table_get_slot(tb, rec, &out));
	ck_assert_uint_eq(out.restarts, 8);
	table_close(tb);
}
END_TEST

START_TEST(table_grows_and_is_found_again)
{
	struct table *tb = test_open(-1), *again;
	struct table_slot out;
	char name[32];

	for (uint64_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "web.%d", (int)i);
		test_put(tb, table_find_slot(tb, name, true), name, i);
	}
	again = test_open(table_fd(tb));
	table_close(tb); /* the other one has its own descriptor */
	for (uint64_t i = 0; i < 1000; i++) {
		uint32_t rec;

		snprintf(name, sizeof name, "web.%d", (int)i);
		rec = table_find_slot(again, name, false);
		ck_assert(table_get_slot(again, rec, &out));
		ck_assert_str_eq(out.name, name);
		ck_assert_uint_eq(out.restarts, i);
	}
	table_close(again);
}
END_TEST

START_TEST(dropped_record_stays_away)
{
	struct table *tb = test_open(-1), *again;
	uint32_t a = table_find_slot(tb, "a.0", true);
	uint32_t b = table_find_slot(tb, "b.0", true);
	struct table_slot out;

	test_put(tb, a, "a.0", OLD);
	test_put(tb, a, "a.0", NEW);
	test_put(tb, b, "b.0", 2);
	table_drop_slot(tb, a);
	table_drop_slot(tb, TABLE_NONE);
	ck_assert_uint_eq(table_find_slot(tb, "a.0", false), TABLE_NONE);
	ck_assert(!table_get_slot(tb, a, &out));
	again = test_open(table_fd(tb));
	ck_assert_uint_eq(table_find_slot(again, "a.0", false), TABLE_NONE);
	ck_assert_uint_eq(table_find_slot(again, "b.0", false), b);
	/* Its place is used again, and is empty until it is written. */
	ck_assert_uint_eq(table_find_slot(again, "c.0", true), a);
	ck_assert(!table_get_slot(again, a, &out));
	table_close(again);
	table_close(tb);
}
END_TEST

/* The cells of deaths and notes are not for others, and come back. */
START_TEST(deaths_have_room_while_their_slot_has)
{
	struct table *tb = test_open(-1), *again;
	struct table_slot in = { .name = "web.0" }, out;
	uint32_t rec = table_find_slot(tb, "web.0", true);
	struct stat st, now;

	in.deaths[1].pid = 17;
	in.past.n = 3;
	table_put_slot(tb, rec, &in);
	in.deaths[0].pid = 18;
	memset(&in.past, 0, sizeof in.past);
	table_put_slot(tb, rec, &in);
	ck_assert(fstat(table_fd(tb), &st) == 0);
	again = test_open(table_fd(tb));
	for (int i = 0; i < 100; i++) {
		struct table_slot more = { .name = "db.0", .note = "no" };
		uint32_t r = table_find_slot(again, "db.0", true);

		more.deaths[0].pid = i + 1;
		table_put_slot(again, r, &more);
		ck_assert(table_get_slot(again, r, &out));
		ck_assert_mem_eq(&more, &out, sizeof more);
		table_drop_slot(again, r);
	}
	ck_assert(fstat(table_fd(tb), &now) == 0);
	ck_assert_int_eq(now.st_size, st.st_size);
	ck_assert(table_get_slot(
	    again, table_find_slot(again, "web.0", false), &out));
	ck_assert_mem_eq(&in, &out, sizeof in);
	table_close(again);
	table_close(tb);
}
END_TEST

START_TEST(rolls_and_self_are_kept)
{
	struct table *tb = test_open(-1), *again;
	struct table_roll tr = { .program = "web", .nslots = 9999, .id = 7 },
			  roll;
	struct table_self ts = { .next_id = 99, .stopping = 1 }, self;

	ck_assert(!table_get_self(tb, &self));
	ck_assert(!table_get_roll(tb, "web", &roll));
	table_put_roll(tb, &tr);
	table_put_self(tb, &ts);
	/* A slot of the same name is another record. */
	test_put(tb, table_find_slot(tb, "web", true), "web", 1);
	again = test_open(table_fd(tb));
	ck_assert(table_get_roll(again, "web", &roll));
	ck_assert_mem_eq(&tr, &roll, sizeof tr);
	ck_assert(table_get_self(again, &self));
	ck_assert_mem_eq(&ts, &self, sizeof ts);
	table_drop_roll(again, "web");
	table_drop_roll(again, "web");
	ck_assert(!table_get_roll(again, "web", &roll));
	ck_assert_uint_ne(table_find_slot(again, "web", false), TABLE_NONE);
	table_close(again);
	table_close(tb);
}
END_TEST

START_TEST(groups_and_empty_programs_are_kept)
{
	struct table *tb = test_open(-1), *again;
	struct table_budget in = { .group = "web", .us = { 7, 8 } }, out;

	table_get_budget(tb, "web", &out);
	ck_assert_str_eq(out.group, "web");
	ck_assert_int_eq(out.us[0] + out.us[1], 0);
	ck_assert(!table_is_empty(tb, "web"));
	table_set_empty(tb, "web", false);
	table_set_empty(tb, "web", true);
	table_put_budget(tb, &in);
	again = test_open(table_fd(tb));
	table_get_budget(again, "web", &out);
	ck_assert_mem_eq(&in, &out, sizeof in);
	ck_assert(table_is_empty(again, "web"));
	ck_assert(!table_is_empty(again, "api"));
	table_drop_budget(again, "web");
	table_set_empty(again, "web", false);
	table_get_budget(again, "web", &out);
	ck_assert_int_eq(out.us[0] + out.us[1], 0);
	ck_assert(!table_is_empty(again, "web"));
	table_close(again);
	table_close(tb);
}
END_TEST

START_TEST(what_is_no_table_is_refused)
{
	int fds = fake_fd_count();
	int fd = memfd_create("x", MFD_CLOEXEC);
	struct err err = { 0 };

	ck_assert_ptr_null(table_open(fd, &err));
	ck_assert_str_eq(err.text, "open memfd reeve-table: too short");
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_ptr_null(table_open(fd, &err));
	ck_assert_str_eq(err.text, "open memfd reeve-table: of another layout");
	close(fd);
	ck_assert_ptr_null(table_open(fd, &err));
	fake_fail(FAKE_MEMFD_CREATE, 1, EMFILE);
	ck_assert_ptr_null(table_open(-1, &err));
	ck_assert_str_eq(
	    err.text, "create memfd reeve-table: Too many open files");
	ck_assert_int_eq(fake_fd_count(), fds);
}
END_TEST

/* --- killed in the middle of it ------------------------------------------- */

static void
test_write_for_ever(struct table *tb, uint32_t rec)
{
	struct table_slot ts = { .name = "web.0" };

	for (;;) {
		ts.restarts++;
		for (int i = 0; i < TABLE_DEATHS; i++)
			ts.deaths[i].at_ms = (wall_ms)ts.restarts;
		ts.past.at_ms = (mono_ms)(ts.restarts / 2);
		table_put_slot(tb, rec, &ts);
	}
}

START_TEST(killed_writer_leaves_a_whole_record)
{
	struct table *tb = test_open(-1);
	uint32_t rec = table_find_slot(tb, "web.0", true);
	uint64_t last = 0;

	for (int round = 0; round < 40; round++) {
		struct table_slot out = { 0 };
		struct table *again;
		pid_t pid = fork();

		ck_assert_int_ne(pid, -1);
		if (pid == 0)
			test_write_for_ever(tb, rec);
		for (int i = 0; i < 5000 && out.restarts < 20; i++) {
			poll(NULL, 0, 1);
			if (!table_get_slot(tb, rec, &out))
				out.restarts = 0; /* was being written */
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		again = test_open(table_fd(tb));
		ck_assert(table_get_slot(
		    again, table_find_slot(again, "web.0", false), &out));
		ck_assert_uint_gt(out.restarts, 0);
		for (int i = 0; i < TABLE_DEATHS; i++)
			ck_assert_int_eq(
			    out.deaths[i].at_ms, (wall_ms)out.restarts);
		ck_assert_int_eq(out.past.at_ms, (mono_ms)(out.restarts / 2));
		last += out.restarts;
		table_close(again);
	}
	ck_assert_uint_gt(last, 40);
	table_close(tb);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *tc = tcase_create("table");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, fake_reset, NULL);
	tcase_add_test(tc, a_sum_tells_any_change);
	tcase_add_test(tc, record_is_what_was_put);
	tcase_add_test(tc, torn_write_leaves_the_one_before);
	tcase_add_test(tc, both_copies_torn_is_none);
	tcase_add_test(tc, table_grows_and_is_found_again);
	tcase_add_test(tc, dropped_record_stays_away);
	tcase_add_test(tc, deaths_have_room_while_their_slot_has);
	tcase_add_test(tc, rolls_and_self_are_kept);
	tcase_add_test(tc, groups_and_empty_programs_are_kept);
	tcase_add_test(tc, what_is_no_table_is_refused);
	tcase_add_test(tc, killed_writer_leaves_a_whole_record);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
