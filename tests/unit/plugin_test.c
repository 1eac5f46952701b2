/*
 * plugin_test - which files are loaded, and which are refused, and why.
 *
 * The plugins are those of tests/plugins, copied to a folder of ours.
 */
#include "config/plugin_file.h"
#include "pool/plugin.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "job_try.h"

static char built[PATH_MAX]; /* build/VARIANT, of this very program */
static char dir[] = "/tmp/plugin_test.XXXXXX";
static char path[PATH_MAX];
static struct err err;
static struct try t;

__attribute__((format(printf, 1, 2))) static void
shell(const char *fmt, ...)
{
	va_list ap;
	char *line;

	va_start(ap, fmt);
	ck_assert_int_ne(vasprintf(&line, fmt, ap), -1);
	va_end(ap);
	ck_assert_msg(system(line) == 0, "%s fails", line);
	free(line);
}

/* path becomes that of a copy of the plugin, named `as`. */
static void
have(const char *plugin, const char *as)
{
	snprintf(path, sizeof path, "%s/%s.so", dir, as);
	/* A new file each time, as install makes one. */
	shell("cp %s/%s.so %s.new && chmod 644 %s.new && mv %s.new %s", built,
	    plugin, path, path, path, path);
}

static void
setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	try_init(&t, "rogue");
}

static void
teardown(void)
{
	shell("rm -rf %s", dir);
	try_fini(&t);
}

static void
refused(const char *what)
{
	struct job_plugin *pl = job_plugin_open(path, &err);

	ck_assert_ptr_null(pl);
	ck_assert_msg(strstr(err.text, what) != NULL, "it says: %s", err.text);
	ck_assert_msg(strstr(err.text, path) != NULL, "no path: %s", err.text);
}

static struct job_plugin *
opened(void)
{
	struct job_plugin *pl = job_plugin_open(path, &err);

	ck_assert_msg(pl != NULL, "%s", err.text);
	return pl;
}

static void
answers(struct job_plugin *pl, const char *arg, const char *what)
{
	t.spec.nargs = 0;
	try_arg(&t, arg);
	TRY_OK(&t, job_plugin_entry(pl));
	ck_assert_str_eq(t.run.answer, what);
}

/* --- good ones
 * ------------------------------------------------------------------------ */

START_TEST(a_plugin_runs)
{
	struct job_plugin *pl;

	have("plugins/rogue", "rogue");
	ck_assert_int_eq(plugin_check_file(path, &err), 0);
	pl = opened();
	ck_assert_str_eq(job_plugin_entry(pl)->name, "rogue");
	answers(pl, "do=hello", "1");
	answers(pl, "do=sleep", "slept");
	t.cancel = 1;
	ck_assert_int_eq(try_run(&t, job_plugin_entry(pl)), JOB_CANCELLED);
	job_plugin_close(pl);
	job_plugin_close(NULL);
}
END_TEST

START_TEST(a_plugin_that_misbehaves)
{
	char text[JOB_TEXT_MAX];
	struct job_plugin *pl;

	have("plugins/rogue", "rogue");
	pl = opened();
	try_bytes(&t, "", 0);
	t.spec.out.len = 3000000;
	try_arg(&t, "do=overrun");
	TRY_FAILS(&t, job_plugin_entry(pl), "more than the 3000000 bytes");
	t.args[0] = "do=silent";
	TRY_FAILS(&t, job_plugin_entry(pl), "does not say why");
	t.args[0] = "do=rubbish";
	TRY_FAILS(&t, job_plugin_entry(pl), "not one line of UTF-8");
	job_progress_get(&t.progress, text, sizeof text);
	ck_assert_str_eq(text, "?[2J???");
	t.args[0] = "do=leak";
	TRY_OK(&t, job_plugin_entry(pl));
	job_plugin_close(pl);
}
END_TEST

