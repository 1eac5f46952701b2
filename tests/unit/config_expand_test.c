/* config_expand_test - %(name)s, and command lines as words. */
#include "config/expand.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/words.h"

struct row {
	const char *text;
	const char *want; /* NULL: an error that says */
	const char *error;
};

static const struct row rows[] = {
	{ "", "", NULL },
	{ "plain", "plain", NULL },
	{ "100%%", "100%", NULL },
	{ "%%(name)s", "%(name)s", NULL },
	{ "%(name)s", "web", NULL },
	{ "a%(name)sb%(name)s", "awebbweb", NULL },
	{ "%(num)d", "7", NULL },
	{ "%(num)s", "7", NULL },
	{ "%(num)02d", "07", NULL },
	{ "%(num)5d|", "    7|", NULL },
	{ "%(num)-5d|", "7    |", NULL },
	{ "%(num)+d", "+7", NULL },
	{ "%(num)+03d", "+07", NULL },
	{ "%(num)-03d|", "7  |", NULL },
	{ "%(num) d", " 7", NULL },
	{ "%(num).3d", "007", NULL },
	{ "%(num)6.3d", "   007", NULL },
	{ "%(num)06.3d", "000007", NULL },
	{ "%(num)ld", "7", NULL },
	{ "%(big)x %(big)X %(big)o", "ff FF 377", NULL },
	{ "%(big)#x %(big)#o", "0xff 0o377", NULL },
	{ "%(big)#06x", "0x00ff", NULL },
	{ "%(big)u %(big)i", "255 255", NULL },
	{ "%(name)6s|", "   web|", NULL },
	{ "%(name)-6s|", "web   |", NULL },
	{ "%(name).2s|", "we|", NULL },
	{ "%(ENV_A)s", "x y", NULL },
	{ "%(ENV_B)s", "from the second", NULL },
	{ "%(ENV_EMPTY)s|", "|", NULL },
	{ "%(fd:http)s %(fd:adm)d", "3 4", NULL },
	/* what is put in is not expanded again */
	{ "%(ENV_P)s", "%(name)s", NULL },

	{ "50%", NULL, "'%': a % that is meant must be written %%" },
	{ "date +%Y", NULL, "'%Y': a % that is meant must be written %%" },
	{ "%s", NULL, "must be written %%" },
	{ "%(name", NULL, "'%(name' has no ) at its end" },
	{ "%(name)", NULL, "needs a letter behind the ): %(name)s" },
	{ "%(name)q", NULL, "'%(name)q' needs a letter" },
	{ "%(num)*d", NULL, "needs a letter" },
	{ "%(num)5", NULL, "needs a letter" },
	{ "%(name)d", NULL, "%(name)d is not a number: write %(name)s" },
	{ "%(num)9999d", NULL, "wider than 1000" },
	{ "%(nme)s", NULL, "unknown name %(nme)s, did you mean 'name'?" },
	{ "%(zzzzzz)s", NULL,
	    "unknown name %(zzzzzz)s; known are name, num, big, ENV_X, "
	    "fd:NAME" },
	{ "%(a(b)c)s", NULL, "unknown name %(a(b)c)s" },
	{ "%(ENV_NO)s", NULL, "%(ENV_NO)s: NO is not in the environment" },
	{ "%(fd:htp)s", NULL, "no socket 'htp', did you mean 'http'?" },
	{ "%(fd:zzzz)s", NULL, "the program has no socket 'zzzz'" },
};

static struct config_socket socket_rows[] = {
	{ .name = (char[]){ "http" } },
	{ .name = (char[]){ "adm" } },
};

static void
scope_init(
    struct expand_scope *sc, struct strv env[2], struct config_sockets *ss)
{
	strv_init(&env[0]);
	strv_init(&env[1]);
	strv_add(&env[0], "A=x y");
	strv_add(&env[0], "EMPTY=");
	strv_add(&env[0], "P=%(name)s");
	strv_add(&env[1], "A=not this");
	strv_add(&env[1], "B=from the second");
	*ss = (struct config_sockets){ socket_rows, 2 };
	expand_scope_init(sc);
	expand_scope_text(sc, "name", "web");
	expand_scope_number(sc, "num", 7);
	expand_scope_number(sc, "big", 255);
	sc->env[0] = &env[0];
	sc->env[1] = &env[1];
	sc->sockets = ss;
}

