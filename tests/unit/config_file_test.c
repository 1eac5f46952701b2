/*
 * config_file_test - configs in files: what they include, their snapshot, what
 * is told of them.
 */
#include "config_try.h"
#include "try_main.h"

static char dir[64];
static struct strv made;

static void
files_setup(void)
{
	setup();
	snprintf(dir, sizeof dir, "/tmp/reeve-load-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	strv_init(&made);
}

static void
files_teardown(void)
{
	for (size_t i = made.n; i > 0; i--)
		remove(made.v[i - 1]);
	strv_fini(&made);
	ck_assert_int_eq(rmdir(dir), 0);
	teardown();
}

/* text NULL: a folder. */
static void
put(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *fp;

	strv_take(&made, path);
	if (text == NULL) {
		ck_assert_int_eq(mkdir(path, 0755), 0);
		return;
	}
	fp = fopen(path, "w");
	ck_assert_ptr_nonnull(fp);
	fputs(text, fp);
	fclose(fp);
}

static void
load_file(void)
{
	char *path = xasprintf("%s/r.conf", dir);

	cf = config_load(path, &errs);
	free(path);
}

/* The only error is at NAME:LINE and says that. */
static void
expect_error(const char *place, const char *text)
{
	char *want = xasprintf("%s/%s: ", dir, place);

	ck_assert_ptr_null(cf);
	ck_assert_msg(errs.errors.n == 1, "%zu: %s %s", errs.errors.n,
	    errs.errors.n > 0 ? errs.errors.v[0] : "",
	    errs.errors.n > 1 ? errs.errors.v[1] : "");
	ck_assert_msg(str_starts(errs.errors.v[0], want) &&
			  strstr(errs.errors.v[0], text) != NULL,
	    "%s", errs.errors.v[0]);
	free(want);
}

START_TEST(files_are_included)
{
	put("r.conf", "[reeve]\n[include]\nfiles = d/*.conf one.conf\n"
		      "[program:web]\ncommand = sh\n");
	put("d", NULL);
	put("d/dir.conf", NULL);
	put("d/b.conf", "[program:b]\ncommand = sh\ndirectory = sub\n");
	put("d/a.conf", "[program:web]\nstartsecs = 5\n");
	put("d/c.txt", "junk");
	put("one.conf", "[include]\nfiles = %(here)s/two.conf\n");
	put("two.conf", "[program:two]\ncommand = sh\n");
	load_file();
	ck_assert_msg(cf != NULL, "%s", errs.errors.v[0]);
	ck_assert_uint_eq(cf->nprograms, 3);
	ck_assert_int_eq(config_program_find(cf, "web")->startsecs_ms, 5000);
	ck_assert(str_ends(config_program_find(cf, "b")->here, "/d"));
	ck_assert(str_ends(config_program_find(cf, "web")->here, dir));
	ck_assert_uint_eq(cf->files.n, 5);
	ck_assert(str_ends(cf->files.v[1], "/d/a.conf"));
	ck_assert(str_ends(cf->files.v[2], "/d/b.conf"));
	ck_assert(str_ends(cf->files.v[4], "/two.conf"));
}
END_TEST

START_TEST(includes_that_find_nothing)
{
	put("r.conf", "[reeve]\n[include]\nfiles = no*.conf\n");
	load_file();
	ck_assert_ptr_nonnull(cf);
	ck_assert_uint_eq(errs.warnings.n, 1);
	ck_assert(strstr(errs.warnings.v[0], "no file matches") != NULL);
	config_free(cf);
	put("r.conf", "[reeve]\n[include]\nfiles = none.conf\n");
	load_file();
	expect_error("r.conf:3", "none.conf: No such file");
}
END_TEST

START_TEST(includes_in_a_circle)
{
	put("r.conf", "[reeve]\n[include]\nfiles = a.conf\n");
	put("a.conf", "[include]\nfiles = ./r.conf\n");
	load_file();
	expect_error("a.conf:2", "includes itself");
}
END_TEST

START_TEST(includes_of_the_same_file)
{
	put("r.conf", "[reeve]\n[include]\nfiles = a.conf a.conf\n");
	put("a.conf", "[program:a]\ncommand = sh\n");
	load_file();
	expect_error("r.conf:3", "is included already");
	/* Patterns may overlap, and match the file that has them. */
	config_errors_fini(&errs);
	config_errors_init(&errs);
	put("r.conf", "[reeve]\n[include]\nfiles = a.conf *.conf a*\n");
	load_file();
	ck_assert_ptr_nonnull(cf);
	ck_assert_uint_eq(cf->nprograms, 1);
}
END_TEST

START_TEST(includes_that_are_too_deep)
{
	char name[32], text[64];

	put("r.conf", "[reeve]\n[include]\nfiles = 1.conf\n");
	for (int i = 1; i <= 9; i++) {
		snprintf(name, sizeof name, "%d.conf", i);
		snprintf(text, sizeof text,
		    i < 8 + _i ? "[include]\nfiles = %d.conf\n" : "# %d\n",
		    i + 1);
		put(name, text);
	}
	load_file();
	if (_i == 0)
		ck_assert_ptr_nonnull(cf);
	else
		expect_error("8.conf:2", "nested deeper than 8");
}
END_TEST

START_TEST(errors_name_the_included_file)
{
	put("r.conf", "[reeve]\n[include]\nfiles = a.conf\n"
		      "[program:a]\ncommand = sh\n");
	put("a.conf", "\n[program:a]\ncommand = x\n");
	load_file();
	expect_error("a.conf:3", "r.conf:5");
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	load_file();
	ck_assert_ptr_null(cf);
	ck_assert_uint_eq(errs.errors.n, 1);
	ck_assert(strstr(errs.errors.v[0], "No such file") != NULL);
	config_errors_fini(&errs);
	config_errors_init(&errs);
	put("r.conf", NULL);
	load_file();
	ck_assert_ptr_null(cf);
	ck_assert(strstr(errs.errors.v[0], "Is a directory") != NULL);
}
END_TEST

/* reevectl must find the socket whatever else is in the file. */
START_TEST(the_client_reads_what_it_needs)
{
	char *path = xasprintf("%s/r.conf", dir);

	put("r.conf", "[reeve]\nsocket = s\n[program:web]\nuser = nobody-x\n"
		      "foo\n[reevectl]\ncolor = never\n");
	cf = config_load_ctl(path, &errs);
	ck_assert_ptr_nonnull(cf);
	ck_assert(str_ends(cf->ctl_socket, "/s"));
	ck_assert_int_eq(cf->ctl_color, COLOR_NEVER);
	ck_assert_uint_eq(cf->nprograms, 0);
	free(path);
}
END_TEST

/* An engine that takes over has this, not the file. */
START_TEST(a_snapshot_is_the_whole_config)
{
	struct config *again;
	struct config_plan plan;

	put("r.conf", "[reeve]\n[include]\nfiles = a.conf\n[program:web]\n"
		      "command = sh\n  -c 'x ; y'\ndirectory = /\n");
	put("a.conf", "[program:a]\ncommand = sh\nworkers = 3\n");
	load_file();
	ck_assert_ptr_nonnull(cf);
	again = config_load_snapshot(
	    cf->file, cf->snapshot.data, cf->snapshot.len, &errs);
	ck_assert_ptr_nonnull(again);
	config_diff(&plan, cf, again);
	ck_assert_uint_eq(plan.n, 0);
	config_plan_fini(&plan);
	ck_assert_int_eq(config_program_find(again, "a")->workers, 3);
	ck_assert(strv_equal(&cf->files, &again->files));
	config_free(again);
	again = config_load_snapshot(
	    cf->file, cf->snapshot.data, cf->snapshot.len - 1, &errs);
	ck_assert_ptr_null(again);
	ck_assert_uint_eq(errs.errors.n, 1);
}
END_TEST

/* --- introspection ---------------------------------------------------------
 */

static void
collect(void *arg, const struct config_key *key, const char *value,
    const char *origin)
{
	strv_take(arg, xasprintf("%s=%s (%s)", key->name, value, origin));
}

START_TEST(values_and_where_they_come_from)
{
	struct strv got;

	must_load("[reeve]\nloglevel = debug\numask = 27\n" /* 1-3 */
		  "[program:web]\ncommand = sh\nworkers = 2\n"
		  "environment = A=1\nstopsignal = 2\n");
	strv_init(&got);
	config_each_value(cf, NULL, collect, &got);
	ck_assert(strv_has(&got, "loglevel=debug (/etc/r.conf:2)"));
	ck_assert(strv_has(&got, "identifier=reeve (default)"));
	strv_fini(&got);
	config_each_value(cf, cf->programs[0], collect, &got);
	ck_assert(strv_has(&got, "command=sh (/etc/r.conf:5)"));
	ck_assert(strv_has(&got, "workers=2 (/etc/r.conf:6)"));
	ck_assert(strv_has(&got, "environment=A=\"1\" (/etc/r.conf:7)"));
	ck_assert(strv_has(&got, "stopsignal=INT (/etc/r.conf:8)"));
	ck_assert(strv_has(&got, "umask=0027 (default)"));
	ck_assert(strv_has(&got, "nice= (default)"));
	ck_assert(strv_has(&got, "backoff_min=500ms (default)"));
	strv_fini(&got);
}
END_TEST

START_TEST(keys_stand_together_and_have_help)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_gt(strlen(keys[i].help), 0);
		ck_assert(!str_ends(keys[i].help, "."));
		for (size_t k = i + 2; k < n; k++)
			if (strcmp(keys[i].section, keys[k].section) == 0)
				ck_assert_str_eq(
				    keys[i].section, keys[k - 1].section);
	}
}
END_TEST