START_TEST(load_and_unload_are_called_once)
{
	struct job_plugin *pl;
	char seen[8] = "", fd[16];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	snprintf(fd, sizeof fd, "%d", fds[1]);
	setenv("COUNTED_FD", fd, 1);
	have("plugins/counted", "counted");
	pl = opened();
	/* It was built for a later header, and runs all the same. */
	TRY_OK(&t, job_plugin_entry(pl));
	job_plugin_close(pl);
	ck_assert_int_eq(read(fds[0], seen, sizeof seen - 1), 3);
	ck_assert_str_eq(seen, "lru");
	unsetenv("COUNTED_FD");
	refused("it refuses: COUNTED_FD is not there");
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_file_that_is_replaced_is_another_plugin)
{
	struct job_plugin *old, *new, *again;

	have("plugins/rogue", "rogue");
	old = opened();
	ck_assert(!job_plugin_changed(old));
	have("plugins/rogue2", "rogue");
	ck_assert(job_plugin_changed(old));
	new = opened();
	ck_assert(!job_plugin_changed(new));
	/* Jobs run in both until the old one is closed. */
	answers(old, "do=hello", "1");
	answers(new, "do=hello", "2");
	job_plugin_close(old);
	answers(new, "do=hello", "2");
	have("plugins/rogue", "rogue");
	again = opened();
	answers(again, "do=hello", "1");
	answers(new, "do=hello", "2");
	job_plugin_close(new);
	job_plugin_close(again);
	unlink(path);
	refused("No such file");
}
END_TEST

START_TEST(a_file_is_not_loaded_twice)
{
	struct job_plugin *pl;

	have("plugins/rogue", "rogue");
	pl = opened();
	refused("it is loaded already, and was not replaced");
	answers(pl, "do=hello", "1");
	job_plugin_close(pl);
	job_plugin_close(opened());
}
END_TEST

START_TEST(the_example_works)
{
	struct job_plugin *pl;

	have("examples/jobs/template", "template");
	pl = opened();
	t.spec.kind = "lines";
	try_bytes(&t, "one\ntwo\nthree;four\n", 19);
	answers(pl, "end=;", "1");
	t.spec.nargs = 0;
	TRY_OK(&t, job_plugin_entry(pl));
	ck_assert_str_eq(t.run.answer, "3");
	try_arg(&t, "begin=x");
	TRY_FAILS(&t, job_plugin_entry(pl), "lines has no argument begin");
	job_plugin_close(pl);
}
END_TEST

/* 64x32 in grey, the left half black, the right one white. */
static const unsigned char jpeg[] = {
	0xff,
	0xd8,
	0xff,
	0xe0,
	0x00,
	0x10,
	0x4a,
	0x46,
	0x49,
	0x46,
	0x00,
	0x01,
	0x01,
	0x00,
	0x00,
	0x01,
	0x00,
	0x01,
	0x00,
	0x00,
	0xff,
	0xdb,
	0x00,
	0x43,
	0x00,
	0x1b,
	0x12,
	0x14,
	0x17,
	0x14,
	0x11,
	0x1b,
	0x17,
	0x16,
	0x17,
	0x1e,
	0x1c,
	0x1b,
	0x20,
	0x28,
	0x42,
	0x2b,
	0x28,
	0x25,
	0x25,
	0x28,
	0x51,
	0x3a,
	0x3d,
	0x30,
	0x42,
	0x60,
	0x55,
	0x65,
	0x64,
	0x5f,
	0x55,
	0x5d,
	0x5b,
	0x6a,
	0x78,
	0x99,
	0x81,
	0x6a,
	0x71,
	0x90,
	0x73,
	0x5b,
	0x5d,
	0x85,
	0xb5,
	0x86,
	0x90,
	0x9e,
	0xa3,
	0xab,
	0xad,
	0xab,
	0x67,
	0x80,
	0xbc,
	0xc9,
	0xba,
	0xa6,
	0xc7,
	0x99,
	0xa8,
	0xab,
	0xa4,
	0xff,
	0xc0,
	0x00,
	0x0b,
	0x08,
	0x00,
	0x20,
	0x00,
	0x40,
	0x01,
	0x01,
	0x11,
	0x00,
	0xff,
	0xc4,
	0x00,
	0x16,
	0x00,
	0x01,
	0x01,
	0x01,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x07,
	0x06,
	0xff,
	0xc4,
	0x00,
	0x14,
	0x10,
	0x01,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0xff,
	0xda,
	0x00,
	0x08,
	0x01,
	0x01,
	0x00,
	0x00,
	0x3f,
	0x00,
	0xcc,
	0x80,
	0xa6,
	0x00,
	0x99,
	0x80,
	0xa6,
	0x00,
	0x99,
	0x80,
	0xa6,
	0x00,
	0x99,
	0x80,
	0xa6,
	0x00,
	0xff,
	0xd9,
};

