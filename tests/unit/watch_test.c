/*
 * watch_test - a real directory and the real inotify; the time is ours.
 */
#include "watch/watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "watch/settle.h"

#define QUIET 200
#define LONG  2000

static char top[64];
static struct loop *lp;
static struct watch *w;
static struct globs *gs;
static int fd = -1;
static uint8_t note;
static int calls;
static struct strv paths;
static size_t count;
static bool unknown;
static char trouble[512];

static void
on_change(void *arg, const struct changes *ch)
{
	(void)arg;
	calls++;
	strv_fini(&paths);
	strv_init(&paths);
	strv_copy(&paths, &ch->paths);
	count = ch->count;
	unknown = ch->unknown;
}

static void
on_trouble(void *arg, const char *why)
{
	(void)arg;
	snprintf(trouble, sizeof trouble, "%s", why == NULL ? "" : why);
}

static const char *
path_of(const char *name)
{
	static char out[2][512];
	static int i;

	i = !i;
	snprintf(out[i], sizeof out[i], "%s/%s", top, name);
	return out[i];
}

static void
save(const char *name)
{
	int f = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_msg(f != -1, "%s", name);
	ck_assert_int_eq(write(f, "x", 1), 1);
	close(f);
}

static void
folder(const char *name)
{
	ck_assert_msg(mkdir(path_of(name), 0755) == 0, "%s", name);
}

static void
renamed(const char *from, const char *to)
{
	ck_assert_int_eq(rename(path_of(from), path_of(to)), 0);
}

static void
shell(const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", top, command);
	ck_assert_int_eq(system(line), 0);
}

/* All that can be done without time going by. */
static void
drive(void)
{
	int n;

	do {
		n = fake_loop_poll(lp, 0);
		fake_loop_advance(lp, 0);
	} while (n > 0 || fake_loop_next(lp) == 0);
}

static void
after(int64_t ms)
{
	drive();
	fake_loop_advance(lp, ms);
	drive();
}

static void
watch(const char *patterns, const char *excluded, bool changed)
{
	struct watch_spec spec = { .dir = top,
		.quiet_ms = QUIET,
		.max_ms = LONG,
		.note = &note,
		.changed = changed,
		.cb = on_change,
		.trouble = on_trouble };
	char *copy = xstrdup(patterns), *save_p = NULL;
	struct strv p, x;
	struct err err;

	strv_init(&p);
	strv_init(&x);
	for (char *s = strtok_r(copy, " ", &save_p); s != NULL;
	     s = strtok_r(NULL, " ", &save_p))
		strv_add(&p, s);
	if (*excluded != '\0')
		strv_add(&x, excluded);
	gs = globs_new(&p, &x, &err);
	ck_assert_msg(gs != NULL, "%s", err.text);
	strv_fini(&p);
	strv_fini(&x);
	free(copy);
	spec.globs = gs;
	if (fd == -1)
		fd = watch_open(&err);
	ck_assert_msg(fd != -1, "%s", err.text);
	spec.fd = fd;
	w = watch_new(lp, &spec);
	drive();
}

static void
unwatch(void)
{
	watch_free(w);
	globs_free(gs);
	w = NULL;
	gs = NULL;
	ck_assert_uint_eq(fake_loop_active(lp), 0);
}

