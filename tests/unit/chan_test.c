/*
 * chan_test - messages, descriptors, large payloads, a full socket, junk.
 *
 * Both ends in one loop; where the other end misbehaves it is a bare socket.
 */
#include "ipc/chan.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "../fake/sys_fake.h"
#include "base/fd.h"

/* One end, and what it was told. */
struct end {
	struct chan *ch;
	int got;
	enum msg_type type; /* of the last one */
	size_t len;
	size_t nfds;
	int fds[CHAN_FDS_MAX]; /* their numbers; closed by the channel */
	bool cloexec;          /* all of them */
	bool take;             /* the first is ours */
	int taken;
	bool refuse; /* answers -1 */
	bool free_in_msg, free_in_room, free_in_closed;
	int rooms;
	int closed;
	char why[128];
	uint8_t *copy; /* of the payload; large enough, or NULL */
};

static struct loop *lp;
static struct end a, b;
static int raw; /* the other end of b, where it is no channel */

static int
end_msg(void *arg, enum msg_type type, struct mr *r, int *fds, size_t nfds)
{
	struct end *e = arg;

	e->got++;
	e->type = type;
	e->len = (size_t)(r->end - r->p);
	if (e->copy != NULL && e->len != 0)
		memcpy(e->copy, r->p, e->len);
	e->nfds = nfds;
	e->cloexec = true;
	for (size_t i = 0; i < nfds; i++) {
		e->fds[i] = fds[i];
		if (fcntl(fds[i], F_GETFD) != FD_CLOEXEC)
			e->cloexec = false;
	}
	if (e->take && nfds != 0) {
		e->taken = fds[0];
		fds[0] = -1;
	}
	if (e->free_in_msg) {
		chan_free(e->ch);
		e->ch = NULL;
	}
	return e->refuse ? -1 : 0;
}

static void
end_closed(void *arg, const char *why)
{
	struct end *e = arg;

	e->closed++;
	strncpy(e->why, why, sizeof e->why - 1);
	if (e->free_in_closed) {
		chan_free(e->ch);
		e->ch = NULL;
	}
}

static void
end_room(void *arg)
{
	struct end *e = arg;

	e->rooms++;
	if (e->free_in_room) {
		chan_free(e->ch);
		e->ch = NULL;
	}
}

static const struct chan_ops ops = { end_msg, end_closed, end_room };

