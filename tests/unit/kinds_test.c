/*
 * kinds_test - what is built in: known sums, round trips, damaged input.
 */
#include "pool/kinds/kinds.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "job_try.h"

static struct try t;

static void
setup(void)
{
	struct err err;

	signal(SIGPIPE, SIG_IGN); /* as job_fault_install does */
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

/* --- bytes for round trips
 * ----------------------------------------------------------- */

/* Neither all equal nor all random: runs, and a stretch of noise. */
static unsigned char *
material(size_t n)
{
	unsigned char *p = xmalloc(n + 1);
	uint32_t r = (uint32_t)n * 2654435761u + 1;
	size_t i;

	for (i = 0; i < n; i++) {
		r = r * 1664525 + 1013904223;
		p[i] = (unsigned char)((i / 10000) % 2 ? r >> 24 : i / 777);
	}
	return p;
}

/* Runs it on the bytes; the output becomes the next one's input. */
static unsigned char *
through(const struct reeve_job_plugin *p, const void *bytes, size_t *n)
{
	try_bytes(&t, bytes, *n);
	TRY_OK(&t, p);
	ck_assert_uint_eq(t.run.bytes_in, *n);
	return (unsigned char *)try_output(&t, n);
}

static void
damaged(const struct reeve_job_plugin *p, const void *bytes, size_t n,
    const char *what)
{
	try_bytes(&t, bytes, n);
	TRY_FAILS(&t, p, what);
}

static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 1000, 4096, 65519, 65520,
	65535, 65536, 65537, 131071, 131072, 131073, 200000, 262144, 1000003 };

#define SIZES_N (sizeof sizes / sizeof *sizes)

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

/* --- encrypt
 * ------------------------------------------------------------------------- */

#define KEY_HEX                                                                \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char key_path[64], key_arg[80];

static void
key_is(const void *bytes, size_t n)
{
	int fd = open(key_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fd_write_all(fd, bytes, n), 0);
	close(fd);
}

static void
setup_key(void)
{
	setup();
	snprintf(key_path, sizeof key_path, "/tmp/kinds_test.%d", getpid());
	snprintf(key_arg, sizeof key_arg, "key_file=%s", key_path);
	key_is(KEY_HEX "\n", 65);
	try_arg(&t, key_arg);
}

static void
teardown_key(void)
{
	unlink(key_path);
	teardown();
}

static const char *const ciphers[] = { "cipher=aes-256-gcm",
	"cipher=chacha20-poly1305" };

static unsigned char *
sealed(const void *plain, size_t *n)
{
	unsigned char *p;

	t.spec.nargs = 1;
	try_arg(&t, ciphers[0]);
	p = through(&job_kind_encrypt, plain, n);
	t.spec.nargs = 1;
	return p;
}

START_TEST(encrypt_round_trips)
{
	unsigned char *plain, *packed, *back;
	size_t i, n;

	for (i = 0; i < SIZES_N; i++) {
		plain = material(sizes[i]);
		n = sizes[i];
		t.spec.nargs = 1;
		try_arg(&t, ciphers[_i]);
		packed = through(&job_kind_encrypt, plain, &n);
		ck_assert_uint_eq(n,
		    44 + sizes[i] +
			16 * (sizes[i] == 0 ? 1 : (sizes[i] + 65535) / 65536));
		ck_assert_int_eq(packed[9], _i + 1);
		t.spec.nargs = 1;
		back = through(&job_kind_decrypt, packed, &n);
		ck_assert_uint_eq(n, sizes[i]);
		ck_assert_mem_eq(back, plain, n);
		free(plain);
		free(packed);
		free(back);
	}
}
END_TEST

