/*
 * kinds_test - what is built in: known sums, round trips, damaged input.
 */
#include "pool/kinds/kinds.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "job_bytes.h"

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

/* --- compress
 * ------------------------------------------------------------------------ */

static const char *const formats[] = { "format=zstd", "format=gzip",
	"format=xz" };

#ifdef HAVE_LZMA
#define FORMATS_N 3
#else
#define FORMATS_N 2 /* liblzma was not there */
#endif

START_TEST(compress_round_trips)
{
	unsigned char *plain, *packed, *back;
	size_t i, n;

	for (i = 0; i < SIZES_N; i++) {
		plain = material(sizes[i]);
		n = sizes[i];
		t.spec.nargs = 0;
		try_arg(&t, formats[_i]);
		packed = through(&job_kind_compress, plain, &n);
		ck_assert(n < sizes[i] || sizes[i] < 1000);
		t.spec.nargs = 0;
		back = through(&job_kind_decompress, packed, &n);
		ck_assert_uint_eq(n, sizes[i]);
		ck_assert_mem_eq(back, plain, n);
		free(plain);
		free(packed);
		free(back);
	}
}
END_TEST

START_TEST(members_after_one_another_are_one_file)
{
	unsigned char *plain = material(150000), *a, *b, *back, *both;
	size_t an = 150000, bn = 7, n;

	try_arg(&t, formats[_i]);
	a = through(&job_kind_compress, plain, &an);
	b = through(&job_kind_compress, "goodbye", &bn);
	n = an + bn;
	both = xmalloc(n);
	memcpy(both, a, an);
	memcpy(both + an, b, bn);
	t.spec.nargs = 0;
	back = through(&job_kind_decompress, both, &n);
	ck_assert_uint_eq(n, 150007);
	ck_assert_mem_eq(back, plain, 150000);
	ck_assert_mem_eq(back + 150000, "goodbye", 7);
	free(plain);
	free(a);
	free(b);
	free(back);
	free(both);
}
END_TEST

START_TEST(compressed_input_that_is_damaged)
{
	unsigned char *plain = material(150000), *packed;
	size_t n = 150000;

	try_arg(&t, formats[_i]);
	packed = through(&job_kind_compress, plain, &n);
	t.spec.nargs = 0;
	damaged(&job_kind_decompress, packed, n - 1, "in.bin: truncated");
	damaged(&job_kind_decompress, packed, n / 2, "in.bin: truncated");
	damaged(&job_kind_decompress, packed, 7, "in.bin: truncated");
	packed[n / 2] ^= 0x55;
	damaged(&job_kind_decompress, packed, n, "in.bin: corrupt");
	packed[n / 2] ^= 0x55;
	packed = realloc(packed, n + 30);
	memset(packed + n, 'z', 30);
	damaged(&job_kind_decompress, packed, n + 30, "in.bin: corrupt");
	free(plain);
	free(packed);
}
END_TEST

START_TEST(compress_refuses)
{
	damaged(&job_kind_decompress, "", 0, "in.bin: it is empty");
	damaged(&job_kind_decompress, "plain text", 10, "neither zstd nor");
	try_arg(&t, "format=lzw");
	damaged(&job_kind_compress, "x", 1, "format=lzw is not known");
	t.args[0] = "levle=3";
	damaged(&job_kind_compress, "x", 1, "test has no argument levle");
	t.args[0] = "level=20";
	damaged(&job_kind_compress, "x", 1, "level=20 is not a number from 1");
	t.args[0] = "level=3x";
	damaged(&job_kind_compress, "x", 1, "level=3x is not a number");
	t.args[0] = "format=gzip";
	try_arg(&t, "level=0");
	damaged(&job_kind_compress, "x", 1, "from 1 to 9");
}
END_TEST

START_TEST(a_level_makes_a_difference)
{
	unsigned char *plain = material(300000), *packed;
	size_t low = 300000, high = 300000;

	try_arg(&t, formats[_i]);
	try_arg(&t, "level=1");
	packed = through(&job_kind_compress, plain, &low);
	free(packed);
	t.args[1] = "level=9";
	packed = through(&job_kind_compress, plain, &high);
	free(packed);
	ck_assert_uint_ne(low, high);
	free(plain);
}
END_TEST

/* What a small file becomes is bounded by what the output may hold. */
START_TEST(a_bomb_is_bounded)
{
	unsigned char *zeros = xcalloc(1, 4000000), *packed;
	size_t n = 4000000;

	try_arg(&t, formats[_i]);
	packed = through(&job_kind_compress, zeros, &n);
	t.spec.nargs = 0;
	t.spec.out.len = 1000000;
	damaged(&job_kind_decompress, packed, n, "more than the 1000000 bytes");
	free(zeros);
	free(packed);
}
END_TEST

