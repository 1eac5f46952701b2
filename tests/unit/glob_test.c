/*
 * glob_test - patterns and paths in rows; rules against what git says.
 */
#include "watch/glob.h"

#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "watch/globs.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
	const char *pattern, *path;
	bool match;
} rows[] = {
	{ "a", "a", true },
	{ "a", "b", false },
	{ "a", "a/b", false },
	{ "*", "abc", true },
	{ "*", ".hidden", true },
	{ "*", "a/b", false },
	{ "*.c", "x.c", true },
	{ "*.c", ".c", true },
	{ "*.c", "x.cc", false },
	{ "*.c", "d/x.c", false },
	{ "a*b*c", "axxbxxc", true },
	{ "a*b*c", "acb", false },
	{ "?", "a", true },
	{ "?", "", false },
	{ "?", "/", false },
	{ "a?c", "a/c", false },
	{ "a?c",
	    "a\xc3\xa9"
	    "c",
	    true },
	{ "?", "\xe2\x82\xac", true },
	{ "?", "ab", false },
	{ "[a-c]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[!a-c]x", "dx", true },
	{ "[^a-c]x", "ax", false },
	{ "[!a]", "\xc3\xa9", true },
	{ "a[!b]c", "a/c", false },
	{ "a[.-0]c", "a/c", false },
	{ "[]a]", "]", true },
	{ "[]-a]", "^", true },
	{ "[a-]", "-", true },
	{ "[a-c-e]", "d", false },
	{ "[a-c-e]", "-", true },
	{ "[\\]]", "]", true },
	{ "[[:digit:]]*", "7a", true },
	{ "[[:digit:]_]", "_", true },
	{ "[![:alpha:]]", "x", false },
	{ "\\*", "*", true },
	{ "\\*", "a", false },
	{ "\\{a,b\\}", "{a,b}", true },
	{ "**", "a", true },
	{ "**", "a/b/c", true },
	{ "src/**", "src/a", true },
	{ "src/**", "src/a/b.c", true },
	{ "src/**", "src", false },
	{ "src/**", "srcs/a", false },
	{ "**/x", "x", true },
	{ "**/x", "a/b/x", true },
	{ "**/x", "ax", false },
	{ "a/**/b", "a/b", true },
	{ "a/**/b", "a/x/y/b", true },
	{ "a/**/b", "ab", false },
	{ "a/**/b", "a/xb", false },
	{ "a/**/**/b", "a/b", true },
	{ "**/**", "a", true },
	{ "a**b", "axxb", true },
	{ "a**b", "a/b", false },
	{ "a/***/b", "a/x/b", true },
	{ "**/*.{c,h}", "lib/x/y.h", true },
	{ "**/*.{c,h}", "y.c", true },
	{ "**/*.{c,h}", "y.o", false },
	{ "{a,b}{c,d}", "bc", true },
	{ "{a,b}{c,d}", "ab", false },
	{ "{a,b{c,d{e,f}}}", "bdf", true },
	{ "{src,lib/x}/**", "lib/x/y", true },
	{ "{src,lib/x}/**", "lib/y", false },
	{ "{**/a,b}/c", "x/y/a/c", true },
	{ "{**/a,b}/c", "x/b/c", false },
	{ "x{,.bak}", "x", true },
	{ "x{,.bak}", "x.bak", true },
	{ "{a}", "a", true },
	{ "a}b", "a}b", true },
	{ "a,b", "a,b", true },
};

START_TEST(glob_matches)
{
	struct err err = { .text = "" };
	struct glob *g = glob_new(rows[_i].pattern, GLOB_EXACT, &err);

	ck_assert_msg(g != NULL, "%s", err.text);
	ck_assert_msg(glob_match(g, rows[_i].path) == rows[_i].match,
	    "%s %s: not %d", rows[_i].pattern, rows[_i].path, rows[_i].match);
	glob_free(g);
}
END_TEST

static const struct {
	const char *pattern, *why;
} refused[] = {
	{ "", "empty" },
	{ "[ab", "[ without ]" },
	{ "[", "[ without ]" },
	{ "[!]", "[ without ]" },
	{ "[]", "[ without ]" },
	{ "[z-a]", "is empty" },
	{ "[[:digits:]]", "no such class" },
	{ "[\xc3\xa9]", "only ASCII" },
	{ "{a,b", "{ without }" },
	{ "{a,{b}", "{ without }" },
	{ "a\\", "nothing after" },
	{ "{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}", "too many {" },
};

