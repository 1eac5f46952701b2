/* config_slot_test - what a slot runs: words, environment, files. */
#include "config/config.h"

#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

static char dir[64];
static struct config *cf;
static struct config_slot slot;
static struct strv base;
static struct err err;

static void
setup(void)
{
	snprintf(dir, sizeof dir, "/tmp/reeve-slot-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	/* A load checks with the environment of this process. */
	setenv("FOO", "base", 1);
	strv_init(&base);
	strv_add(&base, "PATH=/usr/bin:/bin");
	strv_add(&base, "HOME=/home/reeved");
	strv_add(&base, "LANG=C");
	strv_add(&base, "LC_TIME=C");
	strv_add(&base, "TZ=UTC");
	strv_add(&base, "FOO=base");
	slot = (struct config_slot){ 0 };
	cf = NULL;
}

static void
take(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);

	unlink(path);
	free(path);
}

static void
teardown(void)
{
	config_slot_fini(&slot);
	config_free(cf);
	strv_fini(&base);
	take("env");
	take("tool");
	ck_assert_int_eq(rmdir(dir), 0);
}

static char *
put(const char *name, const char *text, mode_t mode)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *fp = fopen(path, "w");

	ck_assert_ptr_nonnull(fp);
	fputs(text, fp);
	fclose(fp);
	ck_assert_int_eq(chmod(path, mode), 0);
	return path;
}

/* Loads [reeve] and one program of these keys, which stand in dir. */
static void
load(const char *reeve, const char *keys)
{
	char *name = xasprintf("%s/reeve.conf", dir);
	char *text = xasprintf("[reeve]\n%s\n[program:web]\n%s\n", reeve, keys);
	struct config_errors errs;

	config_errors_init(&errs);
	config_free(cf);
	cf = config_load_text(name, text, strlen(text), &errs);
	ck_assert_msg(
	    cf != NULL, "%s", errs.errors.n > 0 ? errs.errors.v[0] : "?");
	config_errors_fini(&errs);
	free(text);
	free(name);
}

static int
build(int index, int nslots, const int *fds)
{
	config_slot_fini(&slot);
	return config_slot(
	    &slot, cf->programs[0], index, nslots, fds, &base, &err);
}

static void
must_build(int index, int nslots)
{
	ck_assert_msg(build(index, nslots, NULL) == 0, "%s", err.text);
}

static const char *
env(const char *key)
{
	return strv_env_get(&slot.env, key);
}

START_TEST(everything_of_a_slot)
{
	load("childlogdir = /logs\n",
	    "command = sh -c 'echo a; b' %(process_num)02d/%(numprocs)d "
	    "%(program_name)s %(group_name)s\n"
	    "workers = 4\ndirectory = sub\nstderr_logfile = "
	    "%(here)s/e%(process_num)d\n");
	must_build(3, 4);
	ck_assert_str_eq(slot.process_name, "web.3");
	ck_assert_uint_eq(slot.argv.n, 6);
	ck_assert_str_eq(slot.argv.v[0], "sh");
	ck_assert_str_eq(slot.argv.v[2], "echo a; b");
	ck_assert_str_eq(slot.argv.v[3], "03/4");
	ck_assert_str_eq(slot.argv.v[4], "web");
	ck_assert_str_eq(slot.argv.v[5], "web");
	ck_assert(str_ends(slot.exec_path, "/bin/sh"));
	ck_assert(str_starts(slot.directory, dir));
	ck_assert(str_ends(slot.directory, "/sub"));
	ck_assert_str_eq(slot.out_path, "/logs/web.3.stdout.log");
	ck_assert(str_ends(slot.err_path, "/e3"));
	ck_assert(str_starts(slot.err_path, dir));
}
END_TEST

START_TEST(no_logs_and_one_log)
{
	load("", "command = sh\nstdout_logfile = NONE\n");
	must_build(0, 1);
	ck_assert_ptr_null(slot.out_path);
	ck_assert_ptr_nonnull(slot.err_path);
	ck_assert_ptr_null(slot.directory);
	load("", "command = sh\nredirect_stderr = true\n");
	must_build(0, 1);
	ck_assert_ptr_nonnull(slot.out_path);
	ck_assert_ptr_null(slot.err_path);
}
END_TEST