/* A file that is a hundred times the buffers needs no more memory. */
START_TEST(memory_does_not_grow_with_the_input)
{
	unsigned char *plain = material(13000000), *packed, *back;
	size_t n = 13000000;

	t.spec.memory_max = 300000;
	packed = through(&job_kind_compress, plain, &n);
	back = through(&job_kind_decompress, packed, &n);
	ck_assert_uint_eq(n, 13000000);
	ck_assert_mem_eq(plain, back, n);
	free(plain);
	free(packed);
	free(back);
}
END_TEST

/* --- copy
 * ------------------------------------------------------------------------------
 */

START_TEST(copy_copies)
{
	unsigned char *plain, *back;
	size_t i, n;

	for (i = 0; i < SIZES_N; i++) {
		plain = material(sizes[i]);
		n = sizes[i];
		back = through(&job_kind_copy, plain, &n);
		ck_assert_uint_eq(n, sizes[i]);
		ck_assert_mem_eq(back, plain, n);
		free(plain);
		free(back);
	}
}
END_TEST

/* --- the tools agree
 * ---------------------------------------------------------------------- */

static bool
there_is(const char *tool)
{
	char line[64];

	snprintf(line, sizeof line, "command -v %s >/dev/null", tool);
	return system(line) == 0;
}

/* What a shell prints, given these bytes in $F; yours to free. */
static unsigned char *
shell(const char *line, const void *bytes, size_t *n)
{
	char path[] = "/tmp/kinds_test.XXXXXX", all[256];
	unsigned char *out = xmalloc(2000000);
	int fd = mkstemp(path);
	FILE *f;

	ck_assert_int_eq(fd_write_all(fd, bytes, *n), 0);
	close(fd);
	snprintf(all, sizeof all, "F=%s; %s", path, line);
	f = popen(all, "r");
	*n = fread(out, 1, 2000000, f);
	ck_assert_msg(pclose(f) == 0, "%s fails", line);
	unlink(path);
	return out;
}

static const struct {
	const char *tool, *pack, *unpack, *format;
} tools[] = {
	{ "zstd", "zstd -qc $F", "zstd -qdc $F", "format=zstd" },
	{ "gzip", "gzip -c $F", "gzip -dc <$F", "format=gzip" },
	{ "xz", "xz -c $F", "xz -dc <$F", "format=xz" },
};

START_TEST(tools_read_what_we_write_and_we_theirs)
{
	unsigned char *plain = material(300000), *packed, *back;
	size_t n = 300000;

	if (!there_is(tools[_i].tool))
		return;
	try_arg(&t, tools[_i].format);
	packed = through(&job_kind_compress, plain, &n);
	back = shell(tools[_i].unpack, packed, &n);
	ck_assert_uint_eq(n, 300000);
	ck_assert_mem_eq(back, plain, n);
	free(packed);
	free(back);
	packed = shell(tools[_i].pack, plain, &n);
	t.spec.nargs = 0;
	back = through(&job_kind_decompress, packed, &n);
	ck_assert_uint_eq(n, 300000);
	ck_assert_mem_eq(back, plain, n);
	free(packed);
	free(back);
	free(plain);
}
END_TEST

static const struct {
	const char *tool, *arg;
} summers[] = {
	{ "sha256sum", "algorithm=sha256" },
	{ "sha512sum", "algorithm=sha512" },
	{ "b2sum", "algorithm=blake2b" },
	{ "md5sum", "algorithm=md5" },
};

START_TEST(sums_are_the_tools_sums)
{
	unsigned char *plain, *line;
	size_t i, n;
	char cmd[32];

	if (!there_is(summers[_i].tool))
		return;
	try_arg(&t, summers[_i].arg);
	for (i = 0; i < SIZES_N; i += 3) {
		plain = material(sizes[i]);
		try_bytes(&t, plain, sizes[i]);
		TRY_OK(&t, &job_kind_digest);
		snprintf(cmd, sizeof cmd, "%s <$F", summers[_i].tool);
		n = sizes[i];
		line = shell(cmd, plain, &n);
		ck_assert_uint_gt(n, strlen(t.run.answer));
		ck_assert_mem_eq(line, t.run.answer, strlen(t.run.answer));
		free(plain);
		free(line);
	}
}
END_TEST

static TCase *
compress_case(void)
{
	TCase *tc = tcase_create("compress");

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, compress_round_trips, 0, FORMATS_N);
	tcase_add_loop_test(
	    tc, members_after_one_another_are_one_file, 0, FORMATS_N);
	tcase_add_loop_test(tc, compressed_input_that_is_damaged, 0, FORMATS_N);
	tcase_add_loop_test(tc, a_level_makes_a_difference, 0, FORMATS_N);
	tcase_add_loop_test(tc, a_bomb_is_bounded, 0, FORMATS_N);
	tcase_add_test(tc, compress_refuses);
	tcase_add_test(tc, memory_does_not_grow_with_the_input);
	tcase_add_test(tc, copy_copies);
	tcase_add_loop_test(
	    tc, tools_read_what_we_write_and_we_theirs, 0, FORMATS_N);
	tcase_add_loop_test(tc, sums_are_the_tools_sums, 0, 4);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("kinds");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, digest_case());
	suite_add_tcase(s, compress_case());
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