START_TEST(glob_refuses)
{
	struct err err = { .text = "" };

	ck_assert_ptr_null(glob_new(refused[_i].pattern, GLOB_EXACT, &err));
	ck_assert_msg(strstr(err.text, refused[_i].why) != NULL, "%s: %s",
	    refused[_i].pattern, err.text);
}
END_TEST

START_TEST(glob_is_never_slow)
{
	char pattern[GLOB_LEN_MAX + 2] = "", path[4096];
	clock_t begun = clock();
	struct err err;
	struct glob *g;

	/* Each is exponential where one way is tried after the other. */
	static const char *const pieces[] = { "*a", "**/", "{*,?}", "[a]*" };

	memset(path, 'a', sizeof path);
	path[sizeof path - 1] = '\0';
	for (size_t i = 0; i < COUNT(pieces); i++) {
		pattern[0] = '\0';
		while (strlen(pattern) + strlen(pieces[i]) < GLOB_LEN_MAX)
			strncat(pattern, pieces[i], 8);
		strncat(pattern, "b", 2);
		g = glob_new(pattern, GLOB_EXACT, &err);
		ck_assert_ptr_nonnull(g);
		ck_assert(!glob_match(g, path));
		glob_free(g);
	}
	/* It is milliseconds; the other way, no end would be seen. */
	ck_assert_int_lt((clock() - begun) / CLOCKS_PER_SEC, 20);
	memset(pattern, 'a', sizeof pattern - 1);
	ck_assert_ptr_null(glob_new(pattern, GLOB_EXACT, &err));
}
END_TEST

/* --- a watch's globs ---------------------------------------------------------
 */

static struct strv
words(const char *text)
{
	struct strv sv;
	char *copy = xstrdup(text), *save = NULL;

	strv_init(&sv);
	for (char *w = strtok_r(copy, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save))
		strv_add(&sv, w);
	free(copy);
	return sv;
}

static struct globs *
make(const char *watched, const char *excluded, struct err *err)
{
	struct strv w = words(watched), x = words(excluded);
	struct globs *gs = globs_new(&w, &x, err);

	strv_fini(&w);
	strv_fini(&x);
	return gs;
}

static const struct {
	const char *watched, *excluded;
	char op; /* m match, e enter, w on the way, n named */
	unsigned root;
	const char *path;
	bool yes;
} asked[] = {
	{ "src/**", "", 'm', 0, "src/a.c", true },
	{ "src/**", "", 'm', 0, "src/x/.git/HEAD", false },
	{ "src/**", "", 'm', 0, "src/.a.c.swp", false },
	{ "src/**", "", 'm', 0, "src/a.c~", false },
	{ "src/**", "", 'm', 0, "src/4913", false },
	{ "src/**", "!4913", 'm', 0, "src/4913", true },
	{ "src", "", 'm', 0, "src/x/a.c", true },
	{ "src/", "", 'm', 0, "src/x/a.c", true },
	{ "src/", "", 'm', 0, "src", false },
	{ "Makefile", "", 'm', 0, "Makefile", true },
	{ "./Makefile", "", 'm', 0, "Makefile", true },
	{ "*.c", "", 'm', 0, "x/a.c", false },
	{ "src/** !src/gen/**", "", 'm', 0, "src/gen/a.c", false },
	{ "src/** !src/gen/** src/gen/k.c", "", 'm', 0, "src/gen/k.c", true },
	{ "**", "*.o build/", 'm', 0, "a/b.o", false },
	{ "**", "*.o build/", 'm', 0, "a/build/x", false },
	{ "**", "/build", 'm', 0, "a/build/x", true },
	{ "**", "/build", 'm', 0, "build/x", false },
	{ "**", "*.o !k.o", 'm', 0, "k.o", true },
	{ "src/**", "", 'e', 0, "", true },
	{ "src/**", "", 'e', 0, "src", true },
	{ "src/**", "", 'e', 0, "src/x/y", true },
	{ "src/**", "", 'e', 0, "lib", false },
	{ "src/**", "src/x/", 'e', 0, "src/x", false },
	{ "src/**", "src/x/", 'e', 0, "src/x/y", false },
	{ "src/*.c", "", 'e', 0, "src/x", false },
	{ "src/*/*.c", "", 'e', 0, "src/x", true },
	{ "src/*/*.c", "", 'e', 0, "src/x/y", false },
	{ "a/b/*.c", "", 'w', 0, "", true },
	{ "a/b/*.c", "", 'w', 0, "a", true },
	{ "a/b/*.c", "", 'w', 0, "a/b", false },
	{ "a/b/*.c x", "", 'w', 0, "", false },
	{ "a/b/*.c x", "", 'w', 0, "a", true },
	{ "a/*/b", "", 'n', 0, "a", true },
	{ "a/*/b", "", 'n', 0, "a/x", false },
	{ "a/b", "", 'n', 0, "a/b", true },
	{ "a/b", "", 'n', 0, "a/b/c", false },
	{ "/etc/x/*.conf", "", 'm', 1, "a.conf", true },
	{ "/etc/x/*.conf", "", 'm', 0, "a.conf", false },
	{ "/etc/x/** !/etc/x/y/**", "", 'm', 1, "y/a", false },
	{ "../lib/*.c", "", 'm', 1, "lib/a.c", true },
	{ "../lib/*.c !../lib/b.c", "", 'm', 1, "lib/b.c", false },
	{ "a\\*b/**", "", 'n', 0, "a*b", true },
};

