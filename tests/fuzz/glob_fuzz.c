/*
 * glob_fuzz - a pattern, a NUL, a path, whatever they hold: refused with a
 * reason, or the answers agree with each other.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "watch/glob.h"
#include "watch/globs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_glob(const char *pattern, const char *path, bool *matches)
{
	struct err err = { .text = "" };
	struct glob *g = glob_new(pattern, GLOB_EXACT, &err);
	struct glob *more;
	char *dir, *p;

	*matches = false;
	if (g == NULL) {
		BUG_ON(err.text[0] == '\0');
		return;
	}
	*matches = glob_match(g, path);
	dir = strdup(path);
	BUG_ON(dir == NULL);
	for (p = dir; *matches && (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		BUG_ON(p != dir && !glob_reaches(g, dir));
	}
	free(dir);
	more = glob_new(pattern, GLOB_AND_BELOW, &err);
	BUG_ON(more == NULL);
	BUG_ON(*matches && !glob_match(more, path));
	glob_free(more);
	glob_free(g);
}

static void
check_globs(char *pattern, char *path, bool matches)
{
	char *one[] = { pattern }, all[] = "**", *every[] = { all };
	struct strv some = { one, 1 }, none = { NULL, 0 };
	struct strv star = { every, 1 };
	struct err err = { .text = "" };
	struct globs *gs = globs_new(&some, &none, &err);

	BUG_ON(gs == NULL && err.text[0] == '\0');
	if (gs != NULL && pattern[0] != '!' && globs_nroots(gs) == 1 &&
	    strncmp(pattern, "./", 2) != 0 && !str_ends(pattern, "/") &&
	    *path != '\0' && !str_ends(path, "/") &&
	    !globs_excluded(gs, path, false))
		BUG_ON(matches && !globs_match(gs, 0, path));
	globs_free(gs);
	gs = globs_new(&star, &some, &err);
	if (gs != NULL)
		globs_match(gs, 0, path);
	globs_free(gs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	char *path;
	bool matches;

	if (text == NULL)
		return 0;
	if (size != 0)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	path = text + strlen(text) + 1;
	check_glob(text, path, &matches);
	check_globs(text, path, matches);
	free(text);
	return 0;
}