/* Made by other code than ours, after the description in crypt.h. */
START_TEST(decrypt_a_known_file)
{
	static const unsigned char known[] = {
		0x52,
		0x45,
		0x45,
		0x56,
		0x45,
		0x45,
		0x4e,
		0x43,
		0x01,
		0x01,
		0x10,
		0x00,
		0x64,
		0x65,
		0x66,
		0x67,
		0x68,
		0x69,
		0x6a,
		0x6b,
		0x6c,
		0x6d,
		0x6e,
		0x6f,
		0x70,
		0x71,
		0x72,
		0x73,
		0x74,
		0x75,
		0x76,
		0x77,
		0x78,
		0x79,
		0x7a,
		0x7b,
		0x7c,
		0x7d,
		0x7e,
		0x7f,
		0x80,
		0x81,
		0x82,
		0x83,
		0xfa,
		0xbb,
		0x41,
		0x85,
		0x3a,
		0x26,
		0x28,
		0xa6,
		0x15,
		0x81,
		0x5d,
		0x6c,
		0x74,
		0x9e,
		0x43,
		0x95,
		0x75,
		0x11,
		0xf4,
		0x67,
		0xbd,
		0xe6,
		0xd9,
		0x4e,
		0x00,
		0x66,
		0x72,
		0x00,
	};
	unsigned char *back;
	size_t n = sizeof known;

	back = through(&job_kind_decrypt, known, &n);
	ck_assert_uint_eq(n, 12);
	ck_assert_mem_eq(back, "hello, world", 12);
	free(back);
}
END_TEST

START_TEST(no_two_are_alike)
{
	size_t an = 100, bn = 100;
	unsigned char *plain = material(100), *a = sealed(plain, &an),
		      *b = sealed(plain, &bn);

	ck_assert_mem_ne(a + 12, b + 12, 32);
	ck_assert_mem_ne(a + 44, b + 44, 100);
	free(plain);
	free(a);
	free(b);
}
END_TEST

START_TEST(every_changed_byte_is_noticed)
{
	static const size_t at[] = { 0, 8, 9, 10, 11, 12, 43, 44, 100, 65579,
		65580, 65595, 65596, 131147, 131148, 200091 };
	size_t i, n = 200000;
	unsigned char *plain = material(n), *p = sealed(plain, &n);

	ck_assert_uint_eq(n, 44 + 200000 + 4 * 16);
	for (i = 0; i < sizeof at / sizeof *at; i++) {
		p[at[i]] ^= 1;
		damaged(&job_kind_decrypt, p, n,
		    at[i] < 12 ? "in.bin: it" : "it was changed");
		p[at[i]] ^= 1;
	}
	/* The other cipher. */
	p[9] ^= 3;
	damaged(&job_kind_decrypt, p, n, "it was changed");
	free(plain);
	free(p);
}
END_TEST

START_TEST(truncation_is_noticed)
{
	static const size_t at[] = { 0, 7, 43, 44, 59, 60, 65595, 65596, 65597,
		131148, 196700, 200107 };
	size_t i, n = 200000;
	unsigned char *plain = material(n), *p = sealed(plain, &n);

	for (i = 0; i < sizeof at / sizeof *at; i++)
		damaged(&job_kind_decrypt, p, at[i], "in.bin: ");
	/* At the border of two chunks it can be told for certain. */
	damaged(&job_kind_decrypt, p, 44 + 65552, "truncated: its end");
	damaged(&job_kind_decrypt, p, 44 + 2 * 65552, "truncated: its end");
	damaged(&job_kind_decrypt, p, 44, "truncated: its end");
	p = realloc(p, n + 100000);
	memset(p + n, 0, 100000);
	damaged(&job_kind_decrypt, p, n + 1, "changed");
	free(plain);
	free(p);
}
END_TEST

