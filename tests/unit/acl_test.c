/* acl_test - allow= applied to identities, as a table. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/acl.h"

static struct config *
load(const char *allow)
{
	char text[1024];
	struct config_errors errs;
	struct config *cf;

	snprintf(text, sizeof text,
	    "[reeve]\nstate_dir = /tmp\n%s\n"
	    "[program:web]\ncommand = /bin/true\n",
	    allow);
	config_errors_init(&errs);
	cf = config_load_text("acl.conf", text, strlen(text), &errs);
	ck_assert_msg(cf != NULL, "%s: %s", allow,
	    errs.errors.n > 0 ? errs.errors.v[0] : "");
	config_errors_fini(&errs);
	return cf;
}

struct row {
	const char *allow;
	uid_t uid;
	gid_t gid;
	gid_t extra; /* a supplementary group; 0: none */
	enum verb verb;
	const char *program, *slot;
	bool may;
};

#define MANY "allow = read: gid 50; restart, stop web: uid 7; roll w*: uid 8"

static const struct row rows[] = {
	{ "", 9, 9, 0, VERB_shutdown, "web", NULL, true },
	{ "allow = none", 9, 9, 0, VERB_status, "web", NULL, false },
	{ "allow = none", 0, 0, 0, VERB_shutdown, "web", NULL, true },
	{ "allow = none", 77, 9, 0, VERB_shutdown, "web", NULL, true },
	{ MANY, 9, 50, 0, VERB_status, "web", "web.0", true },
	{ MANY, 9, 9, 50, VERB_tail, "db", "db.0", true },
	{ MANY, 9, 9, 51, VERB_tail, "db", "db.0", false },
	{ MANY, 50, 9, 0, VERB_tail, "db", "db.0", false },
	{ MANY, 9, 50, 0, VERB_restart, "web", "web.0", false },
	{ MANY, 9, 50, 0, VERB_plan, "web", NULL, false },
	{ MANY, 7, 9, 0, VERB_restart, "web", "web.0", true },
	{ MANY, 7, 9, 0, VERB_stop, "web", "web.0", true },
	{ MANY, 7, 9, 0, VERB_start, "web", "web.0", false },
	{ MANY, 7, 9, 0, VERB_restart, "web2", "web2.0", false },
	{ MANY, 7, 9, 0, VERB_hello, "web", NULL, true },
	{ MANY, 6, 9, 0, VERB_hello, "", NULL, false },
	{ MANY, 8, 9, 0, VERB_roll, "web2", "web2.0", true },
	{ MANY, 8, 9, 0, VERB_roll, "db", "db.0", false },
	{ "allow = stop web.0: everyone", 8, 9, 0, VERB_stop, "web", "web.0",
	    true },
	{ "allow = stop web.0: everyone", 8, 9, 0, VERB_stop, "web", "web.1",
	    false },
	{ "allow = stop web.0: everyone", 8, 9, 0, VERB_stop, "web", NULL,
	    false },
	{ "allow = admin: uid 5", 5, 9, 0, VERB_status, "web", NULL, true },
	{ "allow = admin: uid 5", 5, 9, 0, VERB_reload, "web", NULL, true },
	{ "allow = operate: uid 5", 5, 9, 0, VERB_status, "web", NULL, false },
	{ "allow = run: uid 5", 5, 9, 0, VERB_run_signal, "web", NULL, true },
	{ "allow = shutdown: uid 5", 5, 9, 0, VERB_pid, "web", NULL, true },
	{ "allow = tail web: uid 5", 5, 9, 0, VERB_pid, "web", NULL, true },
	{ "allow = tail web: uid 5", 5, 9, 0, VERB_pid, "db", NULL, false },
	{ "allow = task_add: uid 5", 5, 9, 0, VERB_task_cancel, "web", NULL,
	    true },
	{ "allow = task_add: uid 5", 5, 9, 0, VERB_task_group, "web", NULL,
	    false },
	{ "allow = task: uid 5", 5, 9, 0, VERB_task_group, "web", NULL, true },
	{ "allow = task: uid 5", 5, 9, 0, VERB_status, "web", NULL, false },
	{ "allow = task *: uid 5", 5, 9, 0, VERB_task_add, "web", NULL, true },
	{ "allow = task_wait: uid 5", 5, 9, 0, VERB_task_add, "web", NULL,
	    false },
	{ "allow =\n stop: uid 5\n ; no more\n start: uid 6", 6, 9, 0,
	    VERB_start, "web", NULL, true },
	{ "allow = restart status: uid 5", 5, 9, 0, VERB_restart, "status",
	    NULL, true },
	{ "allow = restart status: uid 5", 5, 9, 0, VERB_status, "web", NULL,
	    false },
};

