/*
 * spec_test - there and back, every truncation, every count out of range.
 */
#include "spawn/spec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/sys_fake.h"

#define NFDS_GIVEN 2 /* descriptors that come with the message */

static char word_a[] = "/bin/web", word_b[] = "--port=80", word_c[] = "";
static char env_a[] = "PATH=/bin", env_b[] = "A=b=c";
static char *argv[] = { word_a, word_b, word_c, NULL };
static char *envp[] = { env_a, env_b, NULL };
static gid_t groups[] = { 4, 27, 4000000000 };
static const uint8_t mask[] = { 5, 0, 0, 0, 0, 0, 0, 0x80 };
static struct spec_rlimit limits[] = {
	{ RLIMIT_NOFILE, { 64, 128 } },
	{ RLIMIT_CORE, { 0, RLIM_INFINITY } },
};
static char path_a[] = "/", path_b[] = "/srv/data";
static char *read_only[] = { path_a, path_b, NULL };
static struct spec_fd fds[] = {
	{ 0, SPEC_FD_NULL, 0 },
	{ 1, SPEC_FD_STORE, 17 },
	{ 2, SPEC_FD_INHERIT, 2 },
	{ SPEC_TARGET_MAX, SPEC_FD_MESSAGE, NFDS_GIVEN - 1 },
};

/* One with everything in it. */
static struct spec
test_full(void)
{
	struct spec sp;

	spec_init(&sp);
	sp.label = "web.0#3";
	sp.path = "/bin/web";
	sp.argv = argv;
	sp.envp = envp;
	sp.directory = "/srv";
	sp.set_ids = true;
	sp.uid = 1000;
	sp.gid = 4000000001;
	sp.groups = groups;
	sp.ngroups = 3;
	sp.umask = 022;
	sp.nice = -5;
	sp.oom_score_adj = -999;
	sp.ioprio = 3 << 13;
	sp.caps = UINT64_C(1) << 40 | 0x401;
	sp.root = "/jail";
	sp.read_only = read_only;
	sp.rlimits = limits;
	sp.nrlimits = 2;
	sp.affinity = mask;
	sp.affinity_len = sizeof mask;
	sp.fds = fds;
	sp.nfds = 4;
	sp.flags = SPEC_KILL_GROUP | SPEC_LISTEN_PID | SPEC_NO_NEW_PRIVS |
		   SPEC_PRIVATE_TMP | SPEC_CAPS;
	return sp;
}

/* The smallest that is good. */
static struct spec
test_small(void)
{
	struct spec sp;

	spec_init(&sp);
	sp.argv = argv;
	return sp;
}

/* Reads bytes that lie at the end of their allocation. */
static struct spec *
test_read(const void *p, size_t n, size_t nfds_given, struct err *err)
{
	char *copy = malloc(n + 1);
	struct spec *sp;
	struct mr r;

	memcpy(copy + 1, p, n);
	mr_init(&r, copy + 1, n);
	sp = spec_read(&r, nfds_given, err);
	if (sp != NULL)
		ck_assert_int_eq(mr_end(&r), 0); /* it reads to the end */
	free(copy);
	return sp;
}

static struct spec *
test_there_and_back(const struct spec *sp, size_t nfds_given)
{
	struct spec *back;
	struct mw w;

	mw_init(&w, NULL, 0);
	spec_write(&w, sp);
	ck_assert(!w.failed);
	back = test_read(w.data, w.len, nfds_given, NULL);
	mw_fini(&w);
	return back;
}

static bool
test_is_good(const struct spec *sp, size_t nfds_given)
{
	struct spec *back = test_there_and_back(sp, nfds_given);
	bool good = back != NULL;

	spec_free(back);
	return good;
}

