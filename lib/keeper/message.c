/*
 * message - what the engine may ask for.
 *
 * Nothing here is refused by asserting: a message that makes no sense closes
 * the channel, the engine is killed and started again.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/keeper_priv.h"

/* After starts at once their memory is given back: we live long.  Not at once
 * after a few: the next ones will want it. */
#define TRIM_ABOVE    16
#define TRIM_AFTER_MS 1000

static void
message_trim(struct keeper *kp)
{
	spawn_room_trim(&kp->room);
	malloc_trim(0);
}

void
message_on_trim(struct loop_timer *t, void *arg)
{
	struct keeper *kp = arg;

	if (kp->starting != 0)
		loop_timer_start(t, TRIM_AFTER_MS);
	else
		message_trim(kp);
}

static void
message_start_over(struct keeper *kp)
{
	if (--kp->starting != 0)
		return;
	if (kp->upgrading)
		upgrade_go_on(kp);
	if (kp->starting_most > TRIM_ABOVE)
		message_trim(kp);
	else if (kp->room.nspare > 1 && !loop_timer_active(&kp->trim))
		loop_timer_start(&kp->trim, TRIM_AFTER_MS);
	kp->starting_most = 0;
}

static void
message_spawned(void *arg, const struct spawn_err *se)
{
	struct child *c = arg;

	message_start_over(c->kp);
	c->spawn = NULL;
	c->state = se == NULL ? CHILD_ALIVE : CHILD_FAILED;
	if (se != NULL)
		c->err = *se;
	child_mark(&c->kp->children, c);
	/* Of one that is reaped just now the end is told with it. */
	if (c->has_process)
		handoff_flush(c->kp);
}

/* Where each descriptor of a spec comes from; false: there is none. */
static bool
message_resolve(
    struct keeper *kp, const struct spec *sp, const int *fds, int *from)
{
	for (size_t i = 0; i < sp->nfds; i++) {
		switch (sp->fds[i].from) {
		case SPEC_FD_NULL:
			from[i] = kp->null_fd;
			break;
		case SPEC_FD_STORE:
			from[i] =
			    fdstore_get(&kp->store, (uint32_t)sp->fds[i].value);
			break;
		case SPEC_FD_MESSAGE:
			from[i] = fds[sp->fds[i].value];
			break;
		case SPEC_FD_INHERIT:
			from[i] = sp->fds[i].value;
			break;
		}
		if (from[i] == -1)
			return false;
	}
	return true;
}

static void
message_spawn_failed(
    struct keeper *kp, struct child *c, enum spawn_stage stage, int errnum)
{
	c->state = CHILD_FAILED;
	c->err.stage = stage;
	c->err.errnum = errnum;
	child_mark(&kp->children, c);
	handoff_flush(kp);
}

static int
message_spawn(struct keeper *kp, struct mr *r, int *fds, size_t nfds)
{
	uint64_t id = mr_u64(r);
	int from[SPEC_FDS_MAX];
	struct spawn_fds sf = { from, -1, &kp->room };
	struct spawn_err se;
	struct err err;
	struct child *c;
	struct spec *sp;
	pid_t pid;

	sp = spec_read(r, nfds, &err);
	if (sp == NULL || child_by_id(&kp->children, id) != NULL) {
		spec_free(sp);
		return -1;
	}
	c = child_new(&kp->children, id, sp->label);
	if (c == NULL) {
		/* The engine would wait for ever: a new one asks again. */
		spec_free(sp);
		return -1;
	}
	c->kp = kp;
	c->kill_group = (sp->flags & SPEC_KILL_GROUP) != 0;
	if (!message_resolve(kp, sp, fds, from)) {
		spec_free(sp);
		message_spawn_failed(kp, c, STAGE_FDS, EBADF);
		return 0;
	}
	if ((sp->flags & SPEC_CGROUP) != 0)
		sf.cgroup = fds[nfds - 1];
	pid = spawn_start(
	    kp->lp, sp, &sf, NULL, &c->spawn, message_spawned, c, &se);
	if (pid == -1) {
		message_spawn_failed(kp, c, se.stage, se.errnum);
		return 0;
	}
	if (++kp->starting > kp->starting_most)
		kp->starting_most = kp->starting;
	child_started(&kp->children, c, pid, loop_now(kp->lp));
	return 0;
}

static int
message_signal(struct keeper *kp, struct mr *r)
{
	uint64_t id = mr_u64(r);
	int signo = (int)mr_u32(r);
	bool to_group = mr_u8(r) != 0;
	struct child *c;

	if (mr_end(r) == -1)
		return -1;
	c = child_by_id(&kp->children, id);
	if (c == NULL || child_signal(c, signo, to_group) == 0 ||
	    errno == ESRCH)
		return 0; /* dead already: its exit is on the way */
	/* The first is the one that mattered: SIGCONT comes after it. */
	if (c->lost_signo != 0)
		return 0;
	c->lost_signo = signo;
	c->lost_errno = errno;
	child_mark(&kp->children, c);
	handoff_flush(kp);
	return 0;
}

static int
message_forget(struct keeper *kp, struct mr *r)
{
	uint64_t id = mr_u64(r);
	struct child *c;

	if (mr_end(r) == -1)
		return -1;
	c = child_by_id(&kp->children, id);
	if (c == NULL)
		return 0;
	if (c == kp->engine ||
	    (c->state != CHILD_EXITED && c->state != CHILD_FAILED))
		return -1;
	child_free(&kp->children, c);
	return 0;
}