#define NROWS ((int)(sizeof rows / sizeof *rows))

START_TEST(a_row)
{
	const struct row *row = &rows[_i];
	struct acl_peer peer = { .uid = row->uid,
		.gid = row->gid,
		.groups = &row->extra,
		.ngroups = row->extra != 0,
		.self = 77 };
	struct config *cf = load(row->allow);

	ck_assert_msg(acl_may(&cf->allow, &peer, row->verb, row->program,
			  row->slot) == row->may,
	    "row %d: %s", _i, row->allow);
	config_free(cf);
}
END_TEST

START_TEST(some_and_all)
{
	struct acl_peer peer = { .uid = 7, .gid = 7, .self = 77 };
	struct config *cf = load(MANY);

	ck_assert(acl_may_some(&cf->allow, &peer, VERB_restart));
	ck_assert(!acl_may_all(&cf->allow, &peer, VERB_restart));
	ck_assert(!acl_may_some(&cf->allow, &peer, VERB_roll));
	peer.gid = 50;
	ck_assert(acl_may_all(&cf->allow, &peer, VERB_status));
	config_free(cf);
}
END_TEST

/* An entry with names is about programs alone, whatever set it has. */
START_TEST(with_names)
{
	struct acl_peer peer = { .uid = 7, .gid = 7, .self = 77 };
	struct config *cf = load("allow = admin web: uid 7");

	for (enum verb v = 0; v < VERB__N; v++) {
		ck_assert(!acl_may_all(&cf->allow, &peer, v));
		ck_assert(acl_may(&cf->allow, &peer, v, "web", "web.0"));
	}
	ck_assert(verb_has_names(VERB_scale) && verb_has_names(VERB_pid) &&
		  verb_has_names(VERB_analyze));
	ck_assert(!verb_has_names(VERB_reload) && !verb_has_names(VERB_run) &&
		  !verb_has_names(VERB_task_add));
	config_free(cf);
}
END_TEST

static const char *const bad[][2] = {
	{ "raed: everyone", "did you mean 'read'" },
	{ "restart, statsu web: everyone", "did you mean 'status'" },
	{ "read: user roto", "did you mean 'root'" },
	{ "read: user nobody-is-called-this", "no such user" },
	{ "read: group roto", "did you mean 'root'" },
	{ "read: uid x", "not a number" },
	{ "read: deploy", "'deploy' is nobody" },
	{ "read: user", "names nobody" },
	{ "read", "colon is missing" },
	{ "read:", "nobody stands" },
	{ ": everyone", "no verb" },
	{ "", "nothing stands here" },
	{ "task web: everyone", "'task' is not about programs" },
	{ "restart, reload web: everyone", "'reload' is not about programs" },
};

#define NBAD ((int)(sizeof bad / sizeof *bad))

START_TEST(a_bad_one)
{
	char text[512];
	struct config_errors errs;

	snprintf(text, sizeof text, "[reeve]\nstate_dir = /tmp\nallow = %s\n",
	    bad[_i][0]);
	config_errors_init(&errs);
	ck_assert_ptr_null(
	    config_load_text("acl.conf", text, strlen(text), &errs));
	ck_assert_uint_eq(errs.errors.n, 1);
	ck_assert_msg(strstr(errs.errors.v[0], "acl.conf:3:") != NULL &&
			  strstr(errs.errors.v[0], bad[_i][1]) != NULL,
	    "%s", errs.errors.v[0]);
	config_errors_fini(&errs);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("acl");
	TCase *tc = tcase_create("acl");
	SRunner *sr;
	int failed;

	log_set_level(LOG_ERROR);
	tcase_add_loop_test(tc, a_row, 0, NROWS);
	tcase_add_test(tc, some_and_all);
	tcase_add_test(tc, with_names);
	tcase_add_loop_test(tc, a_bad_one, 0, NBAD);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