START_TEST(the_manual_has_every_key)
{
	char *page = NULL, *item;
	size_t len, n;
	FILE *fp = open_memstream(&page, &len);
	const struct config_key *keys = config_keys(&n);

	ck_assert_ptr_nonnull(fp);
	config_print_man(fp);
	fclose(fp);
	for (size_t i = 0; i < n; i++) {
		item = xasprintf(
		    ".It Cm %s No = Ar %s\n", keys[i].name, keys[i].type);
		ck_assert_msg(strstr(page, item) != NULL, "%s", item);
		free(item);
	}
	free(page);
}
END_TEST

START_TEST(signals_by_name_and_number)
{
	ck_assert_int_eq(config_signal_parse("TERM"), 15);
	ck_assert_int_eq(config_signal_parse("sigterm"), 15);
	ck_assert_int_eq(config_signal_parse("9"), 9);
	ck_assert_int_eq(config_signal_parse("0"), -1);
	ck_assert_int_eq(config_signal_parse(""), -1);
	ck_assert_int_eq(config_signal_parse("SIG"), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, files_are_included);
	tcase_add_test(tc, includes_that_find_nothing);
	tcase_add_test(tc, includes_in_a_circle);
	tcase_add_test(tc, includes_of_the_same_file);
	tcase_add_loop_test(tc, includes_that_are_too_deep, 0, 2);
	tcase_add_test(tc, errors_name_the_included_file);
	tcase_add_test(tc, files_that_cannot_be_read);
	tcase_add_test(tc, the_client_reads_what_it_needs);
	tcase_add_test(tc, a_snapshot_is_the_whole_config);
	tcase_add_test(tc, values_and_where_they_come_from);
	tcase_add_test(tc, keys_stand_together_and_have_help);
	tcase_add_test(tc, the_manual_has_every_key);
	tcase_add_test(tc, signals_by_name_and_number);
}

int
main(void)
{
	return try_main("config", add_tests, files_setup, files_teardown);
}
