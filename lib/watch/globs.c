/*
 * globs - see globs.h.
 */
#include "watch/globs.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "watch/glob.h"

struct rule { /* of .gitignore */
	struct glob *glob;
	bool take_back;
	bool only_dirs;
	bool by_name; /* without '/': whatever directory it is in */
};

struct pattern {
	struct glob *glob;
	unsigned root;
	bool take_out;
	char *fixed; /* directories before the first wildcard; "": none */
	char *whole; /* all of it, when it has no wildcard; or NULL */
};

struct globs {
	struct pattern *patterns;
	size_t npatterns;
	struct rule *rules;
	size_t nrules;
	struct strv roots;
};

const char *const *
globs_defaults(void)
{
	/* Version control, editors' temporary files, what programs cache. */
	static const char *const rules[] = { ".git", ".hg/", ".svn/", ".jj/",
		".bzr/", "CVS/", "*~", "*.sw[a-z]", ".*.sw[a-z]", "4913", ".#*",
		"#*#", ".goutputstream-*", ".DS_Store", "__pycache__/",
		"*.py[co]", "node_modules/", NULL };

	return rules;
}

/* --- rules ------------------------------------------------------------------
 */

/* Blanks at the end do not count, unless the last one is escaped. */
static size_t
rule_length(const char *s)
{
	size_t n = strlen(s), escapes;

	while (n > 0 && s[n - 1] == ' ') {
		for (escapes = 0; escapes < n - 1; escapes++)
			if (s[n - 2 - escapes] != '\\')
				break;
		if (escapes % 2 != 0)
			break;
		n--;
	}
	return n;
}

static int
rule_init(struct rule *r, const char *s, struct err *err)
{
	size_t n = rule_length(s);
	char *text;

	*r = (struct rule){ 0 };
	if (*s == '!') {
		r->take_back = true;
		s++;
		n--;
	}
	if (n > 0 && s[n - 1] == '/') {
		r->only_dirs = true;
		n--;
	}
	r->by_name = memchr(s, '/', n) == NULL;
	if (n > 0 && *s == '/') {
		s++;
		n--;
	}
	text = xstrndup(s, n);
	r->glob = glob_new(text, GLOB_EXACT, err);
	free(text);
	return r->glob != NULL ? 0 : -1;
}

int
globs_check_rule(const char *rule, struct err *err)
{
	struct rule r;

	if (rule_init(&r, rule, err) == -1)
		return -1;
	glob_free(r.glob);
	return 0;
}

static int
globs_add_rule(struct globs *gs, const char *text, struct err *err)
{
	struct rule r;

	if (rule_init(&r, text, err) == -1)
		return -1;
	gs->rules = xreallocarray(gs->rules, gs->nrules + 1, sizeof *gs->rules);
	gs->rules[gs->nrules++] = r;
	return 0;
}

/* The last rule that matches decides; no look at what is above. */
static bool
globs_ruled_out(const struct globs *gs, const char *path, bool is_dir)
{
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	for (size_t i = gs->nrules; i-- > 0;) {
		const struct rule *r = &gs->rules[i];

		if (r->only_dirs && !is_dir)
			continue;
		if (glob_match(r->glob, r->by_name ? name : path))
			return !r->take_back;
	}
	return false;
}

bool
globs_excluded(const struct globs *gs, const char *path, bool is_dir)
{
	char *copy = xstrdup(path), *p = copy;
	bool out = false;

	while (!out && (p = strchr(p, '/')) != NULL) {
		*p = '\0';
		out = globs_ruled_out(gs, copy, true);
		*p++ = '/';
	}
	free(copy);
	return out || globs_ruled_out(gs, path, is_dir);
}

/* --- patterns ---------------------------------------------------------------
 */

/* Bytes before the component with the first wildcard; all: there is none. */
static size_t
pattern_literal(const char *s, bool *all)
{
	size_t slash = 0, i;

	for (i = 0; s[i] != '\0' && strchr("*?[{", s[i]) == NULL; i++) {
		if (s[i] == '\\' && s[i + 1] != '\0')
			i++;
		else if (s[i] == '/')
			slash = i;
	}
	*all = s[i] == '\0';
	return slash;
}

static char *
pattern_unescape(const char *s, size_t n)
{
	char *out = xmalloc(n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 1 < n)
			i++;
		out[k++] = s[i];
	}
	out[k] = '\0';
	return out;
}

