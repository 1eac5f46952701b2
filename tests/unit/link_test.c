/*
 * link_test - the engine's end of the channel to the keeper, with somebody who
 * reads slowly at the other one; and the table that its descriptors are in.
 */
#include <sys/socket.h>

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/keeperlink.h"
#include "ipc/chan.h"
#include "try_main.h"

static struct loop *lp;
static struct keeperlink *kl;
static int peer;

static const struct keeperlink_ops no_ops;

static void
set_up(void)
{
	int sv[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	lp = loop_new();
	kl = keeperlink_new(lp, sv[0], &no_ops, NULL);
	peer = sv[1];
}

static void
tear_down(void)
{
	keeperlink_free(kl);
	fd_closep(&peer);
	loop_free(lp);
}

/* The id of the next order to signal; 0: nothing has come. */
static uint64_t
peer_reads(void)
{
	uint8_t m[64];
	ssize_t n = recv(peer, m, sizeof m, MSG_DONTWAIT);
	struct mr r;

	if (n < 4 || m[0] != MSG_E_SIGNAL)
		return 0;
	mr_init(&r, m + 4, (size_t)n - 4);
	return mr_u64(&r);
}

START_TEST(link_sends_what_waits_as_soon_as_it_can)
{
	uint64_t id = 0, got = 0, next;

	ck_assert_int_gt(recv(peer, &next, sizeof next, 0), 0); /* hello */
	while (keeperlink_idle(kl))
		keeperlink_signal(kl, ++id, 1, false);
	for (int i = 0; i < 100; i++)
		keeperlink_signal(kl, ++id, 1, false);
	while ((next = peer_reads()) != 0)
		ck_assert_uint_eq(next, ++got);
	ck_assert_uint_lt(got, id);
	/* Within the same turn: no loop has run, and the order is kept. */
	keeperlink_signal(kl, ++id, 1, false);
	while ((next = peer_reads()) != 0)
		ck_assert_uint_eq(next, ++got);
	ck_assert_uint_eq(got, id);
	ck_assert(keeperlink_idle(kl));
}
END_TEST

static long
table_size(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long n = -1;

	while (f != NULL && n == -1 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "FDSize: %ld", &n) != 1)
			n = -1;
	if (f != NULL)
		fclose(f);
	return n;
}

START_TEST(room_for_descriptors)
{
	int before = dup(0), after;

	fd_closep(&before);
	before = dup(0);
	ck_assert_int_lt(table_size(), 900);
	fd_make_room(900);
	ck_assert_int_ge(table_size(), 900);
	/* None is taken, and nobody is told of what can't be had. */
	fd_make_room(0);
	fd_make_room((size_t)-1);
	after = dup(0);
	ck_assert_int_eq(after, before + 1);
	fd_closep(&after);
	fd_closep(&before);
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_test(tc, link_sends_what_waits_as_soon_as_it_can);
	tcase_add_test(tc, room_for_descriptors);
}

int
main(void)
{
	return try_main("link", add_all, set_up, tear_down);
}
