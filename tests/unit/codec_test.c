/*
 * codec_test - bytes as they are, errors that stick, strings, growth.
 */
#include "ipc/codec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/sys_fake.h"

START_TEST(numbers_are_little_endian_without_padding)
{
	static const uint8_t want[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05,
		0x04, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0xfe,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct mw w;
	struct mr r;

	mw_init(&w, NULL, 0);
	mw_u8(&w, 0x01);
	mw_u16(&w, 0x0203);
	mw_u32(&w, 0x04050607);
	mw_u64(&w, 0x08090a0b0c0d0e0f);
	mw_i64(&w, -2);
	ck_assert(!w.failed);
	ck_assert_uint_eq(w.len, sizeof want);
	ck_assert_mem_eq(w.data, want, sizeof want);
	mr_init(&r, w.data, w.len);
	ck_assert_uint_eq(mr_u8(&r), 0x01);
	ck_assert_uint_eq(mr_u16(&r), 0x0203);
	ck_assert_uint_eq(mr_u32(&r), 0x04050607);
	ck_assert_uint_eq(mr_u64(&r), 0x08090a0b0c0d0e0f);
	ck_assert_int_eq(mr_end(&r), -1); /* something is left over */
	ck_assert_int_eq(mr_i64(&r), -2);
	ck_assert_int_eq(mr_end(&r), 0);
	mw_fini(&w);
}
END_TEST

START_TEST(limits_go_through)
{
	struct mw w;
	struct mr r;

	mw_init(&w, NULL, 0);
	mw_u8(&w, UINT8_MAX);
	mw_u16(&w, UINT16_MAX);
	mw_u32(&w, UINT32_MAX);
	mw_u64(&w, UINT64_MAX);
	mw_i64(&w, INT64_MIN);
	mw_i64(&w, INT64_MAX);
	mr_init(&r, w.data, w.len);
	ck_assert_uint_eq(mr_u8(&r), UINT8_MAX);
	ck_assert_uint_eq(mr_u16(&r), UINT16_MAX);
	ck_assert_uint_eq(mr_u32(&r), UINT32_MAX);
	ck_assert_uint_eq(mr_u64(&r), UINT64_MAX);
	ck_assert_int_eq(mr_i64(&r), INT64_MIN);
	ck_assert_int_eq(mr_i64(&r), INT64_MAX);
	ck_assert_int_eq(mr_end(&r), 0);
	mw_fini(&w);
}
END_TEST

START_TEST(strings_are_read_in_place)
{
	size_t n;
	struct mw w;
	struct mr r;
	const char *s;

	mw_init(&w, NULL, 0);
	mw_str(&w, "web.0");
	mw_str(&w, NULL);
	mw_bytes(&w, "a\0b", 3);
	mw_bytes(&w, NULL, 0);
	ck_assert_uint_eq(w.len, 4 + 6 + 4 + 1 + 4 + 3 + 4);
	mr_init(&r, w.data, w.len);
	s = mr_str(&r);
	ck_assert_str_eq(s, "web.0");
	ck_assert_ptr_eq(s, (const char *)w.data + 4);
	ck_assert_str_eq(mr_str(&r), "");
	ck_assert_mem_eq(mr_bytes(&r, &n), "a\0b", 3);
	ck_assert_uint_eq(n, 3);
	mr_bytes(&r, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(mr_end(&r), 0);
	mw_fini(&w);
}
END_TEST

/* --- reading what is wrong ------------------------------------------------ */

static const struct {
	const char *bytes;
	size_t n;
	const char *text; /* NULL: refused */
} strings[] = {
	{ "\2\0\0\0ab\0", 7, "ab" },
	{ "\0\0\0\0\0", 5, "" },
	{ "\2\0\0\0a\0\0", 7, NULL }, /* a NUL within */
	{ "\2\0\0\0\0\0\0", 7, NULL },
	{ "\2\0\0\0abc", 7, NULL }, /* no NUL behind */
	{ "\2\0\0\0ab", 6, NULL },  /* short by the NUL */
	{ "\3\0\0\0ab", 6, NULL },
	{ "\0\0\0\0", 4, NULL },
	{ "\0\0\0", 3, NULL },
	{ "", 0, NULL },
	{ "\xff\xff\xff\xff"
	  "ab\0",
	    7, NULL },
	{ "\xff\xff\xff\x7f"
	  "ab\0",
	    7, NULL },
};

START_TEST(strings_that_are_refused)
{
	/* On the heap, so that a sanitizer sees what is read behind it. */
	size_t n = strings[_i].n;
	char *copy = malloc(n + 1);
	struct mr r;
	const char *s;

	memcpy(copy + 1, strings[_i].bytes, n);
	mr_init(&r, copy + 1, n);
	s = mr_str(&r);
	ck_assert_str_eq(s, strings[_i].text != NULL ? strings[_i].text : "");
	ck_assert_int_eq(mr_end(&r), strings[_i].text != NULL ? 0 : -1);
	free(copy);
}
END_TEST

START_TEST(a_read_error_sticks)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
	size_t n;
	struct mr r;

	mr_init(&r, bytes, sizeof bytes);
	ck_assert_uint_eq(mr_u8(&r), 1);
	ck_assert_uint_eq(mr_u64(&r), 0); /* short */
	ck_assert(r.failed);
	/* What would fit is not given any more. */
	ck_assert_uint_eq(mr_u8(&r), 0);
	ck_assert_uint_eq(mr_u16(&r), 0);
	ck_assert_uint_eq(mr_u32(&r), 0);
	ck_assert_int_eq(mr_i64(&r), 0);
	ck_assert_str_eq(mr_str(&r), "");
	ck_assert_ptr_null(mr_bytes(&r, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(mr_end(&r), -1);
	ck_assert_ptr_eq(r.p, bytes + 1);
}
END_TEST

START_TEST(an_error_is_an_error_also_at_the_end)
{
	static const uint8_t bytes[] = { 5, 0, 0, 0, 'a' };
	struct mr r;

	mr_init(&r, bytes, sizeof bytes);
	mr_str(&r);
	r.p = r.end;
	ck_assert_int_eq(mr_end(&r), -1);
	mr_init(&r, bytes, sizeof bytes);
	mr_u32(&r);
	ck_assert_int_eq(mr_end(&r), -1);
	mr_u8(&r);
	ck_assert_int_eq(mr_end(&r), 0);
}
END_TEST

/* --- writing -------------------------------------------------------------- */

START_TEST(a_fixed_writer_fills_its_memory_and_no_more)
{
	uint8_t mem[8];
	struct mw w;

	memset(mem, 0xee, sizeof mem);
	mw_init(&w, mem, 7);
	mw_u32(&w, 1);
	mw_u16(&w, 2);
	mw_u8(&w, 3);
	ck_assert(!w.failed);
	ck_assert_uint_eq(w.len, 7);
	mw_u8(&w, 4);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.len, 7);
	ck_assert_uint_eq(mem[6], 3);
	ck_assert_uint_eq(mem[7], 0xee);
	mw_fini(&w); /* the memory is ours: not freed */
}
END_TEST

START_TEST(a_write_error_sticks)
{
	uint8_t mem[8];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u32(&w, 1);
	mw_u64(&w, 2); /* does not fit */
	mw_u32(&w, 3); /* would */
	mw_u8(&w, 4);
	mw_str(&w, "");
	mw_bytes(&w, "x", 1);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.len, 4);
}
END_TEST

START_TEST(no_memory_at_all)
{
	uint8_t byte = 0xee;
	struct mw w;

	mw_init(&w, &byte, 0);
	mw_u8(&w, 1);
	ck_assert(w.failed);
	ck_assert_uint_eq(byte, 0xee);
}
END_TEST

START_TEST(a_growing_writer_keeps_what_it_has)
{
	static const size_t sizes[] = { 1, 255, 256, 257, 65536, 3000000 };
	size_t total = 0, n;
	char *big = malloc(sizes[5]);
	struct mw w;
	struct mr r;

	for (size_t i = 0; i < sizes[5]; i++)
		big[i] = (char)(i * 7 + i / 251);
	mw_init(&w, NULL, 0);
	for (int i = 0; i < 6; i++) {
		mw_bytes(&w, big, sizes[i]);
		total += 4 + sizes[i];
		ck_assert_uint_eq(w.len, total);
		ck_assert_uint_ge(w.cap, w.len);
	}
	for (uint32_t i = 0; i < 10000; i++)
		mw_u32(&w, i);
	ck_assert(!w.failed);
	mr_init(&r, w.data, w.len);
	for (int i = 0; i < 6; i++) {
		const void *p = mr_bytes(&r, &n);

		ck_assert_uint_eq(n, sizes[i]);
		ck_assert_mem_eq(p, big, n);
	}
	for (uint32_t i = 0; i < 10000; i++)
		ck_assert_uint_eq(mr_u32(&r), i);
	ck_assert_int_eq(mr_end(&r), 0);
	mw_fini(&w);
	ck_assert_ptr_null(w.data);
	ck_assert_uint_eq(w.len, 0);
	mw_u8(&w, 1); /* empty, and may be used again */
	ck_assert_uint_eq(w.len, 1);
	mw_fini(&w);
	free(big);
}
END_TEST

START_TEST(growth_is_given_back)
{
	size_t heap[24];
	struct mw w;

	/* The first rounds fill the allocator's own caches. */
	for (int round = 0; round < 24; round++) {
		mw_init(&w, NULL, 0);
		for (int i = 0; i < 10000; i++)
			mw_str(&w, "web.0");
		mw_fini(&w);
		heap[round] = fake_heap_bytes();
	}
	ck_assert_uint_eq(heap[23], heap[12]);
}
END_TEST

START_TEST(more_than_a_length_can_say)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_bytes(&w, "x", (size_t)UINT32_MAX + 1);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.len, 0);
	mw_fini(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("codec");
	TCase *tc = tcase_create("codec");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, numbers_are_little_endian_without_padding);
	tcase_add_test(tc, limits_go_through);
	tcase_add_test(tc, strings_are_read_in_place);
	tcase_add_loop_test(tc, strings_that_are_refused, 0,
	    (int)(sizeof strings / sizeof strings[0]));
	tcase_add_test(tc, a_read_error_sticks);
	tcase_add_test(tc, an_error_is_an_error_also_at_the_end);
	tcase_add_test(tc, a_fixed_writer_fills_its_memory_and_no_more);
	tcase_add_test(tc, a_write_error_sticks);
	tcase_add_test(tc, no_memory_at_all);
	tcase_add_test(tc, a_growing_writer_keeps_what_it_has);
	tcase_add_test(tc, growth_is_given_back);
	tcase_add_test(tc, more_than_a_length_can_say);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