START_TEST(everything_comes_back)
{
	struct spec sp = test_full();
	struct spec *back = test_there_and_back(&sp, NFDS_GIVEN);

	ck_assert_ptr_nonnull(back);
	ck_assert_str_eq(back->label, "web.0#3");
	ck_assert_str_eq(back->path, "/bin/web");
	ck_assert_str_eq(back->directory, "/srv");
	ck_assert(back->set_ids);
	ck_assert_uint_eq(back->uid, 1000);
	ck_assert_uint_eq(back->gid, 4000000001);
	ck_assert_uint_eq(back->ngroups, 3);
	ck_assert_mem_eq(back->groups, groups, sizeof groups);
	ck_assert_int_eq(back->umask, 022);
	ck_assert_int_eq(back->nice, -5);
	ck_assert_int_eq(back->oom_score_adj, -999);
	ck_assert_int_eq(back->ioprio, 3 << 13);
	ck_assert_uint_eq(back->caps, UINT64_C(1) << 40 | 0x401);
	ck_assert_str_eq(back->root, "/jail");
	ck_assert_str_eq(back->read_only[0], path_a);
	ck_assert_str_eq(back->read_only[1], path_b);
	ck_assert_ptr_null(back->read_only[2]);
	ck_assert_uint_eq(back->nrlimits, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(back->rlimits[i].resource, limits[i].resource);
		ck_assert_uint_eq(
		    back->rlimits[i].limit.rlim_cur, limits[i].limit.rlim_cur);
		ck_assert_uint_eq(
		    back->rlimits[i].limit.rlim_max, limits[i].limit.rlim_max);
	}
	ck_assert_uint_eq(back->affinity_len, sizeof mask);
	ck_assert_mem_eq(back->affinity, mask, sizeof mask);
	ck_assert_uint_eq(back->nfds, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(back->fds[i].target, fds[i].target);
		ck_assert_int_eq(back->fds[i].from, fds[i].from);
		ck_assert_int_eq(back->fds[i].value, fds[i].value);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(back->argv[i], argv[i]);
	ck_assert_ptr_null(back->argv[3]);
	ck_assert_str_eq(back->envp[0], env_a);
	ck_assert_str_eq(back->envp[1], env_b);
	ck_assert_ptr_null(back->envp[2]);
	ck_assert_uint_eq(back->flags, sp.flags);
	spec_free(back);
}
END_TEST

START_TEST(nothing_comes_back_as_nothing)
{
	struct spec sp = test_small();
	struct spec *back = test_there_and_back(&sp, 0);

	ck_assert_ptr_nonnull(back);
	ck_assert_str_eq(back->label, "");
	ck_assert_str_eq(back->directory, "");
	ck_assert(!back->set_ids);
	ck_assert_ptr_null(back->groups);
	ck_assert_int_eq(back->umask, SPEC_KEEP);
	ck_assert_int_eq(back->nice, SPEC_KEEP);
	ck_assert_int_eq(back->oom_score_adj, SPEC_KEEP);
	ck_assert_int_eq(back->ioprio, SPEC_KEEP);
	ck_assert_str_eq(back->root, "");
	ck_assert_ptr_null(back->read_only[0]);
	ck_assert_uint_eq(back->nrlimits, 0);
	ck_assert_ptr_null(back->affinity);
	ck_assert_uint_eq(back->nfds, 0);
	ck_assert_ptr_nonnull(back->envp);
	ck_assert_ptr_null(back->envp[0]);
	ck_assert_uint_eq(back->flags, 0);
	spec_free(back);
	spec_free(NULL);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct spec sp = _i == 0 ? test_full() : test_small();
	struct err err;
	struct mw w;

	mw_init(&w, NULL, 0);
	spec_write(&w, &sp);
	for (size_t n = 0; n < w.len; n++) {
		err.text[0] = '\0';
		ck_assert_ptr_null(test_read(w.data, n, NFDS_GIVEN, &err));
		ck_assert_str_eq(err.text, "read a spec: malformed");
	}
	mw_u8(&w, 0); /* and one byte too many */
	ck_assert_ptr_null(test_read(w.data, w.len, NFDS_GIVEN, &err));
	mw_fini(&w);
}
END_TEST

/* Refused or not, but neither read nor written where nothing is. */
START_TEST(every_byte_may_be_another)
{
	struct spec sp = test_full();
	struct mw w;

	mw_init(&w, NULL, 0);
	spec_write(&w, &sp);
	for (size_t i = 0; i < w.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			w.data[i] ^= (uint8_t)(1U << bit);
			spec_free(test_read(w.data, w.len, NFDS_GIVEN, NULL));
			w.data[i] ^= (uint8_t)(1U << bit);
		}
	mw_fini(&w);
}
END_TEST

/* --- counts and indexes -----------------------------------------------------
 */

START_TEST(counts_up_to_the_limit)
{
	static gid_t many_groups[SPEC_GROUPS_MAX + 1];
	static struct spec_rlimit many_limits[RLIM_NLIMITS + 1];
	static struct spec_fd many_fds[SPEC_FDS_MAX + 1];
	struct spec sp = test_small();

	sp.groups = many_groups;
	sp.ngroups = SPEC_GROUPS_MAX;
	sp.rlimits = many_limits;
	sp.nrlimits = RLIM_NLIMITS;
	sp.fds = many_fds;
	sp.nfds = SPEC_FDS_MAX;
	ck_assert(test_is_good(&sp, 0));
	sp.ngroups++;
	ck_assert(!test_is_good(&sp, 0));
	sp.ngroups--;
	sp.nrlimits++;
	ck_assert(!test_is_good(&sp, 0));
	sp.nrlimits--;
	sp.nfds++;
	ck_assert(!test_is_good(&sp, 0));
}
END_TEST

START_TEST(strings_up_to_the_limit)
{
	char **many = malloc((SPEC_STRINGS_MAX + 2) * sizeof *many);
	struct spec sp = test_small();

	for (size_t i = 0; i <= SPEC_STRINGS_MAX; i++)
		many[i] = word_c;
	many[SPEC_STRINGS_MAX] = NULL;
	sp.argv = many;
	ck_assert(test_is_good(&sp, 0));
	many[SPEC_STRINGS_MAX] = word_c;
	many[SPEC_STRINGS_MAX + 1] = NULL;
	ck_assert(!test_is_good(&sp, 0));
	sp.argv = argv;
	sp.envp = many;
	ck_assert(!test_is_good(&sp, 0));
	free(many);
}
END_TEST

static const struct {
	struct spec_fd fd;
	bool good;
} fd_rows[] = {
	{ { 0, SPEC_FD_NULL, 0 }, true },
	{ { SPEC_TARGET_MAX, SPEC_FD_NULL, 0 }, true },
	{ { SPEC_TARGET_MAX + 1, SPEC_FD_NULL, 0 }, false },
	{ { -1, SPEC_FD_NULL, 0 }, false },
	{ { 3, SPEC_FD_MESSAGE, 0 }, true },
	{ { 3, SPEC_FD_MESSAGE, NFDS_GIVEN - 1 }, true },
	{ { 3, SPEC_FD_MESSAGE, NFDS_GIVEN }, false },
	{ { 3, SPEC_FD_MESSAGE, -1 }, false },
	{ { 3, SPEC_FD_STORE, INT32_MAX }, true }, /* the store says no */
	{ { 3, SPEC_FD_STORE, -1 }, false },
	{ { 3, SPEC_FD_INHERIT, -1 }, false },
	{ { 3, (enum spec_fd_from)(SPEC_FD_INHERIT + 1), 0 }, false },
	{ { 3, (enum spec_fd_from)255, 0 }, false },
};

START_TEST(descriptors_in_range)
{
	struct spec_fd fd = fd_rows[_i].fd;
	struct spec sp = test_small();

	sp.fds = &fd;
	sp.nfds = 1;
	ck_assert_int_eq(test_is_good(&sp, NFDS_GIVEN), fd_rows[_i].good);
}
END_TEST

/* A relative one would start wherever the keeper is. */
START_TEST(paths_are_absolute)
{
	char relative[] = "srv", empty[] = "", good[] = "/srv";
	char *paths[SPEC_PATHS_MAX + 2] = { good, relative, NULL };
	struct spec sp = test_small();

	sp.root = "jail";
	ck_assert(!test_is_good(&sp, 0));
	sp.root = "/jail";
	ck_assert(test_is_good(&sp, 0));
	sp.read_only = paths;
	ck_assert(!test_is_good(&sp, 0));
	paths[1] = empty;
	ck_assert(!test_is_good(&sp, 0));
	for (int i = 0; i < SPEC_PATHS_MAX; i++)
		paths[i] = good;
	ck_assert(test_is_good(&sp, 0));
	paths[SPEC_PATHS_MAX] = good;
	ck_assert(!test_is_good(&sp, 0));
}
END_TEST

START_TEST(a_cgroup_needs_its_descriptor)
{
	struct spec sp = test_small();

	sp.flags = SPEC_CGROUP;
	ck_assert(test_is_good(&sp, 1));
	ck_assert(!test_is_good(&sp, 0));
}
END_TEST

START_TEST(a_program_has_a_name)
{
	static char *none[] = { NULL };
	struct spec sp = test_small();

	sp.argv = none;
	ck_assert(!test_is_good(&sp, 0));
	sp.argv = NULL;
	ck_assert(!test_is_good(&sp, 0));
}
END_TEST

START_TEST(a_label_fits_its_place)
{
	char label[SPEC_LABEL_MAX + 2];
	struct spec sp = test_small();

	memset(label, 'x', sizeof label);
	label[SPEC_LABEL_MAX] = '\0';
	sp.label = label;
	ck_assert(test_is_good(&sp, 0));
	label[SPEC_LABEL_MAX] = 'x';
	label[SPEC_LABEL_MAX + 1] = '\0';
	ck_assert(!test_is_good(&sp, 0));
}
END_TEST

/* A count that promises more than there is must not cost as much memory. */
START_TEST(a_count_is_no_promise)
{
	static const uint32_t counts[] = { 1, SPEC_STRINGS_MAX,
		SPEC_STRINGS_MAX + 1, INT32_MAX, UINT32_MAX };
	struct spec sp = test_small();
	struct mw w;

	mw_init(&w, NULL, 0);
	spec_write(&w, &sp);
	for (int i = 0; i < 5; i++) {
		w.len -= 4; /* of envp, the last number */
		mw_u32(&w, counts[i]);
		ck_assert_ptr_null(test_read(w.data, w.len, 0, NULL));
	}
	mw_fini(&w);
}
END_TEST

START_TEST(nothing_is_left_on_the_heap)
{
	struct spec sp = test_full();
	size_t heap[24];
	struct mw w;
	struct mr r;

	/* The first rounds fill the allocator's own caches. */
	for (int round = 0; round < 24; round++) {
		mw_init(&w, NULL, 0);
		spec_write(&w, &sp);
		for (size_t n = 0; n <= w.len; n++) {
			mr_init(&r, w.data, n);
			spec_free(spec_read(&r, NFDS_GIVEN, NULL));
		}
		mw_fini(&w);
		heap[round] = fake_heap_bytes();
	}
	ck_assert_uint_eq(heap[23], heap[12]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spec");
	TCase *tc = tcase_create("spec");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, everything_comes_back);
	tcase_add_test(tc, nothing_comes_back_as_nothing);
	tcase_add_loop_test(tc, every_truncation_is_refused, 0, 2);
	tcase_add_test(tc, every_byte_may_be_another);
	tcase_add_test(tc, counts_up_to_the_limit);
	tcase_add_test(tc, strings_up_to_the_limit);
	tcase_add_loop_test(tc, descriptors_in_range, 0,
	    (int)(sizeof fd_rows / sizeof fd_rows[0]));
	tcase_add_test(tc, paths_are_absolute);
	tcase_add_test(tc, a_cgroup_needs_its_descriptor);
	tcase_add_test(tc, a_program_has_a_name);
	tcase_add_test(tc, a_label_fits_its_place);
	tcase_add_test(tc, a_count_is_no_promise);
	tcase_add_test(tc, nothing_is_left_on_the_heap);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