#define JPEG_SIZE_AT 94 /* height and width, two bytes each */

/* The size that is written in the output. */
static void
is_jpeg_of(unsigned height, unsigned width)
{
	static const unsigned char sof[] = { 0xff, 0xc0 };
	unsigned char *p;
	size_t n;
	char *out = try_output(&t, &n);

	ck_assert_mem_eq(out, "\xff\xd8\xff", 3);
	p = memmem(out, n, sof, sizeof sof);
	ck_assert(p != NULL && p + 9 < (unsigned char *)out + n);
	ck_assert_uint_eq((unsigned)p[5] << 8 | p[6], height);
	ck_assert_uint_eq((unsigned)p[7] << 8 | p[8], width);
	free(out);
}

START_TEST(thumb_makes_it_smaller)
{
	unsigned char bad[sizeof jpeg];
	struct job_plugin *pl;
	char so[PATH_MAX + 32];

	snprintf(so, sizeof so, "%s/examples/jobs/thumb.so", built);
	if (access(so, R_OK) == -1) {
		puts(
		    "# skipped: thumb_makes_it_smaller: built without libjpeg");
		return;
	}
	have("examples/jobs/thumb", "thumb");
	pl = opened();
	t.spec.kind = "thumb";
	try_bytes(&t, jpeg, sizeof jpeg);
	try_arg(&t, "width=20");
	TRY_OK(&t, job_plugin_entry(pl));
	is_jpeg_of(10, 20);
	t.args[0] = "height=7";
	try_bytes(&t, jpeg, sizeof jpeg);
	TRY_OK(&t, job_plugin_entry(pl));
	is_jpeg_of(7, 14);
	t.args[0] = "width=1000"; /* never larger */
	try_bytes(&t, jpeg, sizeof jpeg);
	TRY_OK(&t, job_plugin_entry(pl));
	is_jpeg_of(32, 64);
	t.args[0] = "width=0";
	TRY_FAILS(&t, job_plugin_entry(pl), "width=0 is not a number from 1");
	t.args[0] = "width=20";
	/* A few bytes that say they are four thousand million pixels. */
	memcpy(bad, jpeg, sizeof jpeg);
	memset(bad + JPEG_SIZE_AT, 0xf0, 4);
	try_bytes(&t, bad, sizeof bad);
	TRY_FAILS(&t, job_plugin_entry(pl), "is more than 100000000 pixels");
	try_bytes(&t, jpeg, sizeof jpeg - 12);
	TRY_FAILS(&t, job_plugin_entry(pl), "in.bin: Premature end");
	try_bytes(&t, "GIF89a", 6);
	TRY_FAILS(&t, job_plugin_entry(pl), "in.bin: Not a JPEG file");
	try_bytes(&t, "", 0);
	TRY_FAILS(&t, job_plugin_entry(pl), "in.bin: ");
	try_bytes(&t, jpeg, sizeof jpeg);
	t.cancel = 1;
	ck_assert_int_eq(try_run(&t, job_plugin_entry(pl)), JOB_CANCELLED);
	job_plugin_close(pl);
}
END_TEST

/* --- bad ones
 * ------------------------------------------------------------------------- */

START_TEST(what_is_no_plugin)
{
	have("plugins/no_symbol", "x");
	refused("it has no reeve_job_plugin: not a job plugin");
	have("plugins/bad_abi", "x");
	refused("built for version 2 of reeve/job.h, this is 1");
	have("plugins/bad_size", "x");
	refused("its reeve_job_plugin is too short");
	have("plugins/bad_name", "x");
	refused("its name is not 1 to 32 of a-z");
	have("plugins/refuses", "x");
	refused("it refuses: there is no model");
	have("plugins/undefined", "x");
	refused("undefined symbol: reeve_nobody_has_this");
	ck_assert_int_eq(truncate(path, 0), 0);
	refused("file too short");
}
END_TEST

