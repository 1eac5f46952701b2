/*
 * exec_test - reeved --exec: what its options and command become.
 */
#include "config/exec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct exec x;
static struct config *cf;
static struct config_errors errs;
static struct config_slot slot;
static struct strv words;

static void
setup(void)
{
	exec_init(&x);
	x.directory = "/";
	x.umask = 027;
	config_errors_init(&errs);
}

static void
teardown(void)
{
	exec_fini(&x);
	config_free(cf);
	cf = NULL;
	config_errors_fini(&errs);
	config_slot_fini(&slot);
	memset(&slot, 0, sizeof slot);
	strv_fini(&words);
}

static void
load(const char *const *command)
{
	struct buf b;

	strv_fini(&words);
	while (*command != NULL)
		strv_add(&words, *command++);
	x.command = words.v;
	buf_init(&b);
	exec_write(&b, &x);
	cf = config_load_snapshot("--exec", b.data, b.len, &errs);
	buf_fini(&b);
}

/* Its one program, as it would be started. */
static void
start(const char *const *command)
{
	struct strv env;
	struct err err = { .text = "" };

	load(command);
	for (size_t i = 0; i < errs.errors.n; i++)
		ck_abort_msg("%s", errs.errors.v[i]);
	ck_assert_uint_eq(cf->nprograms, 1);
	strv_init(&env);
	strv_add(&env, "PATH=/usr/bin:/bin");
	ck_assert_msg(
	    config_slot(&slot, cf->programs[0], 0, 1, NULL, &env, &err) == 0,
	    "%s", err.text);
	strv_fini(&env);
}

static const char *const sleep_1[] = { "sleep", "1", NULL };

START_TEST(arguments)
{
	static const char *const command[] = { "sh", "", "a b", "it's \"x\"",
		"\\n", "$HOME;#", "50% %(process_num)d %%", "two\nnice = 5\n",
		"'", "\t", NULL };
	size_t n = sizeof command / sizeof *command - 1;

	start(command);
	ck_assert_uint_eq(slot.argv.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(slot.argv.v[i], command[i]);
	ck_assert_uint_eq(errs.warnings.n, 0);
}
END_TEST

START_TEST(variables)
{
	static const char *const values[] = { "", "a, B=\"c\"", "100% %(x)s",
		"\\ \" '", "two\nlines", "=" };
	char text[64];
	struct err err;

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		snprintf(text, sizeof text, "V%zu=%s", i, values[i]);
		ck_assert_int_eq(exec_env(&x, text, &err), 0);
	}
	start(sleep_1);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		snprintf(text, sizeof text, "V%zu", i);
		ck_assert_str_eq(strv_env_get(&slot.env, text), values[i]);
	}
	ck_assert_int_eq(exec_env(&x, "NOTHING", &err), -1);
	ck_assert_str_eq(err.text, "--env: 'NOTHING' is not KEY=VALUE");
	ck_assert_int_eq(exec_set(&x, "=x", &err), -1);
}
END_TEST

START_TEST(one)
{
	const struct config_program *p;

	x.stdin_is_ours = true;
	x.directory = "/usr/%d";
	start(sleep_1);
	p = cf->programs[0];
	ck_assert_str_eq(p->name, "sleep");
	ck_assert_str_eq(slot.directory, "/usr/%d");
	ck_assert_int_eq(p->essential, ESSENTIAL_MAIN);
	ck_assert_int_eq(p->autorestart, AUTORESTART_NEVER);
	ck_assert_int_eq(p->output, OUTPUT_INHERIT);
	ck_assert_int_eq(p->stdin_from, STDIN_INHERIT);
	ck_assert_ptr_null(slot.out_path);
	ck_assert_ptr_null(cf->socket);
	ck_assert_ptr_null(cf->pidfile);
	ck_assert_ptr_null(cf->logfile);
	ck_assert_ptr_null(cf->state_dir);
	ck_assert_int_eq(cf->umask, 027);
	ck_assert_int_eq(cf->loglevel, LOG_WARN);
	ck_assert_int_eq(cf->on_hup, ON_SIGNAL_PASS);
}
END_TEST

