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

#endif
