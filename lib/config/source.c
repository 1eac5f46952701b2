/* source - a config file and all that it includes. */
#include "config/source.h"

#include <sys/stat.h>

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/expand.h"

#define DEPTH_MAX 8

/* One pattern of [include] files, and where it stands. */
struct include {
	const char *file;
	int line;
	const char *pattern;
};

void
source_init(struct source *src, struct config_errors *errs)
{
	ini_init(&src->ini);
	strv_init(&src->real);
	strv_init(&src->open);
	src->errs = errs;
}

void
source_fini(struct source *src)
{
	ini_fini(&src->ini);
	strv_fini(&src->real);
	strv_fini(&src->open);
}

static bool
source_is_wild(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

static char *
source_real(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : xstrdup(path);
}

static void
source_include_file(
    struct source *src, const struct include *inc, const char *path)
{
	char *real = source_real(path);
	bool wild = source_is_wild(inc->pattern);
	struct err err;

	if (strv_has(&src->real, real)) {
		/* conf.d/[*].conf may well match the file that says so. */
		if (!wild)
			config_error(src->errs, inc->file, inc->line,
			    "[include] files: %s %s", path,
			    strv_has(&src->open, real) ? "includes itself"
						       : "is included already");
	} else if (src->open.n > DEPTH_MAX) {
		config_error(src->errs, inc->file, inc->line,
		    "[include] files: %s: includes are nested deeper than %d",
		    path, DEPTH_MAX);
	} else if (source_read(src, path, &err) == -1) {
		config_error(src->errs, inc->file, inc->line,
		    "[include] files: %s", err.text);
	}
	free(real);
}

static int
source_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
source_include_glob(
    struct source *src, const struct include *inc, const char *pattern)
{
	glob_t gl = { 0 };
	struct stat st;

	/* glob(3) would sort as the locale does. */
	if (glob(pattern, GLOB_NOSORT, NULL, &gl) != 0 || gl.gl_pathc == 0) {
		config_warning(src->errs, inc->file, inc->line,
		    "[include] files: no file matches %s", pattern);
		globfree(&gl);
		return;
	}
	qsort(gl.gl_pathv, gl.gl_pathc, sizeof *gl.gl_pathv, source_compare);
	for (size_t i = 0; i < gl.gl_pathc; i++) {
		const char *path = gl.gl_pathv[i];

		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		source_include_file(src, inc, path);
	}
	globfree(&gl);
}

static void
source_include(struct source *src, const struct include *inc)
{
	char *here = path_folder(inc->file);
	char *path = path_absolute(here, inc->pattern);

	if (source_is_wild(inc->pattern))
		source_include_glob(src, inc, path);
	else
		source_include_file(src, inc, path);
	free(path);
	free(here);
}

static char *
source_expand(struct source *src, const struct ini_entry *e)
{
	struct strv env = expand_environ();
	char *here = path_folder(e->file), *out = NULL;
	struct expand_scope sc;
	struct err err;

	expand_scope_init(&sc);
	expand_scope_text(&sc, "here", here);
	expand_scope_text(&sc, "host_node_name", expand_host());
	sc.env[0] = &env;
	if (expand(&out, e->value, &sc, &err) == -1)
		config_error(src->errs, e->file, e->line, "[include] files: %s",
		    err.text);
	free(here);
	return out;
}

/* The patterns of one files=: blanks divide them. */
static void
source_patterns(struct source *src, const char *file, int line, char *text)
{
	struct include inc = { file, line, NULL };
	char *save;

	for (char *s = strtok_r(text, " \t\n", &save); s != NULL;
	     s = strtok_r(NULL, " \t\n", &save)) {
		inc.pattern = s;
		source_include(src, &inc);
	}
}

/* Follows the [include]s among the entries from first to end - 1. */
static void
source_follow(struct source *src, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		/* Reading a file moves the entries: take what is needed. */
		const struct ini_entry *e = &src->ini.v[i];
		const char *file = e->file;
		int line = e->line;
		char *text;

		if (e->key == NULL || strcmp(e->section, "include") != 0 ||
		    strcmp(e->key, "files") != 0)
			continue;
		text = source_expand(src, e);
		if (text != NULL)
			source_patterns(src, file, line, text);
		free(text);
	}
}

int
source_read(struct source *src, const char *path, struct err *err)
{
	size_t first = src->ini.n;
	char *real = source_real(path);

	if (ini_add_file(&src->ini, ini_lines_reeve, path, src->errs, err) ==
	    -1) {
		free(real);
		return -1;
	}
	strv_add(&src->real, real);
	strv_take(&src->open, real);
	source_follow(src, first, src->ini.n);
	src->open.n--;
	freep(&src->open.v[src->open.n]);
	return 0;
}

void
source_read_text(
    struct source *src, const char *name, const char *text, size_t len)
{
	ini_add_text(&src->ini, ini_lines_reeve, name, text, len, src->errs);
	for (size_t i = 0; i < src->ini.n; i++) {
		const struct ini_entry *e = &src->ini.v[i];

		if (e->key == NULL && strcmp(e->section, "include") == 0)
			config_error(src->errs, e->file, e->line,
			    "[include] needs a config that is a file");
	}
}