START_TEST(several)
{
	const struct config_program *p;

	x.stdin_is_ours = true;
	x.control = "/r/100%.sock";
	x.name = "web";
	exec_key(&x, "--workers", "workers", "3");
	exec_key(&x, "--workers", "workers", "2");
	exec_key(&x, "--socket", "socket", "tcp://:3000");
	exec_key(&x, "--socket", "socket", "admin=tcp://127.0.0.1:3001");
	start(sleep_1);
	p = cf->programs[0];
	ck_assert_str_eq(p->name, "web");
	ck_assert_int_eq(p->workers, 2);
	ck_assert_uint_eq(p->sockets.n, 2);
	ck_assert_int_eq(p->essential, ESSENTIAL_ON_FATAL);
	ck_assert_int_eq(p->autorestart, AUTORESTART_TRUE);
	ck_assert_int_eq(p->startretries, 3);
	ck_assert_int_eq(p->stdin_from, STDIN_NULL);
	ck_assert_str_eq(cf->socket, "/r/100%.sock");
}
END_TEST

START_TEST(ready_log)
{
	exec_key(&x, "--ready", "ready", "log:^up");
	start(sleep_1);
	ck_assert_int_eq(cf->programs[0]->output, OUTPUT_LOGS);
	ck_assert_str_eq(slot.out_path, "/dev/stdout");
	ck_assert_str_eq(slot.err_path, "/dev/stderr");
}
END_TEST

/* What is said goes before what would be by itself. */
START_TEST(set)
{
	struct err err;

	ck_assert_int_eq(exec_set(&x, "essential=no", &err), 0);
	ck_assert_int_eq(exec_set(&x, "autorestart=on-failure", &err), 0);
	ck_assert_int_eq(exec_set(&x, "environment=A=\"1\"", &err), 0);
	ck_assert_int_eq(exec_env(&x, "B=2", &err), 0);
	start(sleep_1);
	ck_assert_int_eq(cf->programs[0]->essential, ESSENTIAL_NO);
	ck_assert_int_eq(cf->programs[0]->autorestart, AUTORESTART_ON_FAILURE);
	ck_assert_str_eq(strv_env_get(&slot.env, "A"), "1");
	ck_assert_str_eq(strv_env_get(&slot.env, "B"), "2");
}
END_TEST

START_TEST(names)
{
	static const char *const rows[][2] = { { "/usr/bin/python3.11",
						   "python3-11" },
		{ "all", "app" }, { "x/", "app" }, { "a_b-c", "a_b-c" } };
	const char *command[] = { NULL, NULL };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {

		command[0] = rows[i][0];
		load(command);
		ck_assert_ptr_nonnull(cf);
		ck_assert_str_eq(cf->programs[0]->name, rows[i][1]);
		config_free(cf);
		cf = NULL;
		exec_fini(&x);
	}
}
END_TEST

START_TEST(errors)
{
	struct err err;

	exec_key(&x, "--ready", "ready", "soon");
	ck_assert_int_eq(exec_set(&x, "nise=4", &err), 0);
	load(sleep_1);
	ck_assert_ptr_null(cf);
	ck_assert_uint_eq(errs.errors.n, 2);
	ck_assert_ptr_nonnull(strstr(errs.errors.v[0], "did you mean 'nice'"));
	ck_assert_int_eq(strncmp(errs.errors.v[0], "--set: u", 8), 0);
	ck_assert_int_eq(strncmp(errs.errors.v[1], "--ready: [", 10), 0);
}
END_TEST

START_TEST(commands)
{
	static const struct {
		const char *command;
		int code;
	} rows[] = { { "sh", 0 }, { "/bin/sh", 0 }, { "/nowhere/x", 127 },
		{ "no-such-command", 127 }, { "/etc/passwd", 126 } };
	const char *command[] = { NULL, NULL };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = { .text = "" };

		command[0] = rows[i].command;
		load(command);
		ck_assert_ptr_nonnull(cf);
		ck_assert_int_eq(exec_find_command(cf, &err), rows[i].code);
		config_free(cf);
		cf = NULL;
		exec_fini(&x);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("exec");
	TCase *tc = tcase_create("exec");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, variables);
	tcase_add_test(tc, one);
	tcase_add_test(tc, several);
	tcase_add_test(tc, ready_log);
	tcase_add_test(tc, set);
	tcase_add_test(tc, names);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, commands);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