START_TEST(globs_answer)
{
	struct err err = { .text = "" };
	struct globs *gs = make(asked[_i].watched, asked[_i].excluded, &err);
	const char *path = asked[_i].path;
	unsigned root = asked[_i].root;
	bool got;

	ck_assert_msg(gs != NULL, "%s", err.text);
	ck_assert_uint_lt(root, globs_nroots(gs));
	got = asked[_i].op == 'm'   ? globs_match(gs, root, path)
	      : asked[_i].op == 'e' ? globs_enter(gs, root, path)
	      : asked[_i].op == 'n' ? globs_named(gs, root, path)
				    : globs_on_the_way(gs, root, path);
	ck_assert_msg(got == asked[_i].yes, "%s - %s: %c %s", asked[_i].watched,
	    asked[_i].excluded, asked[_i].op, path);
	globs_free(gs);
}
END_TEST

static const struct {
	const char *watched, *excluded, *why;
} unusable[] = {
	{ "", "", "first pattern" },
	{ "!a", "", "first pattern" },
	{ "a/../b", "", "in the middle" },
	{ "a//b", "", "in the middle" },
	{ "/", "", "empty" },
	{ "/etc/* !/usr/x", "", "takes nothing out" },
	{ "node_modules/x/**", "", "is excluded" },
	{ "src/**", "src/", "is excluded" },
	{ "src/[", "", "without ]" },
	{ "src", "[", "without ]" },
	{ "src", "!", "empty" },
};

START_TEST(globs_refuse)
{
	struct err err = { .text = "" };

	ck_assert_ptr_null(
	    make(unusable[_i].watched, unusable[_i].excluded, &err));
	ck_assert_msg(
	    strstr(err.text, unusable[_i].why) != NULL, "%s", err.text);
}
END_TEST

START_TEST(globs_have_roots)
{
	struct err err = { .text = "" };
	struct globs *gs = make("a /etc/x/*.c /etc/x/*.h ../../b /f", "", &err);

	ck_assert_msg(gs != NULL, "%s", err.text);
	ck_assert_uint_eq(globs_nroots(gs), 4);
	ck_assert_str_eq(globs_root(gs, 0), "");
	ck_assert_str_eq(globs_root(gs, 1), "/etc/x");
	ck_assert_str_eq(globs_root(gs, 2), "../..");
	ck_assert_str_eq(globs_root(gs, 3), "/");
	ck_assert(globs_match(gs, 3, "f"));
	globs_free(gs);
}
END_TEST

/* --- as git does it ----------------------------------------------------------
 */

#define ROUNDS 60
#define RULES  4
#define PATHS  150

static uint64_t seed = 20240229;