START_TEST(order_and_origin_are_noticed)
{
	size_t an = 196608, bn = 196608;
	unsigned char *plain = material(an), *a = sealed(plain, &an),
		      *b = sealed(plain, &bn), *chunk = xmalloc(65552);

	/* Two chunks of one file change places. */
	memcpy(chunk, a + 44, 65552);
	memmove(a + 44, a + 44 + 65552, 65552);
	memcpy(a + 44 + 65552, chunk, 65552);
	damaged(&job_kind_decrypt, a, an, "it was changed");
	/* A chunk of another file, in its place. */
	memcpy(a + 44 + 65552, a + 44, 65552);
	memcpy(a + 44, chunk, 65552);
	memcpy(a + 44 + 65552, b + 44 + 65552, 65552);
	damaged(&job_kind_decrypt, a, an, "it was changed (chunk 1)");
	/* The last one twice: it said that nothing follows. */
	b = realloc(b, bn + 65552);
	memcpy(b + bn, b + bn - 65552, 65552);
	damaged(&job_kind_decrypt, b, bn + 65552, "something follows its end");
	free(plain);
	free(a);
	free(b);
	free(chunk);
}
END_TEST

START_TEST(only_what_is_genuine_is_written)
{
	size_t n = 200000, out_n;
	unsigned char *plain = material(n), *p = sealed(plain, &n);
	char *out;

	p[44 + 65552 + 9] ^= 1;
	damaged(&job_kind_decrypt, p, n, "it was changed (chunk 1)");
	out = try_output(&t, &out_n);
	ck_assert_uint_eq(out_n, 65536);
	ck_assert_mem_eq(out, plain, out_n);
	free(out);
	free(plain);
	free(p);
}
END_TEST

START_TEST(keys_are_checked)
{
	size_t n = 100, raw_n = 100;
	unsigned char *plain = material(n), *p = sealed(plain, &n), *back;
	unsigned char raw[32];
	int i;

	/* 32 bytes are the same key as their digits. */
	for (i = 0; i < 32; i++)
		raw[i] = (unsigned char)i;
	key_is(raw, 32);
	raw_n = n;
	back = through(&job_kind_decrypt, p, &raw_n);
	ck_assert_mem_eq(back, plain, 100);
	free(back);
	raw[31] = 0;
	key_is(raw, 32);
	damaged(&job_kind_decrypt, p, n, "changed, or the key is another");
	key_is(KEY_HEX, 63);
	damaged(&job_kind_decrypt, p, n, "a key is 32 bytes, or 64 hexa");
	key_is("", 0);
	damaged(&job_kind_decrypt, p, n, "a key is 32 bytes, or 64 hexa");
	key_is(KEY_HEX KEY_HEX, 128);
	damaged(&job_kind_encrypt, p, n, "a key is 32 bytes, or 64 hexa");
	key_is("g" KEY_HEX, 64);
	damaged(&job_kind_encrypt, p, n, "a key is 32 bytes, or 64 hexa");
	key_is(KEY_HEX, 64);
	ck_assert_int_eq(chmod(key_path, 0640), 0);
	damaged(&job_kind_encrypt, p, n, "others may read it: chmod 600");
	ck_assert_int_eq(chmod(key_path, 0604), 0);
	damaged(&job_kind_decrypt, p, n, "others may read it: chmod 600");
	ck_assert_int_eq(chmod(key_path, 0600), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(key_path, 65534, 65534), 0);
		damaged(&job_kind_decrypt, p, n, "belongs neither to root");
	}
	unlink(key_path);
	damaged(&job_kind_decrypt, p, n, "No such file");
	ck_assert_int_eq(mkfifo(key_path, 0600), 0);
	damaged(&job_kind_decrypt, p, n, "it is not a file");
	t.args[0] = "key_file=key";
	damaged(&job_kind_decrypt, p, n, "it is not an absolute path");
	t.spec.nargs = 0;
	damaged(&job_kind_encrypt, p, n, "key_file=PATH is needed");
	try_arg(&t, "key=" KEY_HEX);
	damaged(&job_kind_encrypt, p, n, "test has no argument key");
	free(plain);
	free(p);
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

/* --- command
 * ---------------------------------------------------------------------------
 */

