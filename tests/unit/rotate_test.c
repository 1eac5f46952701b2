/*
 * rotate_test - one file that rotates: real files, given time.
 */
#include "logs/rotate.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static char dir[64];
static struct rotate_file f;

static void
dir_make(void)
{
	strcpy(dir, "/tmp/reeve-rotate-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
dir_remove(void)
{
	DIR *d = opendir(".");
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		remove(e->d_name);
	closedir(d);
	rotate_fini(&f);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
file_put(const char *name, const char *text)
{
	FILE *fp = fopen(name, "w");

	ck_assert_ptr_nonnull(fp);
	fputs(text, fp);
	fclose(fp);
}

/* "" for one that is empty, "-" for one that is not there. */
static const char *
file_get(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd == -1)
		return "-";
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static size_t
put(const char *text, mono_ms now)
{
	return rotate_write(&f, text, strlen(text), now);
}

START_TEST(rotate_opens_with_the_first_byte)
{
	struct stat st;

	umask(0);
	rotate_init(&f, "log", 0, 0);
	ck_assert_str_eq(file_get("log"), "-");
	ck_assert_uint_eq(put("one\n", 0), 4);
	ck_assert_uint_eq(put("two\n", 1), 4);
	ck_assert_str_eq(file_get("log"), "one\ntwo\n");
	ck_assert_int_eq(stat("log", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	rotate_fini(&f);
	/* what is there is kept */
	rotate_init(&f, "log", 0, 0);
	put("three\n", 0);
	ck_assert_str_eq(file_get("log"), "one\ntwo\nthree\n");
}
END_TEST

START_TEST(rotate_renames_when_it_is_full)
{
	rotate_init(&f, "log", 8, 2);
	put("aaa\n", 0);
	put("bbb\n", 0);
	ck_assert_str_eq(file_get("log"), "aaa\nbbb\n");
	put("ccc\n", 0);
	ck_assert_str_eq(file_get("log.1"), "aaa\nbbb\n");
	ck_assert_str_eq(file_get("log"), "ccc\n");
	put("ddd\neee\n", 0); /* cut at the end of a line */
	ck_assert_str_eq(file_get("log.2"), "aaa\nbbb\n");
	ck_assert_str_eq(file_get("log.1"), "ccc\nddd\n");
	ck_assert_str_eq(file_get("log"), "eee\n");
	put("fff\nggg\n", 0);
	ck_assert_str_eq(file_get("log.2"), "ccc\nddd\n");
	ck_assert_str_eq(file_get("log.1"), "eee\nfff\n");
	ck_assert_str_eq(file_get("log.3"), "-");
	ck_assert_uint_eq(f.rotations, 3);
	ck_assert_int_eq(f.errnum, 0);
}
END_TEST

START_TEST(rotate_cuts_a_line_that_is_too_long)
{
	rotate_init(&f, "log", 8, 3);
	ck_assert_uint_eq(put("ab\n0123456789ABCDEFGH\n", 0), 22);
	ck_assert_str_eq(file_get("log.3"), "ab\n");
	ck_assert_str_eq(file_get("log.2"), "01234567");
	ck_assert_str_eq(file_get("log.1"), "89ABCDEF");
	ck_assert_str_eq(file_get("log"), "GH\n");
}
END_TEST

START_TEST(rotate_counts_what_was_there_before)
{
	file_put("log", "before\n");
	rotate_init(&f, "log", 8, 1);
	put("new\n", 0);
	ck_assert_str_eq(file_get("log.1"), "before\n");
	ck_assert_str_eq(file_get("log"), "new\n");
}
END_TEST

START_TEST(rotate_without_backups_empties)
{
	rotate_init(&f, "log", 8, 0);
	put("aaa\nbbb\n", 0);
	put("ccc\n", 0);
	ck_assert_str_eq(file_get("log"), "ccc\n");
	ck_assert_str_eq(file_get("log.1"), "-");
	ck_assert_uint_eq(f.rotations, 1);
}
END_TEST

START_TEST(rotate_heeds_gaps_and_fewer_backups)
{
	rotate_init(&f, "log", 4, 5);
	file_put("log.1", "1");
	file_put("log.3", "3"); /* not of the chain: stays */
	put("aaa\nbbb\n", 0);
	ck_assert_str_eq(file_get("log.1"), "aaa\n");
	ck_assert_str_eq(file_get("log.2"), "1");
	ck_assert_str_eq(file_get("log.3"), "3");
	f.backups = 1;
	put("ccc\n", 0);
	ck_assert_str_eq(file_get("log.1"), "bbb\n");
	ck_assert_str_eq(file_get("log.2"), "-");
	ck_assert_str_eq(file_get("log.3"), "-");
}
END_TEST

START_TEST(rotate_notices_a_moved_file_within_a_second)
{
	rotate_init(&f, "log", 0, 0);
	put("a\n", 0);
	ck_assert_int_eq(rename("log", "moved"), 0);
	put("b\n", 999);
	ck_assert_str_eq(file_get("moved"), "a\nb\n");
	put("c\n", 1000);
	ck_assert_str_eq(file_get("moved"), "a\nb\n");
	ck_assert_str_eq(file_get("log"), "c\n");
	ck_assert_int_eq(unlink("log"), 0);
	put("d\n", 2000);
	ck_assert_str_eq(file_get("log"), "d\n");
	ck_assert_int_eq(f.errnum, 0);
}
END_TEST

START_TEST(rotate_does_not_rename_a_stranger)
{
	rotate_init(&f, "log", 8, 3);
	put("aaa\nbbb\n", 0);
	ck_assert_int_eq(rename("log", "moved"), 0);
	file_put("log", "x\n");
	put("ccc\n", 1);
	ck_assert_str_eq(file_get("moved"), "aaa\nbbb\n");
	ck_assert_str_eq(file_get("log"), "x\nccc\n");
	ck_assert_str_eq(file_get("log.1"), "-");
}
END_TEST

START_TEST(rotate_notices_that_it_was_emptied)
{
	rotate_init(&f, "log", 8, 3);
	put("aaa\nbbb\n", 0);
	ck_assert_int_eq(truncate("log", 0), 0); /* logrotate copytruncate */
	put("ccc\n", 1000);
	ck_assert_str_eq(file_get("log"), "ccc\n");
	ck_assert_str_eq(file_get("log.1"), "-");
}
END_TEST

START_TEST(rotate_reopens_by_name)
{
	rotate_init(&f, "log", 0, 0);
	put("a\n", 0);
	ck_assert_int_eq(rename("log", "moved"), 0);
	rotate_reopen(&f);
	put("b\n", 1);
	ck_assert_str_eq(file_get("moved"), "a\n");
	ck_assert_str_eq(file_get("log"), "b\n");
}
END_TEST

START_TEST(rotate_tries_again_after_a_second)
{
	rotate_init(&f, "sub/log", 0, 0);
	ck_assert_uint_eq(put("a\n", 5000), 0);
	ck_assert_int_eq(f.errnum, ENOENT);
	ck_assert_int_eq(mkdir("sub", 0700), 0);
	ck_assert_uint_eq(put("b\n", 5999), 0);
	ck_assert_int_eq(f.errnum, ENOENT);
	ck_assert_uint_eq(put("c\n", 6000), 2);
	ck_assert_int_eq(f.errnum, 0);
	ck_assert_str_eq(file_get("sub/log"), "c\n");
	/* its folder goes: what would be lost unseen counts as an error */
	unlink("sub/log");
	rmdir("sub");
	ck_assert_uint_eq(put("d\n", 7000), 0);
	ck_assert_int_eq(f.errnum, ENOENT);
	ck_assert_int_eq(f.fd, -1);
}
END_TEST

START_TEST(rotate_writes_on_when_it_cannot_rename)
{
	rotate_init(&f, "log", 4, 1);
	ck_assert_int_eq(mkdir("log.1", 0700), 0);
	ck_assert_uint_eq(put("aaa\n", 0), 4);
	ck_assert_uint_eq(put("bbb\n", 1), 4);
	ck_assert_int_eq(f.errnum, EISDIR);
	ck_assert_uint_eq(put("ccc\n", 2), 4);
	ck_assert_str_eq(file_get("log"), "aaa\nbbb\nccc\n");
	ck_assert_int_eq(rmdir("log.1"), 0);
	ck_assert_uint_eq(put("ddd\n", 500), 4);
	ck_assert_int_eq(f.errnum, EISDIR);
	ck_assert_uint_eq(put("eee\n", 1001), 4);
	ck_assert_int_eq(f.errnum, 0);
	ck_assert_str_eq(file_get("log.1"), "aaa\nbbb\nccc\nddd\n");
	ck_assert_str_eq(file_get("log"), "eee\n");
}
END_TEST

/* RLIMIT_FSIZE stands for a full disk: a short write, then an error. */
START_TEST(rotate_tells_how_much_was_written)
{
	struct rlimit rl = { 6, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	rotate_init(&f, "log", 0, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	ck_assert_uint_eq(put("01234567", 0), 6);
	ck_assert_int_eq(f.errnum, EFBIG);
	ck_assert_uint_eq(put("8", 999), 0);
	rl.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	ck_assert_uint_eq(put("9", 1000), 1);
	ck_assert_int_eq(f.errnum, 0);
	ck_assert_str_eq(file_get("log"), "0123459");
}
END_TEST

START_TEST(rotate_never_waits_for_a_fifo)
{
	static char big[100000];
	int fd;
	size_t done;

	memset(big, 'x', sizeof big);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(mkfifo("log", 0600), 0);
	rotate_init(&f, "log", 10, 5);
	ck_assert_uint_eq(put("a\n", 0), 0);
	ck_assert_int_eq(f.errnum, ENXIO);
	fd = open("log", O_RDONLY | O_NONBLOCK);
	done = rotate_write(&f, big, sizeof big, 1000);
	ck_assert(done > 0 && done < sizeof big);
	ck_assert_int_eq(f.errnum, 0);
	ck_assert_uint_eq(rotate_write(&f, big, 10, 1001), 0);
	ck_assert_str_eq(file_get("log.1"), "-");
	close(fd);
	ck_assert_uint_eq(put("b\n", 1002), 0);
	ck_assert_int_eq(f.errnum, EPIPE);
}
END_TEST

START_TEST(rotate_leaves_links_alone)
{
	file_put("real", "");
	ck_assert_int_eq(symlink("real", "log"), 0);
	rotate_init(&f, "log", 4, 3);
	put("aaa\nbbb\n", 0);
	ck_assert_str_eq(file_get("real"), "aaa\nbbb\n");
	ck_assert_str_eq(file_get("log.1"), "-");
}
END_TEST

/* With a second offset one of the two would write over the other. */
START_TEST(rotate_shares_a_plain_stdout)
{
	int saved = dup(STDOUT_FILENO);
	int fd = open("real", O_WRONLY | O_CREAT, 0600);
	size_t a, c;

	dup2(fd, STDOUT_FILENO);
	/* No limit: a bug must not rename the machine's /dev/stdout. */
	rotate_init(&f, "/dev/stdout", 0, 0);
	a = put("aaa\nbbb\n", 0);
	ck_assert_int_eq(write(STDOUT_FILENO, "x\n", 2), 2);
	c = put("ccc\n", 5000);
	dup2(saved, STDOUT_FILENO);
	ck_assert_uint_eq(a, 8);
	ck_assert_uint_eq(c, 4);
	ck_assert_str_eq(file_get("real"), "aaa\nbbb\nx\nccc\n");
	close(saved);
	close(fd);
}
END_TEST

START_TEST(rotate_writes_to_a_socket_on_stdout)
{
	static char big[4096];
	int saved = dup(STDOUT_FILENO), sv[2];
	char got[8] = "";
	size_t a, n = 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	dup2(sv[0], STDOUT_FILENO);
	rotate_init(&f, "/dev/stdout", 0, 0);
	a = put("hello\n", 0);
	ck_assert_int_eq(read(sv[1], got, sizeof got - 1), 6);
	for (int i = 0; i < 1000 && n > 0; i++)
		n = rotate_write(&f, big, sizeof big, 1);
	dup2(saved, STDOUT_FILENO);
	ck_assert_uint_eq(a, 6);
	ck_assert_str_eq(got, "hello\n");
	ck_assert_uint_eq(n, 0); /* full, and we did not wait */
	ck_assert_int_eq(f.errnum, 0);
	close(saved);
	close(sv[0]);
	close(sv[1]);
}
END_TEST

START_TEST(rotate_leaks_no_descriptor)
{
	int before = dup(0), after;

	close(before);
	rotate_init(&f, "log", 4, 2);
	for (int i = 0; i < 1000; i++) {
		put("aaa\n", i * 1000);
		if (i % 3 == 0)
			rotate_reopen(&f);
		if (i % 7 == 0)
			unlink("log");
	}
	rotate_fini(&f);
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rotate");
	TCase *tc = tcase_create("rotate");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, dir_make, dir_remove);
	tcase_add_test(tc, rotate_opens_with_the_first_byte);
	tcase_add_test(tc, rotate_renames_when_it_is_full);
	tcase_add_test(tc, rotate_cuts_a_line_that_is_too_long);
	tcase_add_test(tc, rotate_counts_what_was_there_before);
	tcase_add_test(tc, rotate_without_backups_empties);
	tcase_add_test(tc, rotate_heeds_gaps_and_fewer_backups);
	tcase_add_test(tc, rotate_notices_a_moved_file_within_a_second);
	tcase_add_test(tc, rotate_does_not_rename_a_stranger);
	tcase_add_test(tc, rotate_notices_that_it_was_emptied);
	tcase_add_test(tc, rotate_reopens_by_name);
	tcase_add_test(tc, rotate_tries_again_after_a_second);
	tcase_add_test(tc, rotate_writes_on_when_it_cannot_rename);
	tcase_add_test(tc, rotate_tells_how_much_was_written);
	tcase_add_test(tc, rotate_never_waits_for_a_fifo);
	tcase_add_test(tc, rotate_leaves_links_alone);
	tcase_add_test(tc, rotate_shares_a_plain_stdout);
	tcase_add_test(tc, rotate_writes_to_a_socket_on_stdout);
	tcase_add_test(tc, rotate_leaks_no_descriptor);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