static unsigned
any(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static void
random_rule(char *out)
{
	static const char *const pieces[] = { "a", "b", "ab", "*", "?", "**",
		"/", "/", "[ab]", "[!a]", "[a-c]", "\\a", "/**", "**/", "c*",
		"[[:alpha:]]", "[^b-z]" };
	unsigned n = 1 + any(5);

	*out = '\0';
	if (any(4) == 0)
		strcat(out, "!");
	if (any(4) == 0)
		strcat(out, "/");
	while (n-- > 0)
		strcat(out, pieces[any(COUNT(pieces))]);
	if (any(4) == 0)
		strcat(out, "/");
}

static void
random_path(char *out)
{
	static const char *const names[] = { "a", "b", "c", "ab", "ba", "aab",
		"cab", "bc" };
	unsigned n = 1 + any(4);

	*out = '\0';
	while (n-- > 0) {
		strcat(out, names[any(COUNT(names))]);
		if (n > 0)
			strcat(out, "/");
	}
}

static struct globs *
random_globs(const char *dir)
{
	struct strv all = words("**"), rules;
	char rule[128], file[256];
	struct globs *gs;
	struct err err;
	FILE *fp;

	strv_init(&rules);
	snprintf(file, sizeof file, "%s/.gitignore", dir);
	fp = fopen(file, "w");
	ck_assert_ptr_nonnull(fp);
	while (rules.n < RULES) {
		random_rule(rule);
		if (globs_check_rule(rule, &err) == -1)
			continue;
		strv_add(&rules, rule);
		fprintf(fp, "%s\n", rule);
	}
	fclose(fp);
	gs = globs_new(&all, &rules, &err);
	ck_assert_msg(gs != NULL, "%s", err.text);
	strv_fini(&all);
	strv_fini(&rules);
	return gs;
}

/* Returns how many are excluded. */
static size_t
compare_round(const char *dir)
{
	struct globs *gs = random_globs(dir);
	char path[PATHS][32], command[512], line[64], file[256];
	struct strv out;
	size_t n;
	FILE *fp;

	strv_init(&out);
	snprintf(file, sizeof file, "%s.paths", dir);
	fp = fopen(file, "w");
	ck_assert_ptr_nonnull(fp);
	for (int i = 0; i < PATHS; i++) {
		random_path(path[i]);
		fprintf(fp, "%s\n", path[i]);
	}
	fclose(fp);
	snprintf(command, sizeof command,
	    "git -C %s check-ignore --no-index --stdin < %s", dir, file);
	fp = popen(command, "r");
	ck_assert_ptr_nonnull(fp);
	while (fgets(line, sizeof line, fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		strv_add(&out, line);
	}
	pclose(fp);
	for (int i = 0; i < PATHS; i++)
		ck_assert_msg(globs_excluded(gs, path[i], false) ==
				  strv_has(&out, path[i]),
		    "git: %d for %s; see %s/.gitignore",
		    strv_has(&out, path[i]), path[i], dir);
	unlink(file);
	n = out.n;
	strv_fini(&out);
	globs_free(gs);
	return n;
}

START_TEST(rules_are_as_git_has_them)
{
	char dir[] = "/tmp/glob_test.XXXXXX", command[256];
	size_t n = 0;

	if (system("git --version >/dev/null 2>&1") != 0)
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	setenv("HOME", dir, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_INDEX_FILE");
	snprintf(command, sizeof command, "git init -q --template= %s", dir);
	ck_assert_int_eq(system(command), 0);
	for (int i = 0; i < ROUNDS; i++)
		n += compare_round(dir);
	ck_assert_uint_gt(n, ROUNDS * PATHS / 10);
	ck_assert_uint_lt(n, ROUNDS * PATHS);
	snprintf(command, sizeof command, "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("glob");
	TCase *tc = tcase_create("glob");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, glob_matches, 0, COUNT(rows));
	tcase_add_loop_test(tc, glob_refuses, 0, COUNT(refused));
	tcase_add_test(tc, glob_is_never_slow);
	tcase_add_loop_test(tc, globs_answer, 0, COUNT(asked));
	tcase_add_loop_test(tc, globs_refuse, 0, COUNT(unusable));
	tcase_add_test(tc, globs_have_roots);
	tcase_add_test(tc, rules_are_as_git_has_them);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
