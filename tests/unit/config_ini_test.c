/*
 * config_ini_test - texts of the [reeve] dialect, as the entries they make.
 *
 * An entry is shown as "LINE[section]" or "LINE key=value", with | for a line
 * break in a value; an error as "!LINE" and what it must say.
 */
#include "config/ini.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"

static void
show_value(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		buf_addc(out, *s == '\n' ? '|' : *s);
}

static void
show(struct buf *out, const struct ini *ini, const struct config_errors *errs)
{
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_entry *e = &ini->v[i];

		buf_addf(out, "%s%d", i > 0 ? " " : "", e->line);
		if (e->key == NULL) {
			buf_addf(out, "[%s]", e->section);
			continue;
		}
		buf_addf(out, " %s=", e->key);
		show_value(out, e->value);
	}
	for (size_t i = 0; i < errs->errors.n; i++)
		buf_addf(out, " !%s", errs->errors.v[i]);
}

struct row {
	const char *text;
	const char *want;
	const char *error; /* NULL: none; else the only one, from its line on */
};

static const struct row rows[] = {
	{ "", "", NULL },
	{ "[a]\n", "1[a]", NULL },
	{ "[a]", "1[a]", NULL },
	{ "[a]\nb = c\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb: c\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb=c=d:e\n", "1[a] 2 b=c=d:e", NULL },
	{ "[a]\nb:c=d\n", "1[a] 2 b=c=d", NULL },
	{ "[a]\nB-C=D\n", "1[a] 2 b-c=D", NULL },
	{ "[a]\nb=\n", "1[a] 2 b=", NULL },
	{ "[a]\n  b  =  c d  \n", "1[a] 2 b=c d", NULL },
	{ "[ a b ]\n", "1[a b]", NULL },
	{ "[a]\n[b]\n[a]\n", "1[a] 2[b] 3[a]", NULL },

	/* comments */
	{ "; x\n# y\n  ; z\n[a]\n", "4[a]", NULL },
	{ "[a] ; x\n[b]# y\n", "1[a] 2[b]", NULL },
	{ "[a]\nb=c ; d\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb=c\t# d\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb=c;d#e\n", "1[a] 2 b=c;d#e", NULL },
	{ "[a]\nb= ; c\n", "1[a] 2 b=", NULL },
	{ "[a]\nb=;c\n", "1[a] 2 b=;c", NULL },
	{ "[a]\nb ; c=d\n", "1[a]", "2: 'b ; c=d' is neither" },
	{ "[a]\nb=c\n; d\n  e\n", "1[a] 2 b=c|e", NULL },
	{ "[a]\nb=c\n  # d\n  e\n", "1[a] 2 b=c|e", NULL },
	{ "[a]\nb=c ; d\n  e # f\n  g\n", "1[a] 2 b=c|e|g", NULL },

	/* quotes protect, when they are closed */
	{ "[a]\nb=\"c ; d\" ; e\n", "1[a] 2 b=\"c ; d\"", NULL },
	{ "[a]\nb='c # d' # e\n", "1[a] 2 b='c # d'", NULL },
	{ "[a]\nb=x\"c ; d\"y\n", "1[a] 2 b=x\"c ; d\"y", NULL },
	{ "[a]\nb=\"c \\\" ; d\"\n", "1[a] 2 b=\"c \\\" ; d\"", NULL },
	{ "[a]\nb='c \\' ; d\n", "1[a] 2 b='c \\'", NULL },
	{ "[a]\nb=c \\\" ; d\n", "1[a] 2 b=c \\\"", NULL },
	{ "[a]\nb=\"c ' ; d\" ; e\n", "1[a] 2 b=\"c ' ; d\"", NULL },
	{ "[a]\nb=don't ; x\n", "1[a] 2 b=don't", NULL },
	{ "[a]\nb=don't \"c ; d\" ; x\n", "1[a] 2 b=don't \"c ; d\"", NULL },
	{ "[a]\nb=5\" ; x\nc='y'\n", "1[a] 2 b=5\" 3 c='y'", NULL },
	{ "[a]\nb=\"c\n  d ; e\" ; f\n", "1[a] 2 b=\"c|d ; e\"", NULL },

	/* continuation: deeper than the key, as Python counts columns */
	{ "[a]\nb=c\n d\n", "1[a] 2 b=c|d", NULL },
	{ "[a]\nb=\n  c\n  d\n", "1[a] 2 b=c|d", NULL },
	{ "[a]\nb=c\n\n d\n\n\nc=d\n", "1[a] 2 b=c||d 7 c=d", NULL },
	{ "[a]\nb=c\n d=e\n", "1[a] 2 b=c|d=e", NULL },
	{ "[a]\nb=c\n [d]\n", "1[a] 2 b=c|[d]", NULL },
	{ "[a]\n  b=c\n  d=e\n", "1[a] 2 b=c 3 d=e", NULL },
	{ "[a]\n  b=c\n d=e\n", "1[a] 2 b=c 3 d=e", NULL },
	{ "[a]\n  b=c\n    d\n  e=f\n", "1[a] 2 b=c|d 4 e=f", NULL },
	{ "  [a]\n b=c\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb=c\n\td \n\te\n", "1[a] 2 b=c|d|e", NULL },

	/* ends of lines, and bytes */
	{ "[a]\r\nb=c\r\n d\r\n", "1[a] 2 b=c|d", NULL },
	{ "[a]\rb=c\r", "1[a] 2 b=c", NULL },
	{ "\xef\xbb\xbf[a]\nb=c\n", "1[a] 2 b=c", NULL },
	{ "[a]\nb=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
	    "1[a] 2 b=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", NULL },
	{ "[a]\nb=x\xff\n", "1[a]", "2: byte 0xff in column 4 is not UTF-8" },
	{ "[a]\nb=\xc0\x80\n", "1[a]", "2: byte 0xc0 in column 3" },
	{ "[a]\nb=\xed\xa0\x80\n", "1[a]", "2: byte 0xed in column 3" },
	{ "[a]\nb=\xe2\x82", "1[a]", "2: byte 0xe2 in column 3" },
	{ "[a]\nb=%41 %% \x01\n", "1[a] 2 b=%41 %% \x01", NULL },

	/* what is wrong, and that reading goes on */
	{ "b=c\n[a]\n", "2[a]", "1: 'b' stands before the first [section]" },
	{ "[a]\nb\nc=d\n", "1[a] 3 c=d", "2: 'b' is neither 'key = value'" },
	{ "[a]\nb\n  c\nd=e\n", "1[a] 4 d=e", "2: 'b' is neither" },
	{ "[a]\n=c\n", "1[a]", "2: nothing stands before '='" },
	{ "[a\nb=c\n", "1[a] 2 b=c", "1: '[a': ] is missing" },
	{ "[a] b\n", "1[a]", "1: 'b' behind [section]" },
	{ "[ ]\n", "1[]", "1: [] has no name" },
};