static void
script(const char *line)
{
	static char arg[512];

	snprintf(arg, sizeof arg, "arg2=%s", line);
	t.spec.nargs = 0;
	try_arg(&t, "program=sh");
	try_arg(&t, "arg1=-c");
	try_arg(&t, arg);
}

/* What the program made of the bytes. */
static void
makes(const void *bytes, size_t n, const void *want, size_t want_n)
{
	unsigned char *out = through(&job_kind_command, bytes, &n);

	ck_assert_uint_eq(n, want_n);
	ck_assert_mem_eq(out, want, n);
	ck_assert_uint_eq(t.run.bytes_out, n);
	free(out);
}

START_TEST(command_is_a_filter)
{
	unsigned char *plain = material(1000003);

	try_arg(&t, "program=cat");
	makes(plain, 1000003, plain, 1000003);
	makes("", 0, "", 0);
	/* Through pipes of ours: the output is bounded. */
	t.spec.out.len = 1000003;
	makes(plain, 1000003, plain, 1000003);
	t.spec.out.len = 1000002;
	damaged(&job_kind_command, plain, 1000003, "more than the 1000002");
	free(plain);
	t.spec.out.len = -1;
	script("tr a-z A-Z; echo \"$0 $1\"");
	try_arg(&t, "arg3=$HOME; {input}");
	try_arg(&t, "arg4={output} {x}");
	makes("abc", 3, "ABC$HOME; /dev/stdin /dev/stdout {x}\n", 37);
}
END_TEST

START_TEST(command_takes_a_part)
{
	unsigned char *plain = material(1000003);
	char *out;
	size_t n;

	try_bytes(&t, plain, 1000003);
	t.spec.in.off = 100001;
	t.spec.in.len = 800000;
	try_arg(&t, "program=cat");
	TRY_OK(&t, &job_kind_command);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 800000);
	ck_assert_mem_eq(out, plain + 100001, n);
	ck_assert_uint_eq(t.run.bytes_in, n);
	free(out);
	/* One that does not want all of it is content. */
	try_bytes(&t, plain, 1000003);
	t.args[0] = "program=head";
	try_arg(&t, "arg1=-c5");
	TRY_OK(&t, &job_kind_command);
	out = try_output(&t, &n);
	ck_assert_uint_eq(n, 5);
	free(out);
	free(plain);
}
END_TEST