/* The log must not go on into a number that means something else by then. */
static void
message_leave_log(struct keeper *kp, uint32_t slot)
{
	if (kp->log_slot != slot)
		return;
	kp->log_slot = 0;
	log_set_fd(-1);
}

static int
message_fd_put(struct keeper *kp, struct mr *r, int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		uint32_t slot = mr_u32(r);
		const char *name = mr_str(r);

		if (r->failed)
			return -1;
		message_leave_log(kp, slot);
		if (fdstore_put(&kp->store, slot, name, &fds[i]) == -1)
			return -1;
	}
	return nfds > 0 ? mr_end(r) : -1;
}

static int
message_log_to(struct keeper *kp, struct mr *r)
{
	uint32_t slot = mr_u32(r);
	uint8_t level = mr_u8(r);

	if (mr_end(r) == -1 || level >= LOG__N)
		return -1;
	kp->log_slot = slot;
	kp->log_level = level;
	log_set_fd(fdstore_get(&kp->store, slot));
	log_set_level((enum log_level)level);
	return 0;
}

/* The first engine that is up: reeved has started. */
static int
message_ready(struct keeper *kp, struct mr *r)
{
	bool daemonise = mr_u8(r) != 0;

	if (mr_end(r) == -1)
		return -1;
	kp->delay_ms = 0;
	if (kp->by_path) {
		keeper_engine_program(kp, -1);
		kp->by_path = false;
	}
	if (kp->was_ready)
		return 0;
	keeper_report_ready(kp, 0);
	kp->was_ready = true;
	if (!daemonise)
		return 0;
	for (int fd = 0; fd <= 2; fd++)
		dup2(kp->null_fd, fd);
	return 0;
}

static int
message_signal_done(struct keeper *kp, struct mr *r)
{
	uint32_t serial = mr_u32(r);

	if (mr_end(r) == -1)
		return -1;
	for (int i = 0; i < KEEPER_SIGNALS; i++)
		if (kp->pending[i].serial == serial)
			kp->pending[i].serial = 0;
	return 0;
}

static int
message_hello(struct keeper *kp, struct mr *r)
{
	uint32_t version = mr_u32(r);

	if (mr_end(r) == -1 || kp->handoff.phase != HANDOFF_NONE)
		return -1;
	if (version != MSG_VERSION) {
		log_errorx("engine speaks version %u, this reeved %d",
		    (unsigned)version, MSG_VERSION);
		return -1;
	}
	handoff_start(kp);
	return 0;
}

static int
message_notify(struct keeper *kp, struct mr *r)
{
	const char *text = mr_str(r);

	if (mr_end(r) == -1)
		return -1;
	keeper_notify(kp, text);
	return 0;
}

static int
message_got(void *arg, enum msg_type type, struct mr *r, int *fds, size_t nfds)
{
	struct keeper *kp = arg;
	uint32_t slot;

	/* Until it knows all there is it has nothing to ask for. */
	if (!kp->synced && type != MSG_E_HELLO)
		return -1;
	switch (type) {
	case MSG_E_HELLO:
		return message_hello(kp, r);
	case MSG_E_SPAWN:
		return message_spawn(kp, r, fds, nfds);
	case MSG_E_SIGNAL:
		return message_signal(kp, r);
	case MSG_E_FORGET:
		return message_forget(kp, r);
	case MSG_E_FD_PUT:
		return message_fd_put(kp, r, fds, nfds);
	case MSG_E_FD_DROP:
		slot = mr_u32(r);
		message_leave_log(kp, slot);
		fdstore_drop(&kp->store, slot);
		return mr_end(r);
	case MSG_E_READY:
		return message_ready(kp, r);
	case MSG_E_NOTIFY:
		return message_notify(kp, r);
	case MSG_E_SHUTDOWN:
		keeper_await_end(kp, mr_u8(r));
		return mr_end(r);
	case MSG_E_LOG_TO:
		return message_log_to(kp, r);
	case MSG_E_SIGNAL_DONE:
		return message_signal_done(kp, r);
	case MSG_E_UPGRADE:
		kp->upgrading = true;
		kp->upgrade_news = false;
		upgrade_go_on(kp);
		return mr_end(r);
	case MSG_E_PONG:
		kp->ponged = true;
		return mr_end(r);
	case MSG_K_WELCOME:
	case MSG_K_FD:
	case MSG_K_CHILD:
	case MSG_K_SYNCED:
	case MSG_K_SPAWNED:
	case MSG_K_SPAWN_FAILED:
	case MSG_K_EXITED:
	case MSG_K_SIGNALLED:
	case MSG_K_SIGNAL_FAILED:
	case MSG_K_PING:
	case MSG_K_UPGRADED:
		break;
	}
	return -1;
}

/* Usually it is dead; if not, it can not be talked to any more. */
static void
message_closed(void *arg, const char *why)
{
	struct keeper *kp = arg;

	if (strcmp(why, "closed") != 0)
		keeper_engine_kill(kp, why);
	else if (kp->engine != NULL)
		child_signal(kp->engine, SIGKILL, false);
}

static void
message_room(void *arg)
{
	handoff_flush(arg);
}

const struct chan_ops keeper_chan_ops = {
	.msg = message_got,
	.closed = message_closed,
	.room = message_room,
};