static void
expect(const char *text, const struct expand_scope *sc, const char *want,
    const char *error)
{
	struct err err = { 0 };
	char *got = NULL;
	int rc = expand(&got, text, sc, &err);

	if (want != NULL) {
		ck_assert_msg(rc == 0, "'%s': %s", text, err.text);
		ck_assert_str_eq(got, want);
	} else {
		ck_assert_msg(rc == -1, "'%s' gave '%s'", text, got);
		ck_assert_msg(strstr(err.text, error) != NULL, "'%s': %s", text,
		    err.text);
	}
	free(got);
}

START_TEST(names_are_expanded)
{
	struct expand_scope sc;
	struct config_sockets ss;
	struct strv env[2];

	scope_init(&sc, env, &ss);
	expect(rows[_i].text, &sc, rows[_i].want, rows[_i].error);
	strv_fini(&env[0]);
	strv_fini(&env[1]);
}
END_TEST

START_TEST(descriptors_are_the_given_ones)
{
	static const int fds[] = { 17, 9 };
	struct expand_scope sc;
	struct config_sockets ss;
	struct strv env[2];

	scope_init(&sc, env, &ss);
	sc.fds = fds;
	expect("%(fd:http)s %(fd:adm)s", &sc, "17 9", NULL);
	sc.sockets = NULL;
	expect("%(fd:http)s", &sc, NULL, "stands for nothing here");
	sc.any_env = true;
	expect("<%(ENV_NO)s>", &sc, "<>", NULL);
	strv_fini(&env[0]);
	strv_fini(&env[1]);
}
END_TEST

/* For comparing configs: what differs from slot to slot stays. */
START_TEST(slots_can_be_kept)
{
	struct expand_scope sc;

	expand_scope_init(&sc);
	expand_scope_text(&sc, "program_name", "web");
	expand_scope_number(&sc, "process_num", 1);
	sc.keep_slot = true;
	expect("%(program_name)s %(process_num)02d %% %(fd:x)s", &sc,
	    "web %(process_num)02d %% %(fd:x)s", NULL);
}
END_TEST

/* --- words -----------------------------------------------------------------
 */

/* want: the words with | between them. */
static const struct row word_rows[] = {
	{ "", "", NULL },
	{ "  ", "", NULL },
	{ "a", "a", NULL },
	{ " a  b\tc\nd ", "a|b|c|d", NULL },
	{ "'a b' \"c d\"", "a b|c d", NULL },
	{ "a'b c'd", "ab cd", NULL },
	{ "''", "", NULL },
	{ "a '' b", "a||b", NULL },
	{ "a\\ b", "a b", NULL },
	{ "\\'a\\\"", "'a\"", NULL },
	{ "\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d", NULL },
	{ "'a\\b'", "a\\b", NULL },
	{ "$HOME ~ * | ; # &", "$HOME|~|*|||;|#|&", NULL },
	{ "\xc3\xa9 b", "\xc3\xa9|b", NULL },
	{ "a 'b", NULL, "the quote at 'b is never closed" },
	{ "a \"b\\\"", NULL, "never closed" },
	{ "a\\", NULL, "nothing follows the \\" },
};

START_TEST(commands_are_split)
{
	const struct row *row = &word_rows[_i];
	struct err err;
	struct strv sv;
	struct buf got;

	strv_init(&sv);
	buf_init(&got);
	if (row->want == NULL) {
		ck_assert_int_eq(words_split(&sv, row->text, &err), -1);
		ck_assert_msg(
		    strstr(err.text, row->error) != NULL, "%s", err.text);
	} else {
		ck_assert_int_eq(words_split(&sv, row->text, &err), 0);
		for (size_t i = 0; i < sv.n; i++)
			buf_addf(&got, "%s%s", i > 0 ? "|" : "", sv.v[i]);
		ck_assert_str_eq(buf_str(&got), row->want);
	}
	buf_fini(&got);
	strv_fini(&sv);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_expand");
	TCase *tc = tcase_create("expand");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, names_are_expanded, 0, sizeof rows / sizeof *rows);
	tcase_add_test(tc, descriptors_are_the_given_ones);
	tcase_add_test(tc, slots_can_be_kept);
	tcase_add_loop_test(
	    tc, commands_are_split, 0, sizeof word_rows / sizeof *word_rows);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
