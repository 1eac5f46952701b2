/*
 * fdstore_test - descriptors by number: taken, replaced, dropped, none left.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/sys_fake.h"
#include "keeper/keeper_priv.h"

static int
test_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ne(fd, -1);
	return fd;
}

static bool
test_is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

START_TEST(an_empty_store_has_nothing)
{
	struct fdstore st = { 0 };

	ck_assert_int_eq(fdstore_get(&st, 0), -1);
	ck_assert_int_eq(fdstore_get(&st, UINT32_MAX), -1);
	fdstore_drop(&st, 0);
	fdstore_drop(&st, UINT32_MAX);
	fdstore_fini(&st);
}
END_TEST

START_TEST(what_is_put_is_taken)
{
	struct fdstore st = { 0 };
	int fd = test_fd(), was = fd;

	ck_assert_int_eq(fdstore_put(&st, 7, "log:web.0:out", &fd), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(fdstore_get(&st, 7), was);
	ck_assert_str_eq(st.slots[7].name, "log:web.0:out");
	ck_assert_int_eq(fdstore_get(&st, 6), -1);
	ck_assert_int_eq(fdstore_get(&st, 8), -1);
	ck_assert_ptr_null(st.slots[8].name);
	fdstore_drop(&st, 6); /* nothing there */
	fdstore_drop(&st, 7);
	ck_assert_int_eq(fdstore_get(&st, 7), -1);
	ck_assert_ptr_null(st.slots[7].name);
	ck_assert(!test_is_open(was));
	fdstore_drop(&st, 7);
	fdstore_fini(&st);
}
END_TEST

START_TEST(a_second_one_closes_the_first)
{
	struct fdstore st = { 0 };
	int a = test_fd(), b = test_fd(), was_a = a, was_b = b;

	fdstore_put(&st, 3, "a", &a);
	fdstore_put(&st, 3, "b", &b);
	ck_assert(!test_is_open(was_a));
	ck_assert_int_eq(fdstore_get(&st, 3), was_b);
	ck_assert_str_eq(st.slots[3].name, "b");
	fdstore_fini(&st);
	ck_assert(!test_is_open(was_b));
}
END_TEST

START_TEST(growing_keeps_what_is_there)
{
	static const uint32_t slots[] = { 0, 63, 64, 65, 1000, 127, 20000,
		FDSTORE_MAX - 1 };
	struct fdstore st = { 0 };
	int fds[8], fd;

	for (int i = 0; i < 8; i++) {
		fd = fds[i] = test_fd();
		ck_assert_int_eq(fdstore_put(&st, slots[i], "x", &fd), 0);
		for (int k = 0; k <= i; k++)
			ck_assert_int_eq(fdstore_get(&st, slots[k]), fds[k]);
	}
	ck_assert_uint_le(st.n, FDSTORE_MAX);
	for (uint32_t i = 0, k = 0; i < st.n; i++)
		if (st.slots[i].fd != -1)
			k++;
		else
			ck_assert_ptr_null(st.slots[i].name);
	fdstore_fini(&st);
}
END_TEST

static const uint32_t too_high[] = { FDSTORE_MAX, FDSTORE_MAX + 1, INT32_MAX,
	UINT32_MAX };

START_TEST(out_of_range_is_refused_and_closed)
{
	struct fdstore st = { 0 };
	int fd = test_fd(), was = fd, other = test_fd();
	size_t n;

	fdstore_put(&st, 1, "kept", &other);
	n = st.n;
	ck_assert_int_eq(fdstore_put(&st, too_high[_i], "x", &fd), -1);
	ck_assert_int_eq(fd, -1);
	ck_assert(!test_is_open(was));
	ck_assert_uint_eq(st.n, n);
	ck_assert_int_ne(fdstore_get(&st, 1), -1);
	ck_assert_int_eq(fdstore_get(&st, too_high[_i]), -1);
	fdstore_fini(&st);
}
END_TEST

START_TEST(a_long_name_is_cut)
{
	struct fdstore st = { 0 };
	char name[FDSTORE_NAME_MAX + 50];
	int fd = test_fd();

	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	ck_assert_int_eq(fdstore_put(&st, 0, name, &fd), 0);
	ck_assert_uint_eq(strlen(st.slots[0].name), FDSTORE_NAME_MAX);
	fdstore_fini(&st);
}
END_TEST

/* Returns 0; no assertion on the way, for those allocate. */
static int
test_round(void)
{
	struct fdstore st = { 0 };
	int rc = 0, fd;

	for (uint32_t i = 0; i < 300; i++) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		rc |= fdstore_put(&st, i * 7 % 200, "log:web.0:out", &fd);
		if (i % 3 == 0)
			fdstore_drop(&st, i);
	}
	fdstore_fini(&st);
	fdstore_fini(&st); /* twice is fine */
	return rc;
}

START_TEST(nothing_is_left)
{
	int fds = fake_fd_count(), rc = 0;
	size_t heap[24];

	/* The first rounds fill the allocator's own caches. */
	for (int round = 0; round < 24; round++) {
		rc |= test_round();
		heap[round] = fake_heap_bytes();
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(fake_fd_count(), fds);
	ck_assert_uint_eq(heap[23], heap[12]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fdstore");
	TCase *tc = tcase_create("fdstore");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, an_empty_store_has_nothing);
	tcase_add_test(tc, what_is_put_is_taken);
	tcase_add_test(tc, a_second_one_closes_the_first);
	tcase_add_test(tc, growing_keeps_what_is_there);
	tcase_add_loop_test(tc, out_of_range_is_refused_and_closed, 0, 4);
	tcase_add_test(tc, a_long_name_is_cut);
	tcase_add_test(tc, nothing_is_left);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
