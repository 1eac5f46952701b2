/*
 * tail_test - the last lines of files, by a table; in a folder of its own.
 */
#include "logs/tail.h"

#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static char dir[64];

static void
dir_make(void)
{
	strcpy(dir, "/tmp/reeve-tail-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
dir_remove(void)
{
	static const char *const names[] = { "log", "log.1", "log.2", "log.3",
		"fifo", "dir" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		remove(names[i]);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
file_put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static const struct {
	const char *old2, *old1, *cur; /* NULL: not there */
	unsigned nlines;
	size_t max;
	const char *want;
} rows[] = {
	{ NULL, NULL, NULL, 5, 100, "" },
	{ NULL, NULL, "", 5, 100, "" },
	{ NULL, NULL, "a\nb\nc\n", 0, 100, "" },
	{ NULL, NULL, "a\nb\nc\n", 2, 0, "" },
	{ NULL, NULL, "a\nb\nc\n", 1, 100, "c\n" },
	{ NULL, NULL, "a\nb\nc\n", 2, 100, "b\nc\n" },
	{ NULL, NULL, "a\nb\nc\n", 3, 100, "a\nb\nc\n" },
	{ NULL, NULL, "a\nb\nc\n", 9, 100, "a\nb\nc\n" },
	{ NULL, NULL, "a\nb\nc", 1, 100, "c" },
	{ NULL, NULL, "a\nb\nc", 2, 100, "b\nc" },
	{ NULL, NULL, "\n\n\n", 2, 100, "\n\n" },
	/* bytes are scarce: whole lines where possible */
	{ NULL, NULL, "aaaa\nbbbb\n", 9, 7, "bbbb\n" },
	{ NULL, NULL, "aaaa\nbbbb\n", 9, 5, "bbbb\n" },
	{ NULL, NULL, "aaaa\nbbbb\n", 9, 4, "bbb\n" },
	{ NULL, NULL, "aaaa\nbbbb\n", 9, 10, "aaaa\nbbbb\n" },
	{ NULL, NULL, "aaaaaaaaaa", 9, 4, "aaaa" },
	/* across parts */
	{ NULL, "a\nb\n", "c\nd\n", 3, 100, "b\nc\nd\n" },
	{ NULL, "a\nb\n", "c\nd\n", 2, 100, "c\nd\n" },
	{ NULL, "a\nb\n", "", 1, 100, "b\n" },
	{ NULL, "a\nb\n", NULL, 1, 100, "" },
	{ "1\n", "2\n", "3\n", 9, 100, "1\n2\n3\n" },
	{ "1\n", NULL, "3\n", 9, 100, "3\n" },
	{ "1\n", "2\n", "3\n", 9, 4, "2\n3\n" },
	{ "1\n", "2\n", "3\n", 9, 5, "2\n3\n" },
	/* a line that a rotation cut in two is one line */
	{ NULL, "a\nhalf", " line\nc\n", 2, 100, "half line\nc\n" },
};

START_TEST(tail_gives_the_last_lines)
{
	struct err err = { 0 };
	struct buf out;

	dir_make();
	if (rows[_i].old2 != NULL)
		file_put("log.2", rows[_i].old2);
	if (rows[_i].old1 != NULL)
		file_put("log.1", rows[_i].old1);
	if (rows[_i].cur != NULL)
		file_put("log", rows[_i].cur);
	buf_init(&out);
	buf_adds(&out, "before:");
	ck_assert_int_eq(
	    tail_read("log", rows[_i].nlines, rows[_i].max, &out, &err), 0);
	ck_assert_msg(strcmp(buf_str(&out) + 7, rows[_i].want) == 0,
	    "row %d: got '%s', want '%s'", _i, buf_str(&out) + 7,
	    rows[_i].want);
	buf_fini(&out);
	dir_remove();
}
END_TEST

/* More than one block, and binary. */
START_TEST(tail_reads_large_files)
{
	struct buf out, all;

	dir_make();
	buf_init(&all);
	for (int i = 0; i < 30000; i++)
		buf_addf(&all, "line %d\n", i);
	file_put("log", all.data);
	buf_init(&out);
	ck_assert_int_eq(tail_read("log", 20000, 1 << 20, &out, NULL), 0);
	ck_assert_int_eq(strncmp(out.data, "line 10000\n", 11), 0);
	ck_assert_mem_eq(out.data, all.data + all.len - out.len, out.len);
	buf_clear(&out);
	ck_assert_int_eq(tail_read("log", 30000, 100000, &out, NULL), 0);
	ck_assert(out.len <= 100000 && out.len > 100000 - 12);
	ck_assert_int_eq(strncmp(out.data, "line ", 5), 0);
	buf_fini(&out);
	buf_fini(&all);
	dir_remove();
}
END_TEST

/* As when a rotation happens between two opens. */
START_TEST(tail_does_not_read_a_part_twice)
{
	struct buf out;

	dir_make();
	file_put("log", "new\n");
	ck_assert_int_eq(link("log", "log.1"), 0);
	file_put("log.2", "old\n");
	buf_init(&out);
	ck_assert_int_eq(tail_read("log", 9, 100, &out, NULL), 0);
	ck_assert_str_eq(buf_str(&out), "old\nnew\n");
	buf_fini(&out);
	dir_remove();
}
END_TEST

START_TEST(tail_refuses_what_is_no_file)
{
	struct err err = { 0 };
	struct buf out;

	dir_make();
	buf_init(&out);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ck_assert_int_eq(tail_read("fifo", 9, 100, &out, &err), -1);
	ck_assert_str_eq(err.text, "read the end of fifo: Illegal seek");
	ck_assert_int_eq(mkdir("dir", 0700), 0);
	ck_assert_int_eq(tail_read("dir", 9, 100, &out, &err), -1);
	ck_assert_uint_eq(out.len, 0);
	buf_fini(&out);
	dir_remove();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tail");
	TCase *tc = tcase_create("tail");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, tail_gives_the_last_lines, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, tail_reads_large_files);
	tcase_add_test(tc, tail_does_not_read_a_part_twice);
	tcase_add_test(tc, tail_refuses_what_is_no_file);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
