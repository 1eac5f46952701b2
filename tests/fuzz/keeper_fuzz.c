/*
 * keeper_fuzz - the keeper's protocol: any bytes as messages of an engine.
 *
 * Input: messages of u8 type, u8 descriptors that come along, u16 length and
 * the payload, handed to the keeper's handler as the channel would.  Starting
 * is replaced: a spec that is good becomes a child that never runs, fails or
 * dies, by a bit of its flags.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct spawn {
	spawn_cb *cb;
	void *arg;
};

/* In place of the real ones: nothing is started, nobody is signalled. */
void
spawn_room_init(struct spawn_room *room)
{
	*room = (struct spawn_room){ .null_fd = -1 };
}

void
spawn_room_trim(struct spawn_room *room)
{
	(void)room;
}

void
spawn_room_fini(struct spawn_room *room)
{
	(void)room;
}

pid_t
spawn_start(struct loop *lp, struct spec *spec, const struct spawn_fds *fds,
    int *pidfd, struct spawn **spp, spawn_cb *cb, void *arg,
    struct spawn_err *se)
{
	static pid_t pid = 100000000;
	bool fails = (spec->flags & 0x4000) != 0; /* of nobody else */

	(void)lp;
	for (size_t i = 0; i < spec->nfds; i++)
		if (fds->from[i] < 0)
			abort();
	spec_free(spec);
	if (pidfd != NULL)
		abort();
	if (fails) {
		se->stage = STAGE_CLONE;
		se->errnum = 11;
		return -1;
	}
	*spp = calloc(1, sizeof **spp);
	(*spp)->cb = cb;
	(*spp)->arg = arg;
	return pid++;
}

void
spawn_settle(struct spawn *sp)
{
	spawn_cb *cb = sp->cb;
	void *arg = sp->arg;

	free(sp);
	cb(arg, NULL);
}

void
spawn_err_text(char *out, size_t size, const struct spawn_err *se,
    const char *program, const char *directory)
{
	(void)se;
	(void)program;
	(void)directory;
	if (size != 0)
		out[0] = '\0';
}

/* The loop is never run: a timer may be started, and does not come. */
static void
no_timer(struct loop_timer *t, void *arg)
{
	(void)t;
	(void)arg;
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *lp = loop_new();
	struct keeper_config cfg = { .ready_fd = -1 };
	struct keeper *kp = calloc(1, sizeof *kp);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool alive = true;
	int sv[2] = { -1, -1 };
	struct child *c;

	log_set_level(LOG__N);
	kp->lp = lp;
	kp->cfg = &cfg;
	kp->null_fd = null_fd;
	kp->notify_fd = -1;
	kp->was_ready = true;
	kp->handoff.phase = HANDOFF_DONE;
	kp->synced = true;
	child_table_init(&kp->children);
	loop_timer_init(&kp->force, lp, no_timer, kp);
	loop_timer_init(&kp->restart, lp, no_timer, kp);
	loop_timer_init(&kp->trim, lp, no_timer, kp);
	loop_timer_init(&kp->watchdog, lp, no_timer, kp);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, sv) == -1)
		abort();
	kp->ch = chan_new(lp, sv[0], &keeper_chan_ops, kp);
	while (alive && size >= 4) {
		enum msg_type type = (enum msg_type)data[0];
		size_t nfds = data[1] % 4;
		size_t len = (size_t)data[2] | (size_t)data[3] << 8;
		int fds[4];
		struct mr r;

		data += 4;
		size -= 4;
		len = len < size ? len : size;
		for (size_t i = 0; i < nfds; i++)
			fds[i] = fcntl(null_fd, F_DUPFD_CLOEXEC, 3);
		mr_init(&r, data, len);
		alive = keeper_chan_ops.msg(kp, type, &r, fds, nfds) == 0;
		for (size_t i = 0; i < nfds; i++)
			fd_closep(&fds[i]);
		data += len;
		size -= len;
	}
	while ((c = TAILQ_FIRST(&kp->children.all)) != NULL) {
		if (c->spawn != NULL)
			spawn_settle(c->spawn);
		child_free(&kp->children, c);
	}
	loop_timer_stop(&kp->force);
	loop_timer_stop(&kp->restart);
	loop_timer_stop(&kp->trim);
	loop_timer_stop(&kp->watchdog);
	chan_free(kp->ch);
	fd_closep(&sv[1]);
	fdstore_fini(&kp->store);
	fd_closep(&null_fd);
	loop_free(lp);
	free(kp);
	return 0;
}