START_TEST(who_it_is)
{
	load("", "command = sh\nsocket = u=unix:/x, h=tcp://:81, i=tcp://:82\n"
		 "workers = 3\n[group:front]\nprograms = web\n");
	must_build(2, 3);
	ck_assert_str_eq(env("REEVE_PROGRAM"), "web");
	ck_assert_str_eq(env("REEVE_SLOT"), "2");
	ck_assert_str_eq(env("NODE_APP_INSTANCE"), "2");
	ck_assert_str_eq(env("SUPERVISOR_ENABLED"), "1");
	ck_assert_str_eq(env("SUPERVISOR_PROCESS_NAME"), "web.2");
	ck_assert_str_eq(env("SUPERVISOR_GROUP_NAME"), "front");
	ck_assert_str_eq(env("PORT"), "81");
	ck_assert_str_eq(env("HOME"), "/home/reeved");
}
END_TEST

/* [reeve] < env_file < program, each over reeved's own. */
START_TEST(later_environments_win)
{
	free(put("env", "FOO=file\nB=file\nC=file\n", 0644));
	load("environment = A=reeve, B=reeve, C=reeve, H=\"%(here)s\"",
	    "command = sh\nenv_file = env\nenvironment = C=own,PORT=1\n"
	    "socket = 80\n");
	must_build(0, 1);
	ck_assert_str_eq(env("FOO"), "file");
	ck_assert_str_eq(env("A"), "reeve");
	ck_assert_str_eq(env("B"), "file");
	ck_assert_str_eq(env("C"), "own");
	ck_assert_str_eq(env("PORT"), "1");
	ck_assert_str_eq(env("H"), dir);
}
END_TEST

START_TEST(variables_in_values)
{
	load("environment = R=r", "command = sh %(ENV_V)s %(ENV_FOO)s\n"
				  "environment = V=\"%(ENV_R)s%(ENV_FOO)s\"");
	must_build(0, 1);
	ck_assert_str_eq(env("V"), "rbase");
	ck_assert_str_eq(slot.argv.v[1], "rbase");
	ck_assert_str_eq(slot.argv.v[2], "base");
}
END_TEST

START_TEST(messages_to_reeved_are_not_for_others)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "LISTEN_FDS",
		"LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID",
		"MAINPID", "NODE_CHANNEL_FD", "NODE_UNIQUE_ID" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		strv_env_set(&base, names[i], "x");
	strv_env_set(&base, "INVOCATION_ID", "x");
	load("", "command = sh\n");
	must_build(0, 1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_ptr_null(env(names[i]));
	ck_assert_str_eq(env("INVOCATION_ID"), "x");
	ck_assert_ptr_null(env("PORT"));
}
END_TEST

START_TEST(a_clear_environment)
{
	load("environment = A=1", "command = sh\nclear_env = true\n");
	must_build(0, 1);
	ck_assert_ptr_null(env("FOO"));
	ck_assert_ptr_null(env("HOME"));
	ck_assert_str_eq(env("PATH"), "/usr/bin:/bin");
	ck_assert_str_eq(env("LANG"), "C");
	ck_assert_str_eq(env("LC_TIME"), "C");
	ck_assert_str_eq(env("TZ"), "UTC");
	ck_assert_str_eq(env("A"), "1");
	ck_assert_str_eq(env("REEVE_SLOT"), "0");
}
END_TEST

START_TEST(a_user_brings_its_home)
{
	char *keys =
	    xasprintf("command = sh\nuser = %u\n", (unsigned)geteuid());

	load("", keys);
	must_build(0, 1);
	ck_assert_ptr_nonnull(cf->programs[0]->rare->user.login);
	ck_assert_str_eq(env("HOME"), cf->programs[0]->rare->user.home);
	ck_assert_str_eq(env("USER"), cf->programs[0]->rare->user.login);
	ck_assert_str_eq(env("LOGNAME"), cf->programs[0]->rare->user.login);
	free(keys);
}
END_TEST

/* Who reeved is must not be taken for it. */
START_TEST(a_nameless_user_has_no_home)
{
	load("environment = SHELL=\"/bin/sh\"\n",
	    "command = sh\nuser = 123456:123456\n");
	strv_env_set(&base, "HOME", "/root");
	strv_env_set(&base, "USER", "root");
	strv_env_set(&base, "LOGNAME", "root");
	strv_env_set(&base, "SHELL", "/bin/bash");
	must_build(0, 1);
	ck_assert_str_eq(env("HOME"), "/");
	ck_assert_ptr_null(env("USER"));
	ck_assert_ptr_null(env("LOGNAME"));
	ck_assert_str_eq(env("SHELL"), "/bin/sh");
}
END_TEST

