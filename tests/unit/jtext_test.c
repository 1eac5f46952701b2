/*
 * jtext_test - what is a JSON text, and what stands on top of it.
 */
#include "base/jtext.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const good[] = {
	"0",
	" -1.5e+30 ",
	"1E400",
	"123456789012345678901234567890",
	"true",
	"null",
	"\"\"",
	"\"a\\u00e9\\ud800\\n\\\\\\/\"",
	"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
	"[]",
	"[ ]",
	"{}",
	"[1,[2,{\"a\":[]}],\"x\"]",
	"{\"a\":1 , \"b\" : {\"c\":[true,false]}}\t",
};

static const char *const bad[] = {
	"",
	" ",
	"01",
	"1.",
	".5",
	"+1",
	"1e",
	"-",
	"tru",
	"nullx",
	"'a'",
	"\"a",
	"\"\\x\"",
	"\"\\u12g4\"",
	"\"\n\"",
	"\"\xc0\x80\"",
	"\"\xed\xa0\x80\"",
	"\"\xf4\x90\x80\x80\"",
	"\"\xe2\x82\"",
	"[1,]",
	"[,1]",
	"[1 2]",
	"[1}",
	"{\"a\":1]",
	"{\"a\"}",
	"{a:1}",
	"{\"a\":1,}",
	"{,}",
	"[",
	"]",
	"1 2",
	"{}{}",
};

START_TEST(texts_are_texts)
{
	size_t at;

	ck_assert_msg(jtext_valid(good[_i], strlen(good[_i]), &at),
	    "%s, at %zu", good[_i], at);
}
END_TEST

START_TEST(others_are_not)
{
	size_t at;

	ck_assert_msg(
	    !jtext_valid(bad[_i], strlen(bad[_i]), &at), "%s", bad[_i]);
	ck_assert_uint_le(at, strlen(bad[_i]));
}
END_TEST

START_TEST(a_nul_is_no_end)
{
	ck_assert(!jtext_valid("1\0002", 3, NULL));
	ck_assert(!jtext_valid("\"\\\0\"", 4, NULL));
	ck_assert(!jtext_valid("\"\\u00\0\0\"", 8, NULL));
}
END_TEST

static bool
nested(size_t depth)
{
	struct buf b;
	bool rc;

	buf_init(&b);
	for (size_t i = 0; i < depth; i++)
		buf_adds(&b, i % 2 == 0 ? "[" : "{\"a\":");
	buf_addc(&b, '1');
	for (size_t i = depth; i-- > 0;)
		buf_addc(&b, i % 2 == 0 ? ']' : '}');
	rc = jtext_valid(b.data, b.len, NULL);
	buf_fini(&b);
	return rc;
}

START_TEST(depth_has_a_bound)
{
	ck_assert(nested(JTEXT_DEPTH));
	ck_assert(!nested(JTEXT_DEPTH + 1));
}
END_TEST

static const struct {
	const char *text, *value; /* of "cmd"; NULL: not there */
} members[] = {
	{ "{\"cmd\":\"x\"}", "\"x\"" },
	{ " { \"a\" : [1,{\"cmd\":2}] , \"cmd\" : { \"y\" : \"},\" } , "
	  "\"z\":0}",
	    "{ \"y\" : \"},\" }" },
	{ "{\"cmd\":1,\"cmd\":22 }", "22" },
	{ "{\"cmd\":[]}", "[]" },
	{ "{\"cmdx\":1,\"cm\":2,\"xcmd\":3}", NULL },
	{ "{\"a\":{\"cmd\":1}}", NULL },
	{ "[\"cmd\",1]", NULL },
	{ "\"cmd\"", NULL },
	{ "{}", NULL },
};

START_TEST(members_are_found)
{
	const char *text = members[_i].text, *v = NULL;
	size_t len = 0;
	bool found = jtext_member(text, strlen(text), "cmd", &v, &len);

	ck_assert(jtext_valid(text, strlen(text), NULL));
	ck_assert_int_eq(found, members[_i].value != NULL);
	if (!found)
		return;
	ck_assert_uint_eq(len, strlen(members[_i].value));
	ck_assert(memcmp(v, members[_i].value, len) == 0);
}
END_TEST

START_TEST(strings_compare)
{
	ck_assert(jtext_is_string(" \"ab\" ", 6, "ab"));
	ck_assert(!jtext_is_string("\"ab\"", 4, "a"));
	ck_assert(!jtext_is_string("\"ab\"", 4, "abc"));
	ck_assert(!jtext_is_string("[\"ab\"]", 6, "ab"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jtext");
	TCase *tc = tcase_create("jtext");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, texts_are_texts, 0, sizeof good / sizeof *good);
	tcase_add_loop_test(tc, others_are_not, 0, sizeof bad / sizeof *bad);
	tcase_add_test(tc, a_nul_is_no_end);
	tcase_add_test(tc, depth_has_a_bound);
	tcase_add_loop_test(
	    tc, members_are_found, 0, sizeof members / sizeof *members);
	tcase_add_test(tc, strings_compare);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
