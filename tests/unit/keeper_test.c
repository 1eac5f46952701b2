/*
 * keeper_test - what an engine is told of a child, and in how many messages:
 * each is a wake-up of the engine, and of who waits for the command.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/loop_fake.h"
#include "base/fd.h"
#include "keeper/keeper_priv.h"
#include "try_main.h"

#define WAIT_MS 20000

static struct loop *lp;
static struct keeper_config cfg = { .ready_fd = -1 };
static struct keeper *kp;
static int engine; /* its end */

static void
set_up(void)
{
	int sv[2];

	lp = loop_new();
	kp = calloc(1, sizeof *kp);
	ck_assert_ptr_nonnull(kp);
	kp->lp = lp;
	kp->cfg = &cfg;
	kp->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	kp->notify_fd = kp->program = -1;
	kp->handoff.phase = HANDOFF_DONE;
	kp->synced = true;
	child_table_init(&kp->children);
	loop_timer_init(&kp->trim, lp, message_on_trim, kp);
	spawn_room_init(&kp->room);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	kp->ch = chan_new(lp, sv[0], &keeper_chan_ops, kp);
	engine = sv[1];
}

static void
tear_down(void)
{
	struct child *c;

	while ((c = TAILQ_FIRST(&kp->children.all)) != NULL)
		child_free(&kp->children, c);
	loop_timer_stop(&kp->trim);
	spawn_room_fini(&kp->room);
	chan_free(kp->ch);
	fd_closep(&kp->null_fd);
	fd_closep(&engine);
	fdstore_fini(&kp->store);
	free(kp);
	loop_free(lp);
}

/* As the engine orders it. */
static void
order_as(uint64_t id, const char *path, uint32_t flags)
{
	char word[] = "x", seconds[] = "60";
	char *argv[] = { word, seconds, NULL };
	struct spec sp;
	struct mw w;
	struct mr r;

	spec_init(&sp);
	sp.label = "x";
	sp.path = path;
	sp.argv = argv;
	sp.flags = flags;
	mw_init(&w, NULL, 0);
	mw_u64(&w, id);
	spec_write(&w, &sp);
	mr_init(&r, w.data, w.len);
	ck_assert_int_eq(keeper_chan_ops.msg(kp, MSG_E_SPAWN, &r, NULL, 0), 0);
	mw_fini(&w);
}

static void
order(const char *path, uint32_t flags)
{
	order_as(7, path, flags);
}

/* Its end, as the keeper's loop hears of it. */
static void
dies(void)
{
	const struct child *c = child_by_id(&kp->children, 7);
	siginfo_t si;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(
	    waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOWAIT), 0);
	child_reap(&kp->children, loop_now(lp));
	handoff_flush(kp);
}

/* The next message; r: what is behind the id.  0: there is none. */
static int
told(struct mr *r)
{
	static uint8_t m[256];
	ssize_t n = recv(engine, m, sizeof m, MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	ck_assert_int_ge(n, 12);
	mr_init(r, m + 4, (size_t)n - 4);
	ck_assert_uint_eq(mr_u64(r), 7);
	return m[0];
}

static mono_ms
started_in_exited(struct mr *r)
{
	mr_u32(r);
	return mr_i64(r);
}

START_TEST(a_short_command_is_one_message)
{
	struct mr r;

	order("/bin/true", SPEC_LATE);
	dies();
	ck_assert_int_eq(told(&r), MSG_K_EXITED);
	ck_assert_int_ge(started_in_exited(&r), 0);
	ck_assert_int_eq(told(&r), 0);
}
END_TEST

START_TEST(a_longer_one_has_started_before)
{
	const struct child *c;
	bool no = false;
	struct mr r;

	order("/bin/sleep", SPEC_LATE);
	c = child_by_id(&kp->children, 7);
	while (c->state == CHILD_SPAWNING)
		fake_loop_until(lp, &no, 10);
	ck_assert_int_eq(told(&r), MSG_K_SPAWNED);
	kill(c->pid, SIGKILL);
	dies();
	ck_assert_int_eq(told(&r), MSG_K_EXITED);
	ck_assert_int_eq(started_in_exited(&r), -1);
	ck_assert_int_eq(told(&r), 0);
}
END_TEST

START_TEST(one_that_is_not_there_is_one_message)
{
	struct mr r;

	order("/nonexistent", _i == 0 ? 0 : SPEC_LATE);
	dies();
	ck_assert_int_eq(told(&r), MSG_K_SPAWN_FAILED);
	ck_assert_int_eq(mr_u16(&r), STAGE_EXEC);
	ck_assert_int_eq((int)mr_u32(&r), ENOENT);
	ck_assert_int_eq(told(&r), 0);
}
END_TEST

/* The memory of starts at once is kept for a second. */
START_TEST(what_starts_leave_is_given_back)
{
	bool no = false;

	order_as(8, "/bin/true", SPEC_LATE);
	order("/bin/true", SPEC_LATE);
	while (kp->starting > 0) {
		child_reap(&kp->children, loop_now(lp));
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(kp->room.nspare, 2);
	while (kp->room.nspare > 0)
		fake_loop_until(lp, &no, 50);
	ck_assert(!loop_timer_active(&kp->trim));
	/* One alone has nobody woken for it. */
	order_as(9, "/bin/true", SPEC_LATE);
	while (kp->starting > 0) {
		child_reap(&kp->children, loop_now(lp));
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(kp->room.nspare, 1);
	ck_assert(!loop_timer_active(&kp->trim));
}
END_TEST

static void
add_all(TCase *tc)
{
	tcase_add_test(tc, a_short_command_is_one_message);
	tcase_add_test(tc, what_starts_leave_is_given_back);
	tcase_add_test(tc, a_longer_one_has_started_before);
	tcase_add_loop_test(tc, one_that_is_not_there_is_one_message, 0, 2);
}

int
main(void)
{
	return try_main("keeper", add_all, set_up, tear_down);
}
