/*
 * config_try - a config from a text, and what is said about it.
 */
#ifndef UNIT_CONFIG_TRY_H
#define UNIT_CONFIG_TRY_H

#include "config/config.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

static struct config_errors errs;
static struct config *cf;

static inline void
setup(void)
{
	cf = NULL;
	config_errors_init(&errs);
}

static inline void
teardown(void)
{
	config_free(cf);
	config_errors_fini(&errs);
}

static inline void
load(const char *text)
{
	config_free(cf);
	config_errors_fini(&errs);
	config_errors_init(&errs);
	cf = config_load_text("/etc/r.conf", text, strlen(text), &errs);
}

static inline void
must_load(const char *text)
{
	load(text);
	ck_assert_msg(
	    cf != NULL, "%s", errs.errors.n > 0 ? errs.errors.v[0] : "?");
	ck_assert_uint_eq(errs.errors.n, 0);
}

/* What main() does, for the tests that add adds. */
static inline int
try_main(void (*add_all)(TCase *tc), void (*before)(void), void (*after)(void))
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, before, after);
	add_all(tc);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

#endif