/* Looked at and not run: what can be known, and no more. */
START_TEST(what_a_look_tells)
{
	have("plugins/rogue", "rogue");
	ck_assert_int_eq(plugin_check_file(path, &err), 0);
	have("plugins/refuses", "x");
	ck_assert_int_eq(plugin_check_file(path, &err), 0);
	have("plugins/no_symbol", "x");
	ck_assert_int_eq(plugin_check_file(path, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "it has no reeve_job_plugin"));
	have("plugins/bad_abi", "x");
	ck_assert_int_eq(plugin_check_file(path, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "built for version 2"));
	/* However much of it is there, it is not believed. */
	have("plugins/rogue", "rogue");
	for (off_t n = 8192; n > 64; n -= 61) {
		ck_assert_int_eq(truncate(path, n), 0);
		(void)plugin_check_file(path, &err);
	}
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(plugin_check_file(path, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "not a shared library"));
}
END_TEST

START_TEST(what_is_no_file)
{
	snprintf(path, sizeof path, "%s", dir);
	refused("not a file");
	snprintf(path, sizeof path, "%s/none.so", dir);
	refused("No such file");
	snprintf(path, sizeof path, "rogue.so");
	refused("not an absolute path");
}
END_TEST

START_TEST(what_others_may_change)
{
	have("plugins/rogue", "rogue");
	ck_assert_int_eq(chmod(path, 0666), 0);
	refused("others may write to it: chmod go-w");
	ck_assert_int_eq(chmod(path, 0664), 0);
	refused("others may write to it: chmod go-w");
	ck_assert_int_eq(plugin_check_file(path, &err), -1);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(chmod(dir, 0775), 0);
	refused("others may write to /tmp/plugin_test.");
	/* The sticky bit is enough for a folder above, not for its own. */
	ck_assert_int_eq(chmod(dir, 01777), 0);
	refused("others may write to /tmp/plugin_test.");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	job_plugin_close(opened());
}
END_TEST

START_TEST(what_others_own)
{
	char real[PATH_MAX];

	if (geteuid() != 0)
		return;
	have("plugins/rogue", "rogue");
	ck_assert_int_eq(chown(path, 65534, 65534), 0);
	refused("it belongs to user 65534: root or user 0 must own it");
	ck_assert_int_eq(chown(path, 0, 0), 0);
	ck_assert_int_eq(chown(dir, 65534, 65534), 0);
	refused("belongs to user 65534");
	ck_assert_int_eq(chown(dir, 0, 0), 0);
	/* A folder further up. */
	shell("mkdir -p %s/a/b && cp %s %s/a/b/rogue.so && chown 65534 %s/a",
	    dir, path, dir, dir);
	snprintf(real, sizeof real, "%s", path);
	snprintf(path, sizeof path, "%s/a/b/rogue.so", dir);
	refused("/a belongs to user 65534");
	/* A link is as good as what it leads to. */
	ck_assert_int_eq(unlink(real), 0);
	ck_assert_int_eq(symlink(path, real), 0);
	memcpy(path, real, sizeof path);
	refused("/a belongs to user 65534");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plugin");
	TCase *tc = tcase_create("plugin");
	SRunner *sr;
	ssize_t n = readlink("/proc/self/exe", built, sizeof built - 1);
	int i, failed;

	built[n > 0 ? n : 0] = '\0';
	for (i = 0; i < 2 && strrchr(built, '/') != NULL; i++)
		*strrchr(built, '/') = '\0';
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_plugin_runs);
	tcase_add_test(tc, a_plugin_that_misbehaves);
	tcase_add_test(tc, load_and_unload_are_called_once);
	tcase_add_test(tc, a_file_that_is_replaced_is_another_plugin);
	tcase_add_test(tc, a_file_is_not_loaded_twice);
	tcase_add_test(tc, the_example_works);
	tcase_add_test(tc, thumb_makes_it_smaller);
	tcase_add_test(tc, what_is_no_plugin);
	tcase_add_test(tc, what_a_look_tells);
	tcase_add_test(tc, what_is_no_file);
	tcase_add_test(tc, what_others_may_change);
	tcase_add_test(tc, what_others_own);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
