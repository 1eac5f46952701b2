/*
 * crypt_test - encrypt and decrypt: round trips, damage, keys.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "job_bytes.h"

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
	Suite *s = suite_create("crypt");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, encrypt_case());
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