START_TEST(descriptors_by_name)
{
	static const int fds[] = { 11, 12 };

	load("", "command = sh %(fd:b)s\nsocket = a=80,b=81\n"
		 "environment = FD=%(fd:a)d\n");
	ck_assert_int_eq(build(0, 1, fds), 0);
	ck_assert_str_eq(slot.argv.v[1], "12");
	ck_assert_str_eq(env("FD"), "11");
}
END_TEST

START_TEST(where_a_command_is_looked_for)
{
	char *tool = put("tool", "#!/bin/sh\n", 0755);

	/* A path starts at directory, or where the file stands. */
	load("", "command = ./tool\n");
	must_build(0, 1);
	ck_assert_str_eq(slot.argv.v[0], "./tool");
	ck_assert_int_eq(access(slot.exec_path, X_OK), 0);
	ck_assert_int_eq(*slot.exec_path, '/');
	load("", "command = tool\nenvironment = PATH=\"/nowhere:%(here)s\"\n");
	must_build(0, 1);
	ck_assert_str_eq(slot.exec_path, tool);
	/* One that cannot run does not hide one that can. */
	ck_assert_int_eq(chmod(tool, 0644), 0);
	load("", "command = tool\nenvironment = PATH=%(here)s\n");
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert(strstr(err.text, "it is not executable") != NULL);
	free(tool);
}
END_TEST

START_TEST(commands_that_cannot_run)
{
	load("", "command = no-such-tool\n");
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert_str_eq(err.text, "program web: can't find command "
				   "'no-such-tool' in PATH (/usr/bin:/bin)");
	load("", "command = /nowhere/x\n");
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert_str_eq(
	    err.text, "program web: run /nowhere/x: No such file or directory");
	load("", "command = /tmp\n");
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert_str_eq(err.text, "program web: run /tmp: it is a directory");
}
END_TEST

START_TEST(files_of_variables)
{
	free(put("env",
	    "# comment\n; too\n\nA=1 2 \n export B = \"x \\\"y\\\" \\\\\"\n"
	    "C='$x \\n'\nD=\nE=a=b\n",
	    0644));
	load("", "command = sh\nenv_file = env\n");
	must_build(0, 1);
	ck_assert_str_eq(env("A"), "1 2");
	ck_assert_str_eq(env("B"), "x \"y\" \\");
	ck_assert_str_eq(env("C"), "$x \\n");
	ck_assert_str_eq(env("D"), "");
	ck_assert_str_eq(env("E"), "a=b");
}
END_TEST

START_TEST(files_of_variables_that_are_wrong)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "A\n", "env:1: 'A' is not KEY=value" },
		{ "A=1\n1B=2\n", "env:2: '1B' is not the name" },
		{ "A=\"1\n", "env:1: value of A: the quotes" },
	};
	char *path;

	load("", "command = sh\nenv_file = env\n");
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert(strstr(err.text, "program web: env_file: read ") != NULL);
	ck_assert(strstr(err.text, "No such file") != NULL);
	load("", "command = sh\nenv_file = -env\n");
	must_build(0, 1);
	path = put("env", rows[_i].text, 0644);
	ck_assert_int_eq(build(0, 1, NULL), -1);
	ck_assert_msg(strstr(err.text, rows[_i].error) != NULL, "%s", err.text);
	free(path);
}
END_TEST

START_TEST(a_slot_without_anything_around_it)
{
	load("", "command = /bin/sh\n");
	ck_assert_int_eq(
	    config_slot(&slot, cf->programs[0], 0, 1, NULL, NULL, &err), 0);
	ck_assert_ptr_nonnull(env("PATH"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_slot");
	TCase *tc = tcase_create("slot");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, everything_of_a_slot);
	tcase_add_test(tc, no_logs_and_one_log);
	tcase_add_test(tc, who_it_is);
	tcase_add_test(tc, later_environments_win);
	tcase_add_test(tc, variables_in_values);
	tcase_add_test(tc, messages_to_reeved_are_not_for_others);
	tcase_add_test(tc, a_clear_environment);
	tcase_add_test(tc, a_user_brings_its_home);
	tcase_add_test(tc, a_nameless_user_has_no_home);
	tcase_add_test(tc, descriptors_by_name);
	tcase_add_test(tc, where_a_command_is_looked_for);
	tcase_add_test(tc, commands_that_cannot_run);
	tcase_add_test(tc, files_of_variables);
	tcase_add_loop_test(tc, files_of_variables_that_are_wrong, 0, 3);
	tcase_add_test(tc, a_slot_without_anything_around_it);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