static int
pattern_check(const char *s, struct err *err)
{
	const char *p = s;
	size_t n;

	if (*s == '\0')
		return err_set(err, "a pattern is empty");
	for (;; p += n + 1) {
		n = strcspn(p, "/");
		if ((n == 0 && p[n] == '/') || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(err,
			    "%s: \"//\", \".\" and \"..\" in the middle of a "
			    "pattern match nothing",
			    s);
		if (p[n] == '\0')
			return 0;
	}
}

static unsigned
globs_add_root(struct globs *gs, char *root)
{
	unsigned i;

	for (i = 0; i < gs->roots.n; i++)
		if (str_equal(gs->roots.v[i], root)) {
			free(root);
			return i;
		}
	strv_take(&gs->roots, root);
	return i;
}

/* Splits the start of a pattern off that leads out of the directory. */
static const char *
pattern_root(const char *s, char **root)
{
	const char *start = s;
	size_t slash;
	bool all;

	if (*s == '/') {
		slash = pattern_literal(s, &all);
		*root = slash == 0 ? xstrdup("/") : pattern_unescape(s, slash);
		return s + slash + 1;
	}
	while (strncmp(s, "../", 3) == 0)
		s += 3;
	*root =
	    s == start ? xstrdup("") : xstrndup(start, (size_t)(s - start - 1));
	return s;
}

/* One that takes out belongs to a root that is there. */
static int
globs_find_root(
    const struct globs *gs, const char **s, const char *root, struct err *err)
{
	const char *have;
	size_t n;

	for (unsigned i = 0; i < gs->roots.n; i++) {
		have = gs->roots.v[i];
		n = str_equal(have, "/") ? 0 : strlen(have);
		if (**s != '/' && str_equal(have, root))
			return (int)i;
		if (**s == '/' && *have == '/' && strncmp(have, *s, n) == 0 &&
		    (*s)[n] == '/') {
			*s += n + 1;
			return (int)i;
		}
	}
	return err_set(
	    err, "!%s takes nothing out of the patterns before it", *s);
}

/* Its root; *s becomes what is relative to that. */
static int
pattern_place(
    struct globs *gs, struct pattern *pt, const char **s, struct err *err)
{
	char *root;
	const char *rest = pattern_root(*s, &root);
	int found;

	if (!pt->take_out) {
		*s = rest;
		pt->root = globs_add_root(gs, root);
		return 0;
	}
	found = globs_find_root(gs, s, root, err);
	if (found != -1 && **s == '.')
		*s = rest;
	free(root);
	pt->root = found == -1 ? 0 : (unsigned)found;
	return found == -1 ? -1 : 0;
}

static void
pattern_fini(struct pattern *pt)
{
	glob_free(pt->glob);
	free(pt->fixed);
	free(pt->whole);
}

static int
pattern_compile(struct pattern *pt, const char *s, bool below, struct err *err)
{
	const char *last = strrchr(s, '/');
	enum glob_reach reach = below ? GLOB_BELOW : GLOB_EXACT;
	size_t slash;
	bool all;

	if (pattern_check(s, err) == -1)
		return -1;
	if (!below && strpbrk(last == NULL ? s : last, "*?[{}") == NULL)
		reach = GLOB_AND_BELOW;
	slash = pattern_literal(s, &all);
	if (all)
		pt->whole = pattern_unescape(s, strlen(s));
	pt->fixed = pattern_unescape(s, all && below ? strlen(s) : slash);
	pt->glob = glob_new(s, reach, err);
	return pt->glob != NULL ? 0 : -1;
}

static int
globs_add_pattern(struct globs *gs, const char *text, struct err *err)
{
	struct pattern pt = { .take_out = *text == '!' };
	char *copy = xstrdup(text + pt.take_out);
	const char *s = copy;
	size_t n = strlen(copy);
	bool below = n > 1 && copy[n - 1] == '/';
	int rc;

	if (below)
		copy[n - 1] = '\0';
	while (strncmp(s, "./", 2) == 0)
		s += 2;
	rc = pattern_place(gs, &pt, &s, err);
	if (rc == 0)
		rc = pattern_compile(&pt, s, below, err);
	free(copy);
	if (rc == -1) {
		pattern_fini(&pt);
		return -1;
	}
	gs->patterns = xreallocarray(
	    gs->patterns, gs->npatterns + 1, sizeof *gs->patterns);
	gs->patterns[gs->npatterns++] = pt;
	return 0;
}

/* What a pattern names must not be left out: it would watch nothing. */
static int
globs_check_named(const struct globs *gs, struct err *err)
{
	const struct pattern *pt;

	for (size_t i = 0; i < gs->npatterns; i++) {
		pt = &gs->patterns[i];
		if (pt->take_out)
			continue;
		if (*pt->fixed != '\0' && globs_excluded(gs, pt->fixed, true))
			return err_set(err,
			    "%s is excluded, by the rules given or by default: "
			    "!%s as the last rule takes it back",
			    pt->fixed, pt->fixed);
		if (pt->whole != NULL && *pt->whole != '\0' &&
		    globs_excluded(gs, pt->whole, false))
			return err_set(err,
			    "%s is excluded, by the rules given or by default: "
			    "!%s as the last rule takes it back",
			    pt->whole, pt->whole);
	}
	return 0;
}

static struct globs *
globs_new_patterns(const struct strv *watched, struct err *err)
{
	struct globs *gs = xcalloc(1, sizeof *gs);
	int rc = 0;

	strv_init(&gs->roots);
	strv_add(&gs->roots, "");
	for (size_t i = 0; rc == 0 && i < watched->n; i++)
		rc = globs_add_pattern(gs, watched->v[i], err);
	if (rc == 0 && (gs->npatterns == 0 || gs->patterns[0].take_out))
		rc = err_set(err, "the first pattern says what is watched");
	if (rc == 0)
		return gs;
	globs_free(gs);
	return NULL;
}

int
globs_check(const struct strv *watched, struct err *err)
{
	struct globs *gs = globs_new_patterns(watched, err);

	globs_free(gs);
	return gs != NULL ? 0 : -1;
}

struct globs *
globs_new(
    const struct strv *watched, const struct strv *excluded, struct err *err)
{
	struct globs *gs = globs_new_patterns(watched, err);
	int rc = 0;

	if (gs == NULL)
		return NULL;
	for (size_t i = 0; rc == 0 && globs_defaults()[i] != NULL; i++)
		rc = globs_add_rule(gs, globs_defaults()[i], err);
	for (size_t i = 0; rc == 0 && i < excluded->n; i++)
		rc = globs_add_rule(gs, excluded->v[i], err);
	if (rc == 0)
		rc = globs_check_named(gs, err);
	if (rc == 0)
		return gs;
	globs_free(gs);
	return NULL;
}

void
globs_free(struct globs *gs)
{
	if (gs == NULL)
		return;
	for (size_t i = 0; i < gs->npatterns; i++)
		pattern_fini(&gs->patterns[i]);
	for (size_t i = 0; i < gs->nrules; i++)
		glob_free(gs->rules[i].glob);
	free(gs->patterns);
	free(gs->rules);
	strv_fini(&gs->roots);
	free(gs);
}

/* --- questions --------------------------------------------------------------
 */

unsigned
globs_nroots(const struct globs *gs)
{
	return (unsigned)gs->roots.n;
}

const char *
globs_root(const struct globs *gs, unsigned root)
{
	return gs->roots.v[root];
}

bool
globs_match(const struct globs *gs, unsigned root, const char *path)
{
	for (size_t i = gs->npatterns; i-- > 0;) {
		const struct pattern *pt = &gs->patterns[i];

		if (pt->root == root && glob_match(pt->glob, path))
			return !pt->take_out &&
			       !globs_excluded(gs, path, false);
	}
	return false;
}

bool
globs_enter(const struct globs *gs, unsigned root, const char *dir)
{
	for (size_t i = 0; i < gs->npatterns; i++) {
		const struct pattern *pt = &gs->patterns[i];

		if (pt->root == root && !pt->take_out &&
		    glob_reaches(pt->glob, dir))
			return *dir == '\0' || !globs_excluded(gs, dir, true);
	}
	return false;
}

/* Is dir the path, or above it? */
static bool
path_is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n == 0 || (strncmp(path, dir, n) == 0 &&
			     (path[n] == '/' || path[n] == '\0'));
}

bool
globs_on_the_way(const struct globs *gs, unsigned root, const char *dir)
{
	for (size_t i = 0; i < gs->npatterns; i++) {
		const struct pattern *pt = &gs->patterns[i];

		if (pt->root != root || pt->take_out ||
		    !glob_reaches(pt->glob, dir))
			continue;
		if (!path_is_within(pt->fixed, dir) ||
		    str_equal(pt->fixed, dir))
			return false;
	}
	return true;
}

bool
globs_named(const struct globs *gs, unsigned root, const char *dir)
{
	for (size_t i = 0; i < gs->npatterns; i++) {
		const struct pattern *pt = &gs->patterns[i];

		if (pt->root == root && !pt->take_out &&
		    (path_is_within(pt->fixed, dir) ||
			str_equal(pt->whole, dir)))
			return true;
	}
	return false;
}