START_TEST(lines_make_entries)
{
	const struct row *row = &rows[_i];
	struct config_errors errs;
	struct ini ini;
	struct buf got;
	char want[64];

	ini_init(&ini);
	buf_init(&got);
	config_errors_init(&errs);
	ini_add_text(
	    &ini, ini_lines_reeve, "f", row->text, strlen(row->text), &errs);
	if (row->error != NULL) {
		ck_assert_uint_eq(errs.errors.n, 1);
		snprintf(want, sizeof want, "f:%s", row->error);
		ck_assert_msg(
		    str_starts(errs.errors.v[0], want), "%s", errs.errors.v[0]);
		strv_fini(&errs.errors);
	}
	show(&got, &ini, &errs);
	ck_assert_str_eq(buf_str(&got), row->want);
	buf_fini(&got);
	ini_fini(&ini);
	config_errors_fini(&errs);
}
END_TEST

START_TEST(nul_is_an_error_with_its_line)
{
	static const char text[] = "[a]\nb=c\nd=\0e\nf=g\n";
	struct config_errors errs;
	struct ini ini;

	ini_init(&ini);
	config_errors_init(&errs);
	ini_add_text(&ini, ini_lines_reeve, "f", text, sizeof text - 1, &errs);
	ck_assert_uint_eq(errs.errors.n, 1);
	ck_assert_str_eq(
	    errs.errors.v[0], "f:3: byte 0x00 in column 3: not a text file");
	ck_assert_uint_eq(ini.n, 3);
	ck_assert_str_eq(ini.v[2].key, "f");
	ini_fini(&ini);
	config_errors_fini(&errs);
}
END_TEST

/* inih ends lines after 199 bytes, names after 49. */
START_TEST(sizes_that_inih_does_not_hold)
{
	static const size_t sizes[] = { 1, 49, 50, 51, 63, 150, 198, 199, 200,
		201, 4096, 100000 };
	size_t n = sizes[_i];
	char *name = xmalloc(n + 1);
	struct config_errors errs;
	struct ini ini;
	struct buf b;

	for (size_t i = 0; i < n; i++)
		name[i] = "ab=:;#\"' %x"[i % 4 == 3 ? i % 11 : i % 2];
	name[0] = name[n - 1] = 'z';
	name[n] = '\0';
	for (char *s = name; *s != '\0'; s++)
		if (strchr(":=", *s) != NULL)
			*s = '=';
	ini_init(&ini);
	buf_init(&b);
	config_errors_init(&errs);
	buf_addf(&b, "[%0*d]\n%0*d = %s\n[end]\n", (int)n, 7, (int)n, 8, name);
	ini_add_text(&ini, ini_lines_reeve, "f", b.data, b.len, &errs);
	ck_assert_uint_eq(errs.errors.n, 0);
	ck_assert_uint_eq(ini.n, 3);
	ck_assert_uint_eq(strlen(ini.v[0].section), n);
	ck_assert_uint_eq(strlen(ini.v[1].key), n);
	ck_assert_str_eq(ini.v[1].value, name);
	ck_assert_int_eq(ini.v[2].line, 3);
	free(name);
	buf_fini(&b);
	ini_fini(&ini);
	config_errors_fini(&errs);
}
END_TEST

START_TEST(every_error_is_told)
{
	static const char text[] = "x\n[a\n=1\ny\n[b]c\nok=1\n";
	struct config_errors errs;
	struct ini ini;

	ini_init(&ini);
	config_errors_init(&errs);
	ini_add_text(&ini, ini_lines_reeve, "f", text, strlen(text), &errs);
	ck_assert_uint_eq(errs.errors.n, 5);
	for (size_t i = 0; i < 5; i++) {
		char want[16];

		snprintf(want, sizeof want, "f:%zu: ", i + 1);
		ck_assert(str_starts(errs.errors.v[i], want));
	}
	ini_fini(&ini);
	config_errors_fini(&errs);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_ini");
	TCase *tc = tcase_create("ini");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, lines_make_entries, 0, sizeof rows / sizeof *rows);
	tcase_add_test(tc, nul_is_an_error_with_its_line);
	tcase_add_loop_test(tc, sizes_that_inih_does_not_hold, 0, 12);
	tcase_add_test(tc, every_error_is_told);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
