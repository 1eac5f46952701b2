/*
 * kinds_test - what is built in: known sums, round trips, damaged input.
 */
#include "pool/kinds/kinds.h"

#include <stdio.h>

#include "job_try.h"

static struct try t;

static void
setup(void)
{
	struct err err;

	ck_assert_int_eq(job_kinds_load(&err), 0);
	try_init(&t, "test");
}

static void
teardown(void)
{
	try_fini(&t);
	job_kinds_unload();
}

START_TEST(kinds_are_sound_and_sorted)
{
	size_t i;

	for (i = 0; job_kinds[i] != NULL; i++) {
		ck_assert_ptr_null(job_plugin_fault(job_kinds[i]));
		ck_assert_ptr_eq(
		    job_kinds_find(job_kinds[i]->name), job_kinds[i]);
		if (i > 0)
			ck_assert_str_lt(
			    job_kinds[i - 1]->name, job_kinds[i]->name);
	}
	ck_assert_ptr_null(job_kinds_find("no"));
	TRY_OK(&t, &job_kind_noop);
}
END_TEST

/* --- digest
 * ------------------------------------------------------------------------ */

#define SHA512_ABC                                                             \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"     \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
#define BLAKE2B_ABC                                                            \
	"ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"     \
	"7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"

static const struct {
	const char *arg, *text, *sum;
} sums[] = {
	/* FIPS 180-4, RFC 7693, RFC 1321 */
	{ NULL, "abc",
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015"
	    "ad" },
	{ "algorithm=sha256", "",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8"
	    "55" },
	{ "algorithm=sha512", "abc", SHA512_ABC },
	{ "algorithm=blake2b", "abc", BLAKE2B_ABC },
	{ "algorithm=md5", "message digest",
	    "f96b697d7cb7938d525a2f31aaf161d0" },
};

START_TEST(digest_of_known_texts)
{
	size_t i;

	for (i = 0; i < sizeof sums / sizeof *sums; i++) {
		t.spec.nargs = 0;
		if (sums[i].arg != NULL)
			try_arg(&t, sums[i].arg);
		try_bytes(&t, sums[i].text, strlen(sums[i].text));
		TRY_OK(&t, &job_kind_digest);
		ck_assert_str_eq(t.run.answer, sums[i].sum);
		ck_assert_uint_eq(t.run.bytes_in, strlen(sums[i].text));
	}
}
END_TEST

START_TEST(digest_of_a_million_letters)
{
	char *a = xmalloc(1000000);

	memset(a, 'a', 1000000);
	try_bytes(&t, a, 1000000);
	free(a);
	TRY_OK(&t, &job_kind_digest);
	ck_assert_str_eq(t.run.answer,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	ck_assert_int_eq(job_progress_get(&t.progress, NULL, 0), 100);
	t.cancel = 1;
	ck_assert_int_eq(try_run(&t, &job_kind_digest), JOB_CANCELLED);
}
END_TEST

START_TEST(digest_refuses)
{
	try_arg(&t, "algorithm=crc32");
	TRY_FAILS(&t, &job_kind_digest, "algorithm=crc32 is not known: sha256");
	t.spec.nargs = 0;
	TRY_FAILS(&t, &job_kind_digest, "no input was given");
}
END_TEST

static TCase *
digest_case(void)
{
	TCase *tc = tcase_create("digest");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kinds_are_sound_and_sorted);
	tcase_add_test(tc, digest_of_known_texts);
	tcase_add_test(tc, digest_of_a_million_letters);
	tcase_add_test(tc, digest_refuses);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("kinds");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, digest_case());
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