static void
setup(void)
{
	snprintf(top, sizeof top, "/tmp/watch_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	lp = loop_new();
	fake_clock_set(1000);
	strv_init(&paths);
	folder("src");
	folder("src/a");
	save("src/old.c");
}

static void
teardown(void)
{
	char command[128];

	if (w != NULL)
		unwatch();
	loop_free(lp);
	fd_closep(&fd);
	strv_fini(&paths);
	snprintf(command, sizeof command, "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

/* One report since the last look, of this path and perhaps others. */
static void
told(const char *path)
{
	after(QUIET);
	ck_assert_msg(calls == 1, "%d reports, not one of %s", calls, path);
	ck_assert_msg(strv_has(&paths, path), "%s, not %s",
	    paths.n > 0 ? paths.v[0] : "nothing", path);
	calls = 0;
	watch_done(w);
	ck_assert_uint_eq(note, 0);
}

static void
nothing(void)
{
	after(2 * LONG);
	ck_assert_msg(
	    calls == 0, "told of %s", paths.n > 0 ? paths.v[0] : "something");
}

/* --- tests -------------------------------------------------------------------
 */

START_TEST(settle_waits_for_quiet)
{
	struct settle s = { 0 };

	settle_mark(&s, 100, true);
	ck_assert_int_eq(settle_due(&s, QUIET, LONG), 300);
	settle_mark(&s, 250, true);
	ck_assert_int_eq(settle_due(&s, QUIET, LONG), 450);
	settle_mark(&s, 300, false);
	ck_assert_int_eq(settle_due(&s, QUIET, LONG), 450);
	for (mono_ms t = 300; t < 2100; t += 100)
		settle_mark(&s, t, true);
	ck_assert_int_eq(settle_due(&s, QUIET, LONG), 2100);
	s = (struct settle){ 0 };
	settle_mark(&s, 100, false);
	ck_assert_int_eq(settle_due(&s, QUIET, LONG), 2100);
}
END_TEST

START_TEST(watch_tells_of_a_save)
{
	watch("src/**", "", false);
	nothing();
	save("src/old.c");
	after(QUIET - 1);
	ck_assert_int_eq(calls, 0);
	ck_assert_uint_eq(note, 1);
	after(1);
	ck_assert_uint_eq(note, 1); /* until it is in good hands */
	ck_assert_uint_eq(count, 1);
	told("src/old.c");
	save("src/a/new.c");
	told("src/a/new.c");
	unlink(path_of("src/a/new.c"));
	told("src/a/new.c");
	save("other.c");
	folder("lib");
	nothing();
	ck_assert_int_eq(fake_loop_next(lp), -1); /* idle is idle */
}
END_TEST

START_TEST(watch_follows_renames)
{
	watch("src/**", "", false);
	/* An editor: a new file takes the old one's place. */
	save("src/.old.c.swp");
	save("src/old.c~");
	renamed("src/old.c~", "src/old.c");
	told("src/old.c");
	ck_assert_uint_eq(count, 1);
	/* From outside; a link, and its first name goes. */
	save("tmp");
	renamed("tmp", "src/old.c");
	told("src/old.c");
	save("tmp");
	ck_assert_int_eq(link(path_of("tmp"), path_of("src/new.c")), 0);
	told("src/new.c");
	renamed("src/new.c", "gone.c");
	told("src/new.c");
}
END_TEST

START_TEST(watch_waits_for_the_writer)
{
	int f;

	watch("src/**", "", false);
	f = open(path_of("src/big"), O_WRONLY | O_CREAT, 0644);
	after(QUIET);
	after(QUIET);
	ck_assert_int_eq(calls, 0);
	close(f);
	told("src/big");
	/* But not for ever. */
	f = open(path_of("src/huge"), O_WRONLY | O_CREAT, 0644);
	after(LONG - 1);
	ck_assert_int_eq(calls, 0);
	after(1);
	ck_assert_int_eq(calls, 1);
	calls = 0;
	close(f);
	told("src/huge");
	for (int ms = 0; ms < LONG; ms += QUIET / 2) {
		ck_assert_int_eq(calls, 0);
		save("src/busy");
		after(QUIET / 2);
	}
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(watch_follows_new_directories)
{
	watch("src/**", "", false);
	/* What is in it may be there before it can be watched. */
	shell("mkdir -p src/x/y/z && echo 1 >src/x/y/z/f");
	told("src/x/y/z/f");
	save("src/x/y/g");
	told("src/x/y/g");
	/* Renamed: new names, from then on. */
	renamed("src/x", "src/w");
	told("src/w/y/z/f");
	ck_assert(strv_has(&paths, "src/x"));
	save("src/w/y/z/f");
	told("src/w/y/z/f");
	ck_assert_uint_eq(count, 1);
	/* Out, and nothing of it is heard any more; in again. */
	renamed("src/w", "w");
	told("src/w");
	save("w/y/g");
	nothing();
	renamed("w", "src/w");
	told("src/w/y/g");
	shell("rm -r src/w");
	told("src/w/y/z/f");
	ck_assert_uint_eq(watch_ndirs(w), 3);
	folder("src/empty");
	nothing();
	/* Two change places. */
	folder("src/b");
	save("src/a/1");
	told("src/a/1");
	shell("mv src/a src/t && mv src/b src/a && mv src/t src/b");
	told("src/b/1");
	save("src/b/1");
	told("src/b/1");
	save("src/a/2");
	told("src/a/2");
}
END_TEST

START_TEST(watch_leaves_out)
{
	watch("src/**", "*.o", false);
	shell("mkdir -p src/.git/x && echo 1 >src/.git/x/HEAD");
	shell(
	    "mkdir -p src/a/node_modules/y && echo 1 >src/a/node_modules/y/f");
	save("src/a/f.o");
	save("src/4913");
	nothing();
	ck_assert_uint_eq(watch_ndirs(w), 3);
}
END_TEST

START_TEST(watch_does_not_go_round)
{
	shell("ln -s .. src/loop && ln -s ../lib src/lib && mkdir lib");
	watch("src/**", "", false);
	ck_assert_uint_eq(watch_ndirs(w), 3);
	shell("ln -s ../src src/a/up");
	told("src/a/up");
	ck_assert_uint_eq(watch_ndirs(w), 3);
	save("lib/x");
	nothing();
	unwatch();
	/* What a pattern names is followed. */
	watch("src/lib/*", "", false);
	save("lib/y");
	told("src/lib/y");
	unlink(path_of("src/lib"));
	told("src/lib");
	folder("lib2");
	save("lib2/z");
	shell("ln -s ../lib2 src/lib");
	told("src/lib/z");
	save("lib2/z");
	told("src/lib/z");
}
END_TEST

START_TEST(watch_waits_for_directories)
{
	watch("src/gen/*/*.c gen2", "", false);
	ck_assert_uint_eq(watch_ndirs(w), 2);
	shell("mkdir -p src/gen/1 && echo 1 >src/gen/1/a.c");
	told("src/gen/1/a.c");
	shell("rm -r src/gen");
	told("src/gen/1/a.c");
	shell("mkdir -p src/gen/1");
	nothing();
	save("src/gen/1/a.c");
	told("src/gen/1/a.c");
	save("gen2");
	told("gen2");
	shell("rm gen2 && mkdir -p gen2/deep");
	told("gen2");
	save("gen2/deep/f");
	told("gen2/deep/f");
}
END_TEST

START_TEST(watch_waits_for_its_root)
{
	char absolute[128];

	snprintf(absolute, sizeof absolute, "%s/new/x/y/*.c", top);
	watch(absolute, "", false);
	ck_assert_uint_eq(watch_ndirs(w), 0);
	shell("mkdir -p new/x");
	nothing();
	ck_assert_uint_eq(watch_ndirs(w), 0);
	shell("mkdir new/x/y && echo >new/x/y/a.c");
	told(path_of("new/x/y/a.c"));
	/* Away and back; then another one instead. */
	renamed("new/x/y", "new/x/z");
	after(QUIET);
	ck_assert_int_eq(calls, 1);
	calls = 0;
	save("new/x/z/a.c");
	nothing();
	shell("rm -r new && mkdir -p new/x/y && echo >new/x/y/b.c");
	told(path_of("new/x/y/b.c"));
	save("new/x/y/b.c");
	told(path_of("new/x/y/b.c"));
	shell("rm -r new");
	told(path_of("new/x/y/b.c"));
	shell("mkdir -p new/x/y && echo >new/x/y/c.c");
	told(path_of("new/x/y/c.c"));
}
END_TEST

START_TEST(watch_finds_out_when_its_root_is_held)
{
	char sub[128];
	int held;

	/* Somebody's working directory: the kernel does not say it is gone. */
	snprintf(sub, sizeof sub, "%s/src/*.c", top);
	watch(sub, "", false);
	held = open(path_of("src"), O_RDONLY | O_DIRECTORY);
	ck_assert_int_ne(held, -1);
	shell("rm -r src && mkdir src && echo >src/n.c");
	after(QUIET);
	ck_assert(strv_has(&paths, path_of("src/old.c")));
	watch_done(w);
	ck_assert_uint_eq(note, 1); /* what is in the new one */
	calls = 0;
	told(path_of("src/n.c"));
	save("src/n.c");
	told(path_of("src/n.c"));
	close(held);
}
END_TEST

START_TEST(watch_has_roots_beside_each_other)
{
	char patterns[128];

	snprintf(patterns, sizeof patterns, "src/** %s/src/a/*.c ../%s/src/*.h",
	    top, strrchr(top, '/') + 1);
	watch(patterns, "", false);
	save("src/a/x.c");
	told("src/a/x.c");
	ck_assert(strv_has(&paths, path_of("src/a/x.c")));
	save("src/x.h");
	told("src/x.h");
	ck_assert_uint_eq(count, 2);
	shell("rm -r src/a && mkdir src/a && echo >src/a/y.c");
	told("src/a/y.c");
	ck_assert(strv_has(&paths, path_of("src/a/y.c")));
}
END_TEST

START_TEST(watch_counts_a_burst)
{
	watch("src/**", "", false);
	shell("cd src/a && i=0; while [ $i -lt 1000 ]; do echo >f$i; "
	      "i=$((i+1)); done");
	told("src/a/f0");
	ck_assert_uint_eq(count, 1000);
	ck_assert_uint_eq(paths.n, CHANGES_PATHS_MAX);
	ck_assert(!unknown);
}
END_TEST

START_TEST(watch_survives_an_overflow)
{
	watch("src/**", "", false);
	/* Neighbours that are the same would be one event. */
	save("src/a/f");
	save("src/a/g");
	for (int i = 0; i < 17000; i++)
		close(open(path_of(i % 2 ? "src/a/f" : "src/a/g"), O_WRONLY));
	shell("mkdir -p src/b/c; rm -r src/a");
	after(QUIET);
	after(QUIET);
	ck_assert_int_ge(calls, 1);
	ck_assert(unknown);
	calls = 0;
	watch_done(w);
	save("src/b/c/f");
	told("src/b/c/f");
	ck_assert(!unknown);
	ck_assert_uint_eq(watch_ndirs(w), 4);
}
END_TEST

START_TEST(watch_takes_over)
{
	watch("src/**", "", false);
	unwatch(); /* its descriptor is kept */
	save("src/old.c");
	shell("mkdir -p src/n && echo >src/n/f");
	watch("src/**", "", false);
	told("src/old.c");
	ck_assert(strv_has(&paths, "src/n/f"));
	unwatch();
	shell("rm -r src/n");
	watch("src/**", "", false);
	told("src/n");
	unwatch();
	watch("src/**", "", false);
	nothing();
	unwatch();
	watch("src/**", "", true);
	after(QUIET);
	ck_assert_int_eq(calls, 1);
	ck_assert(unknown);
}
END_TEST

START_TEST(watch_notes_before_it_reads)
{
	watch("src/**", "", false);
	save("src/old.c");
	/* Read, and not over: who dies now has said that there is one. */
	drive();
	ck_assert_uint_eq(note, 1);
	after(QUIET);
	save("src/old.c");
	after(1);
	watch_done(w); /* of the first one */
	ck_assert_uint_eq(note, 1);
	after(QUIET);
	watch_done(w);
	ck_assert_uint_eq(note, 0);
	save("src/.git");
	drive();
	ck_assert_uint_eq(note, 0);
	ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(watch_says_what_it_cannot)
{
	static const char limit[] = "/proc/sys/user/max_inotify_watches";
	FILE *fp;

	/* In a user namespace of our own, limits are ours. */
	if (unshare(CLONE_NEWUSER) == -1)
		return;
	fp = fopen(limit, "w");
	if (fp == NULL || fprintf(fp, "2") < 0 || fclose(fp) != 0)
		return;
	watch("src/**", "", false);
	ck_assert_msg(strstr(trouble, "fs.inotify.max_user_watches") != NULL,
	    "%s", trouble);
	ck_assert(!watch_is_complete(w));
	save("src/old.c");
	told("src/old.c");
	fp = fopen(limit, "w");
	ck_assert_ptr_nonnull(fp);
	fprintf(fp, "100");
	fclose(fp);
	after(30000);
	ck_assert_str_eq(trouble, "");
	ck_assert(watch_is_complete(w));
	after(QUIET);
	ck_assert(unknown);
	calls = 0;
	save("src/a/f");
	told("src/a/f");
}
END_TEST

START_TEST(watch_is_bounded_a_turn)
{
	shell("mkdir many && cd many && i=0; while [ $i -lt 300 ]; do "
	      "mkdir d$i; i=$((i+1)); done");
	watch("many/**", "", false);
	ck_assert_uint_eq(watch_ndirs(w), 302);
	save("many/d299/f");
	told("many/d299/f");
	shell("rm -r many");
	after(QUIET);
	ck_assert_uint_eq(watch_ndirs(w), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("watch");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, settle_waits_for_quiet);
	tcase_add_test(tc, watch_tells_of_a_save);
	tcase_add_test(tc, watch_follows_renames);
	tcase_add_test(tc, watch_waits_for_the_writer);
	tcase_add_test(tc, watch_follows_new_directories);
	tcase_add_test(tc, watch_leaves_out);
	tcase_add_test(tc, watch_does_not_go_round);
	tcase_add_test(tc, watch_waits_for_directories);
	tcase_add_test(tc, watch_waits_for_its_root);
	tcase_add_test(tc, watch_finds_out_when_its_root_is_held);
	tcase_add_test(tc, watch_has_roots_beside_each_other);
	tcase_add_test(tc, watch_counts_a_burst);
	tcase_add_test(tc, watch_survives_an_overflow);
	tcase_add_test(tc, watch_takes_over);
	tcase_add_test(tc, watch_notes_before_it_reads);
	tcase_add_test(tc, watch_says_what_it_cannot);
	tcase_add_test(tc, watch_is_bounded_a_turn);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