START_TEST(command_is_given_names)
{
	char in[] = "/tmp/kinds_in.XXXXXX", out[] = "/tmp/kinds_out.XXXXXX";
	char *got;
	size_t n;

	try_fini(&t);
	t.spec.in.fd = mkstemp(in);
	t.spec.out.fd = mkstemp(out);
	t.spec.in.name = in;
	t.spec.out.name = out;
	ck_assert_int_eq(fd_write_all(t.spec.in.fd, "by name", 7), 0);
	/* What it prints is not the output then. */
	script("cp \"$0\" \"${1#of=}\"; echo chatter; cat");
	try_arg(&t, "arg3={input}");
	try_arg(&t, "arg4=of={output}");
	TRY_OK(&t, &job_kind_command);
	got = try_output(&t, &n);
	ck_assert_str_eq(got, "by name");
	free(got);
	/* Another file of that name is not the job's. */
	ck_assert_int_eq(unlink(in), 0);
	close(open(in, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	script("cat \"$0\"");
	try_arg(&t, "arg3={input}");
	TRY_OK(&t, &job_kind_command);
	got = try_output(&t, &n);
	ck_assert_str_eq(got, "by name");
	free(got);
	unlink(in);
	unlink(out);
}
END_TEST

START_TEST(command_says_how_it_failed)
{
	try_bytes(&t, "", 0);
	script("echo first >&2; echo 'no such thing' >&2; exit 3");
	TRY_FAILS(&t, &job_kind_command, "sh exited with 3: no such thing");
	script("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1");
	TRY_FAILS(&t, &job_kind_command, "sh exited with 1: xxxx");
	script("kill -9 $$");
	TRY_FAILS(&t, &job_kind_command, "sh was killed by signal 9 (Killed)");
	script("kill -PIPE $$");
	TRY_FAILS(&t, &job_kind_command, "sh was killed by signal 13");
	t.spec.nargs = 0;
	TRY_FAILS(&t, &job_kind_command, "program=PATH is needed");
	try_arg(&t, "program=/nowhere/prog");
	TRY_FAILS(&t, &job_kind_command, "run /nowhere/prog: No such file");
	t.args[0] = "program=true";
	try_arg(&t, "arg2=skipped");
	TRY_FAILS(&t, &job_kind_command, "test has no argument arg2");
	t.spec.nargs = 1;
	TRY_OK(&t, &job_kind_command);
	/* It needs neither input nor output. */
	try_fini(&t);
	TRY_OK(&t, &job_kind_command);
}
END_TEST

static bool
is_alive(long pid)
{
	char path[40], state = 'X';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state != 'Z' && state != 'X';
}

static void *
cancels_when_it_has_begun(void *arg)
{
	char text[64];

	while (pread(*(int *)arg, text, sizeof text, 0) <= 0 ||
	       memchr(text, '\n', sizeof text) == NULL)
		poll(NULL, 0, 5);
	t.cancel = 1;
	return NULL;
}

START_TEST(command_dies_with_its_tree)
{
	long a = 0, b = 0, c = 0;
	pthread_t th;
	char *out;
	size_t n;

	/* One in its group, one that left the group, and itself. */
	script("sleep 1000 & a=$!; setsid sleep 1000 & echo $$ $a $!; wait");
	try_bytes(&t, "", 0);
	ck_assert_int_eq(pthread_create(&th, NULL, cancels_when_it_has_begun,
			     &t.spec.out.fd),
	    0);
	ck_assert_int_eq(try_run(&t, &job_kind_command), JOB_CANCELLED);
	pthread_join(th, NULL);
	out = try_output(&t, &n);
	ck_assert_int_eq(sscanf(out, "%ld %ld %ld", &a, &b, &c), 3);
	free(out);
	while (is_alive(a) || is_alive(b) || is_alive(c))
		poll(NULL, 0, 5);
}
END_TEST

START_TEST(command_leaves_nothing_running)
{
	long pid = 0;
	char *out;
	size_t n;

	script("sleep 1000 & echo $!");
	try_bytes(&t, "", 0);
	TRY_OK(&t, &job_kind_command);
	out = try_output(&t, &n);
	ck_assert_int_eq(sscanf(out, "%ld", &pid), 1);
	free(out);
	while (is_alive(pid))
		poll(NULL, 0, 5);
}
END_TEST

static TCase *
command_case(void)
{
	TCase *tc = tcase_create("command");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, command_is_a_filter);
	tcase_add_test(tc, command_takes_a_part);
	tcase_add_test(tc, command_is_given_names);
	tcase_add_test(tc, command_says_how_it_failed);
	tcase_add_test(tc, command_dies_with_its_tree);
	tcase_add_test(tc, command_leaves_nothing_running);
	return tc;
}

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

static TCase *
encrypt_case(void)
{
	TCase *tc = tcase_create("encrypt");

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup_key, teardown_key);
	tcase_add_loop_test(tc, encrypt_round_trips, 0, 2);
	tcase_add_test(tc, decrypt_a_known_file);
	tcase_add_test(tc, no_two_are_alike);
	tcase_add_test(tc, every_changed_byte_is_noticed);
	tcase_add_test(tc, truncation_is_noticed);
	tcase_add_test(tc, order_and_origin_are_noticed);
	tcase_add_test(tc, only_what_is_genuine_is_written);
	tcase_add_test(tc, keys_are_checked);
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
	suite_add_tcase(s, encrypt_case());
	suite_add_tcase(s, command_case());
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