static void
test_pair(int sv[2])
{
	ck_assert_int_eq(
	    socketpair(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
	    0);
}

static void
setup(void)
{
	fake_reset();
	lp = loop_new();
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	a.taken = b.taken = raw = -1;
}

static void
setup_two(void)
{
	int sv[2];

	setup();
	test_pair(sv);
	a.ch = chan_new(lp, sv[0], &ops, &a);
	b.ch = chan_new(lp, sv[1], &ops, &b);
}

static void
setup_raw(void)
{
	int sv[2];

	setup();
	test_pair(sv);
	raw = sv[0];
	b.ch = chan_new(lp, sv[1], &ops, &b);
}

static void
teardown(void)
{
	chan_free(a.ch);
	chan_free(b.ch);
	fd_closep(&raw);
	fd_closep(&a.taken);
	fd_closep(&b.taken);
	free(a.copy);
	free(b.copy);
	ck_assert_uint_eq(fake_loop_active(lp), 0);
	loop_free(lp);
}

/* Turns until nothing happens. */
static void
test_turns(void)
{
	while (fake_loop_poll(lp, 0) > 0)
		;
}

static bool
test_is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* A payload of n bytes that tells where it was cut or mixed up. */
static void
test_fill(struct mw *w, size_t n)
{
	mw_init(w, NULL, 0);
	while (w->len + 8 <= n)
		mw_u64(w, w->len * 0x9e3779b97f4a7c15U);
	while (w->len < n)
		mw_u8(w, (uint8_t)w->len);
}

/* --- what is meant to happen ---------------------------------------------- */

START_TEST(a_message_arrives)
{
	struct mw w;

	b.copy = malloc(64);
	mw_init(&w, NULL, 0);
	mw_str(&w, "web.0");
	ck_assert_int_eq(chan_send(a.ch, MSG_K_CHILD, &w, NULL, 0), CHAN_SENT);
	ck_assert_int_eq(b.got, 0); /* from the loop, not from inside */
	ck_assert_int_eq(fake_loop_poll(lp, 1000), 1);
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(b.type, MSG_K_CHILD);
	ck_assert_uint_eq(b.len, w.len);
	ck_assert_mem_eq(b.copy, w.data, w.len);
	ck_assert_uint_eq(b.nfds, 0);
	mw_fini(&w);
	/* Without a payload, and the other way. */
	ck_assert_int_eq(chan_send(b.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_SENT);
	test_turns();
	ck_assert_int_eq(a.type, MSG_E_PONG);
	ck_assert_uint_eq(a.len, 0);
	ck_assert_int_eq(a.closed + b.closed + a.rooms + b.rooms, 0);
}
END_TEST

START_TEST(messages_are_not_joined)
{
	uint8_t mem[8];
	struct mw w;

	for (uint32_t i = 0; i < 10; i++) {
		mw_init(&w, mem, sizeof mem);
		mw_u32(&w, i);
		chan_send(a.ch, MSG_E_HELLO, &w, NULL, 0);
	}
	b.copy = malloc(64);
	test_turns();
	ck_assert_int_eq(b.got, 10);
	ck_assert_uint_eq(b.len, 4);
	ck_assert_uint_eq(b.copy[0], 9);
}
END_TEST

START_TEST(descriptors_come_along)
{
	int p[2], before = fake_fd_count();
	char byte = 'x';

	b.take = true;
	ck_assert_int_eq(pipe(p), 0); /* without close-on-exec */
	ck_assert_int_eq(chan_send(a.ch, MSG_E_FD_PUT, NULL, p, 2), CHAN_SENT);
	ck_assert(test_is_open(p[0]) && test_is_open(p[1])); /* borrowed */
	close(p[1]);
	test_turns();
	ck_assert_uint_eq(b.nfds, 2);
	ck_assert(b.cloexec);
	/* The first was taken; the second, a write end, was closed. */
	ck_assert(test_is_open(b.taken));
	ck_assert(!test_is_open(b.fds[1]));
	ck_assert_int_eq(read(b.taken, &byte, 1), 0);
	close(p[0]);
	fd_closep(&b.taken);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

/* The last one's place is kept for a memfd. */
START_TEST(as_many_descriptors_as_fit)
{
	int fds[CHAN_FDS_MAX], before = fake_fd_count();
	struct mw w;

	for (int i = 0; i < CHAN_FDS_MAX; i++)
		fds[i] = 0;
	test_fill(&w, CHAN_INLINE_MAX + 1);
	ck_assert_int_eq(
	    chan_send(a.ch, MSG_E_SPAWN, &w, fds, CHAN_FDS_MAX - 1), CHAN_SENT);
	test_turns();
	ck_assert_uint_eq(b.nfds, CHAN_FDS_MAX - 1);
	ck_assert_uint_eq(b.len, CHAN_INLINE_MAX + 1);
	ck_assert_int_eq(
	    chan_send(a.ch, MSG_E_SPAWN, &w, fds, CHAN_FDS_MAX), CHAN_BROKEN);
	ck_assert_int_eq(a.closed + b.closed, 0);
	mw_fini(&w);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

static const size_t sizes[] = { CHAN_INLINE_MAX - 1, CHAN_INLINE_MAX,
	CHAN_INLINE_MAX + 1, 1000003, CHAN_MAX };

START_TEST(large_payloads_travel_in_a_memfd)
{
	int before = fake_fd_count(), fd = 0;
	struct mw w;

	b.copy = malloc(CHAN_MAX);
	test_fill(&w, sizes[_i]);
	for (size_t nfds = 0; nfds < 2; nfds++) {
		ck_assert_int_eq(
		    chan_send(a.ch, MSG_E_SPAWN, &w, &fd, nfds), CHAN_SENT);
		test_turns();
		ck_assert_int_eq(b.closed, 0);
		ck_assert_uint_eq(b.len, sizes[_i]);
		ck_assert(memcmp(b.copy, w.data, w.len) == 0);
		ck_assert_uint_eq(b.nfds, nfds); /* unseen */
	}
	ck_assert_uint_eq(
	    fake_calls(FAKE_MEMFD_CREATE), sizes[_i] > CHAN_INLINE_MAX ? 2 : 0);
	mw_fini(&w);
	ck_assert_int_eq(fake_fd_count(), before);
}
END_TEST

START_TEST(a_message_that_failed_is_not_sent)
{
	uint8_t mem[2];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u32(&w, 1);
	ck_assert_int_eq(
	    chan_send(a.ch, MSG_E_HELLO, &w, NULL, 0), CHAN_BROKEN);
	test_turns();
	ck_assert_int_eq(b.got, 0);
}
END_TEST

/* --- no room -------------------------------------------------------------- */

static int
test_send_until_full(struct mw *w)
{
	int n = 0;

	while (chan_send(a.ch, MSG_E_NOTIFY, w, NULL, 0) == CHAN_SENT)
		n++;
	return n;
}

START_TEST(full_and_then_room)
{
	struct mw w;
	int n;

	test_fill(&w, 2000);
	n = test_send_until_full(&w);
	ck_assert_int_gt(n, 1);
	ck_assert_int_eq(a.rooms, 0);
	test_turns();
	ck_assert_int_eq(b.got, n); /* not the one that was refused */
	ck_assert_int_eq(a.rooms, 1);
	ck_assert_int_eq(chan_send(a.ch, MSG_E_NOTIFY, &w, NULL, 0), CHAN_SENT);
	test_turns();
	ck_assert_int_eq(b.got, n + 1);
	ck_assert_int_eq(a.rooms, 1); /* told once a CHAN_FULL */
	/* And again. */
	test_send_until_full(&w);
	test_turns();
	ck_assert_int_eq(a.rooms, 2);
	ck_assert_int_eq(a.closed + b.closed, 0);
	mw_fini(&w);
}
END_TEST

/* These are the kernel's or our own want of something, not the peer's end. */
static const struct {
	enum fake_call call;
	int errnum;
} wants[] = {
	{ FAKE_SENDMSG, EAGAIN },
	{ FAKE_SENDMSG, ENOBUFS },
	{ FAKE_SENDMSG, ENOMEM },
	{ FAKE_SENDMSG, ETOOMANYREFS },
	{ FAKE_MEMFD_CREATE, EMFILE },
	{ FAKE_MEMFD_CREATE, ENFILE },
	{ FAKE_MEMFD_CREATE, ENOMEM },
};

START_TEST(what_passes_is_full_and_tried_again)
{
	int before = fake_fd_count();
	struct mw w;

	test_fill(&w, CHAN_INLINE_MAX + 1);
	fake_fail(wants[_i].call, 1, wants[_i].errnum);
	ck_assert_int_eq(chan_send(a.ch, MSG_E_NOTIFY, &w, NULL, 0), CHAN_FULL);
	ck_assert_int_eq(fake_fd_count(), before); /* no memfd is left */
	fake_loop_poll(lp, 1000);
	ck_assert_int_eq(a.rooms, 1);
	ck_assert_int_eq(chan_send(a.ch, MSG_E_NOTIFY, &w, NULL, 0), CHAN_SENT);
	test_turns();
	ck_assert_int_eq(a.rooms, 1);
	ck_assert_uint_eq(b.len, CHAN_INLINE_MAX + 1);
	mw_fini(&w);
}
END_TEST

START_TEST(interrupted_calls_are_repeated)
{
	fake_fail(FAKE_SENDMSG, 1, EINTR);
	ck_assert_int_eq(chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_SENT);
	fake_fail(FAKE_RECVMSG, 1, EINTR);
	test_turns();
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(b.closed, 0);
}
END_TEST

START_TEST(room_may_free_the_channel)
{
	struct mw w;

	test_fill(&w, 2000);
	test_send_until_full(&w);
	chan_send(b.ch, MSG_E_PONG, NULL, NULL, 0); /* to be read, too */
	a.free_in_room = true;
	test_turns();
	ck_assert_int_eq(a.rooms, 1);
	ck_assert_int_eq(a.closed, 0);
	ck_assert_ptr_null(a.ch);
	ck_assert_str_eq(b.why, "closed");
	mw_fini(&w);
}
END_TEST

/* --- the other end is gone ------------------------------------------------ */

START_TEST(the_end_is_told_once)
{
	int before = fake_fd_count();

	chan_free(a.ch);
	a.ch = NULL;
	test_turns();
	ck_assert_int_eq(b.closed, 1);
	ck_assert_str_eq(b.why, "closed");
	ck_assert_int_eq(a.closed, 0); /* it knows */
	ck_assert_int_eq(
	    chan_send(b.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_BROKEN);
	chan_drain(b.ch);
	test_turns();
	ck_assert_int_eq(b.closed, 1);
	ck_assert_int_eq(fake_fd_count(), before - 2);
}
END_TEST

START_TEST(sending_to_nobody_is_broken)
{
	struct mw w;

	chan_free(a.ch);
	a.ch = NULL;
	ck_assert_int_eq(
	    chan_send(b.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_BROKEN);
	test_fill(&w, CHAN_INLINE_MAX + 1);
	ck_assert_int_eq(chan_send(b.ch, MSG_E_PONG, &w, NULL, 0), CHAN_BROKEN);
	mw_fini(&w);
	ck_assert_int_eq(b.closed, 0); /* the loop tells, not this */
	test_turns();
	ck_assert_int_eq(b.closed, 1);
}
END_TEST

START_TEST(drain_reads_all_that_was_sent_before_death)
{
	int n = 0;

	while (chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0) == CHAN_SENT)
		n++;
	chan_free(a.ch);
	a.ch = NULL;
	ck_assert_int_gt(n, 64); /* more than one turn's */
	chan_drain(b.ch);
	ck_assert_int_eq(b.got, n);
	ck_assert_int_eq(b.closed, 1);
	ck_assert_str_eq(b.why, "closed");
}
END_TEST

/* The kernel says ECONNRESET first, and only then what was sent. */
START_TEST(what_a_peer_left_unread_loses_nothing)
{
	for (int i = 0; i < 3; i++)
		chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0);
	chan_send(b.ch, MSG_K_PING, NULL, NULL, 0);
	chan_free(a.ch);
	a.ch = NULL;
	if (_i == 0)
		chan_drain(b.ch);
	else
		test_turns();
	ck_assert_int_eq(b.got, 3);
	ck_assert_int_eq(b.closed, 1);
	ck_assert_str_eq(b.why, "closed");
}
END_TEST

START_TEST(drain_of_a_living_peer_does_not_wait)
{
	chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0);
	chan_drain(b.ch);
	chan_drain(b.ch);
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(b.closed, 0);
}
END_TEST

START_TEST(a_turn_does_not_read_for_ever)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(
		    chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_SENT);
	fake_loop_poll(lp, 1000);
	ck_assert_int_eq(b.got, 64);
	fake_loop_poll(lp, 1000);
	ck_assert_int_eq(b.got, 100);
}
END_TEST

START_TEST(a_message_may_free_the_channel)
{
	int before = fake_fd_count(), fd = 0;

	b.free_in_msg = true;
	b.refuse = _i == 1;
	chan_send(a.ch, MSG_E_FD_PUT, NULL, &fd, 1);
	chan_send(a.ch, MSG_E_PONG, NULL, NULL, 0);
	test_turns();
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(b.closed, 0);
	ck_assert_str_eq(a.why, "closed");
	ck_assert_int_eq(fake_fd_count(), before - 2);
}
END_TEST

START_TEST(closed_may_free_the_channel)
{
	b.free_in_closed = true;
	chan_free(a.ch);
	a.ch = NULL;
	test_turns();
	ck_assert_int_eq(b.closed, 1);
	ck_assert_ptr_null(b.ch);
}
END_TEST

/* --- junk ------------------------------------------------------------------
 */

static void
test_raw_send(const void *p, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} ctl;
	char copy[64];
	struct iovec iov = { copy, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(copy, p, n);
	if (nfds != 0) {
		mh.msg_control = ctl.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&ctl.align), fds, sizeof(int) * nfds);
	}
	ck_assert_int_eq(sendmsg(raw, &mh, 0), (ssize_t)n);
}

static void
test_refused(const char *why)
{
	test_turns();
	ck_assert_int_eq(b.closed, 1);
	ck_assert_str_eq(b.why, why);
	ck_assert_int_eq(
	    chan_send(b.ch, MSG_E_PONG, NULL, NULL, 0), CHAN_BROKEN);
}

static const struct {
	const char *bytes;
	size_t n;
} junk[] = {
	{ "\1", 1 },                            /* no head */
	{ "\1\0\0", 3 }, { "\0\0\0\0", 4 },     /* no such type */
	{ "\xff\0\0\0", 4 }, { "\1\1\0\0", 4 }, /* 257 */
	{ "\1\0\1\0", 4 }, /* a payload in a memfd that is not there */
};

START_TEST(junk_closes)
{
	int before = fake_fd_count();

	test_raw_send(junk[_i].bytes, junk[_i].n, NULL, 0);
	test_raw_send("\1\0\0\0", 4, NULL, 0); /* good, but too late */
	test_refused("malformed message");
	ck_assert_int_eq(b.got, 0);
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

START_TEST(junk_with_descriptors_closes_them)
{
	int fds[] = { 0, 0, 0 }, before = fake_fd_count();

	test_raw_send("\0\0\0\0", 4, fds, 3);
	test_refused("malformed message");
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

START_TEST(what_the_owner_refuses_is_junk)
{
	int fd = 0, before = fake_fd_count();

	b.refuse = true;
	test_raw_send("\1\0\0\0", 4, &fd, 1);
	test_raw_send("\1\0\0\0", 4, NULL, 0);
	test_refused("malformed message");
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

START_TEST(a_packet_that_is_too_long_is_junk)
{
	char *big = calloc(1, CHAN_INLINE_MAX + 5);

	big[0] = MSG_E_NOTIFY;
	ck_assert_int_eq(
	    send(raw, big, CHAN_INLINE_MAX + 4, 0), CHAN_INLINE_MAX + 4);
	test_turns();
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(
	    send(raw, big, CHAN_INLINE_MAX + 5, 0), CHAN_INLINE_MAX + 5);
	test_refused("malformed message");
	ck_assert_int_eq(b.got, 1);
	free(big);
}
END_TEST

/* A "memfd" of that size, or a pipe. */
static const int64_t payloads[] = { 0, CHAN_MAX + 1LL, 1LL << 40, -1 };

START_TEST(a_payload_that_is_none_is_junk)
{
	int before = fake_fd_count(), fd, p[2];

	if (payloads[_i] == -1) {
		ck_assert_int_eq(pipe(p), 0);
		fd = p[0];
		close(p[1]);
	} else {
		fd = memfd_create("x", MFD_CLOEXEC);
		ck_assert_int_eq(ftruncate(fd, payloads[_i]), 0);
	}
	test_raw_send("\1\0\1\0", 4, &fd, 1);
	close(fd);
	test_refused("malformed message");
	ck_assert_int_eq(b.got, 0);
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

/* Whether all are lost or the last few: the message is not what it says. */
START_TEST(lost_descriptors_close)
{
	int fds[] = { 0, 0, 0 }, before = fake_fd_count(), top;
	struct rlimit rl, low;

	top = dup(0);
	close(top);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	low = rl;
	low.rlim_cur = (rlim_t)(top + _i);
	test_raw_send("\5\0\0\0", 4, fds, 3);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	fake_loop_poll(lp, 1000);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	ck_assert_int_eq(b.got, 0);
	test_refused("descriptors were lost: too many open files");
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

START_TEST(more_descriptors_than_are_allowed_close)
{
	int fds[CHAN_FDS_MAX + 1], before = fake_fd_count();

	memset(fds, 0, sizeof fds);
	test_raw_send("\5\0\0\0", 4, fds, CHAN_FDS_MAX);
	test_turns();
	ck_assert_int_eq(b.got, 1);
	ck_assert_uint_eq(b.nfds, CHAN_FDS_MAX);
	test_raw_send("\5\0\0\0", 4, fds, CHAN_FDS_MAX + 1);
	test_turns();
	ck_assert_int_eq(b.got, 1);
	ck_assert_int_eq(b.closed, 1);
	ck_assert_int_eq(fake_fd_count(), before - 1);
}
END_TEST

START_TEST(a_socket_that_fails_closes)
{
	fake_fail(FAKE_RECVMSG, 1, EIO);
	test_raw_send("\1\0\0\0", 4, NULL, 0);
	test_refused("Input/output error");
}
END_TEST

START_TEST(names_of_messages)
{
	ck_assert_str_eq(msg_name(MSG_E_HELLO), "E_HELLO");
	ck_assert_str_eq(msg_name(MSG_K_PING), "K_PING");
	ck_assert_str_eq(msg_name((enum msg_type)99), "unknown");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chan");
	TCase *two = tcase_create("two");
	TCase *one = tcase_create("junk");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(two, setup_two, teardown);
	tcase_add_test(two, a_message_arrives);
	tcase_add_test(two, messages_are_not_joined);
	tcase_add_test(two, descriptors_come_along);
	tcase_add_test(two, as_many_descriptors_as_fit);
	tcase_add_loop_test(two, large_payloads_travel_in_a_memfd, 0, 5);
	tcase_add_test(two, a_message_that_failed_is_not_sent);
	tcase_add_test(two, full_and_then_room);
	tcase_add_loop_test(two, what_passes_is_full_and_tried_again, 0,
	    (int)(sizeof wants / sizeof wants[0]));
	tcase_add_test(two, interrupted_calls_are_repeated);
	tcase_add_test(two, room_may_free_the_channel);
	tcase_add_test(two, the_end_is_told_once);
	tcase_add_test(two, sending_to_nobody_is_broken);
	tcase_add_test(two, drain_reads_all_that_was_sent_before_death);
	tcase_add_loop_test(two, what_a_peer_left_unread_loses_nothing, 0, 2);
	tcase_add_test(two, drain_of_a_living_peer_does_not_wait);
	tcase_add_test(two, a_turn_does_not_read_for_ever);
	tcase_add_loop_test(two, a_message_may_free_the_channel, 0, 2);
	tcase_add_test(two, closed_may_free_the_channel);
	tcase_add_test(two, names_of_messages);
	suite_add_tcase(s, two);
	tcase_add_checked_fixture(one, setup_raw, teardown);
	tcase_add_loop_test(
	    one, junk_closes, 0, (int)(sizeof junk / sizeof junk[0]));
	tcase_add_test(one, junk_with_descriptors_closes_them);
	tcase_add_test(one, what_the_owner_refuses_is_junk);
	tcase_add_test(one, a_packet_that_is_too_long_is_junk);
	tcase_add_loop_test(one, a_payload_that_is_none_is_junk, 0, 4);
	tcase_add_loop_test(one, lost_descriptors_close, 0, 3);
	tcase_add_test(one, more_descriptors_than_are_allowed_close);
	tcase_add_test(one, a_socket_that_fails_closes);
	suite_add_tcase(s, one);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
