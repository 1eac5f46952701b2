/* keeperlink - the engine's end of the keeper's protocol. */
#include "engine/keeperlink.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "engine/keeperlink_kids.h"
#include "tree/tree.h"

/* After so many starts at once what they took is given back. */
#define TRIM_ABOVE 16

/* Stands before the bytes of a message that the channel had no room for. */
struct waiting {
	enum msg_type type;
	size_t len;
	size_t nfds;
	int fds[CHAN_FDS_MAX]; /* owned */
};

/* Of each program there are some: small, and found by a hash of their name. */
struct held {
	int fd;
	unsigned next; /* of the same bucket; 0: none */
	char *name;    /* NULL: the slot is free */
};

struct keeperlink {
	struct chan *ch;
	/*
	 * What waits, in one piece: a block for each message, freed among
	 * memory that stays, would leave a hole for each program started.
	 */
	struct buf queue;
	size_t sent;        /* bytes of it */
	size_t waiting_fds; /* in it */
	const struct keeperlink_ops *ops;
	void *arg;
	struct keeper_welcome welcome;
	struct held *held; /* index: slot; [0] unused */
	unsigned nheld;
	unsigned *buckets; /* of held: the first; 0: none */
	unsigned nbuckets; /* a power of two, or 0 */
	size_t nused;      /* of held */
	unsigned free_hint;
	struct kids kids;
	unsigned starting, starting_most; /* asked for, not answered */
	int64_t heard_ms;
	uint32_t serial;
	int program; /* of the keeper; -1 */
};

/* --- sending -------------------------------------------------------------- */

static void
keeperlink_wait(struct keeperlink *kl, enum msg_type type, const struct mw *w,
    const int *fds, size_t nfds)
{
	struct waiting m = { .type = type, .len = w->len, .nfds = nfds };

	BUG_ON(nfds > CHAN_FDS_MAX);
	for (size_t i = 0; i < nfds; i++) {
		m.fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (m.fds[i] == -1)
			fatal("duplicate a descriptor for the keeper");
	}
	kl->waiting_fds += nfds;
	buf_add(&kl->queue, &m, sizeof m);
	buf_add(&kl->queue, w->data, w->len);
}

/* Sends the first that waits; false: there is still no room. */
static bool
keeperlink_send_waiting(struct keeperlink *kl)
{
	char *p = kl->queue.data + kl->sent;
	struct waiting m;
	struct mw w;

	memcpy(&m, p, sizeof m);
	mw_init(&w, p + sizeof m, m.len);
	w.len = m.len;
	if (chan_send(kl->ch, m.type, &w, m.fds, m.nfds) == CHAN_FULL)
		return false;
	kl->waiting_fds -= m.nfds;
	for (size_t i = 0; i < m.nfds; i++)
		fd_closep(&m.fds[i]);
	kl->sent += sizeof m + m.len;
	return true;
}

static void
keeperlink_room(void *arg)
{
	struct keeperlink *kl = arg;

	while (kl->sent < kl->queue.len)
		if (!keeperlink_send_waiting(kl))
			break;
	if (kl->sent == kl->queue.len) {
		buf_fini(&kl->queue);
		kl->sent = 0;
	} else if (kl->sent > kl->queue.len / 2) {
		buf_consume(&kl->queue, kl->sent);
		kl->sent = 0;
	}
}

/* Takes w. */
static void
keeperlink_send(struct keeperlink *kl, enum msg_type type, struct mw *w,
    const int *fds, size_t nfds)
{
	enum chan_result rc = CHAN_FULL;

	if (w->failed)
		fatalx("no memory for a message to the keeper");
	/* It reads meanwhile, however long this turn of ours is. */
	if (kl->queue.len > 0)
		keeperlink_room(kl);
	if (kl->queue.len == 0)
		rc = chan_send(kl->ch, type, w, fds, nfds);
	if (rc == CHAN_FULL)
		keeperlink_wait(kl, type, w, fds, nfds);
	mw_fini(w);
}

bool
keeperlink_idle(const struct keeperlink *kl)
{
	return kl->queue.len == 0;
}

void
keeperlink_spawn(struct keeperlink *kl, uint64_t id, const struct spec *sp,
    const int *fds, size_t nfds)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_u64(&w, id);
	spec_write(&w, sp);
	if (++kl->starting > kl->starting_most)
		kl->starting_most = kl->starting;
	kids_add(&kl->kids, id, sp->label)->kill_group =
	    (sp->flags & SPEC_KILL_GROUP) != 0;
	keeperlink_send(kl, MSG_E_SPAWN, &w, fds, nfds);
}

void
keeperlink_signal(struct keeperlink *kl, uint64_t id, int signo, bool to_group)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_u64(&w, id);
	mw_u32(&w, (uint32_t)signo);
	mw_u8(&w, to_group);
	keeperlink_send(kl, MSG_E_SIGNAL, &w, NULL, 0);
}

void
keeperlink_forget(struct keeperlink *kl, uint64_t id)
{
	uint8_t mem[sizeof id];
	struct mw w;

	mw_init(&w, mem, sizeof mem);
	mw_u64(&w, id);
	keeperlink_send(kl, MSG_E_FORGET, &w, NULL, 0);
	kids_remove(&kl->kids, id);
}

void
keeperlink_ready(struct keeperlink *kl, bool daemonise)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_u8(&w, daemonise);
	keeperlink_send(kl, MSG_E_READY, &w, NULL, 0);
}

void
keeperlink_notify(struct keeperlink *kl, const char *text)
{
	struct mw w;

	if (!kl->welcome.has_notify)
		return;
	mw_init(&w, NULL, 0);
	mw_str(&w, text);
	keeperlink_send(kl, MSG_E_NOTIFY, &w, NULL, 0);
}

void
keeperlink_upgrade(struct keeperlink *kl)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	keeperlink_send(kl, MSG_E_UPGRADE, &w, NULL, 0);
}

void
keeperlink_shutdown(struct keeperlink *kl, int code)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_u8(&w, (uint8_t)code);
	keeperlink_send(kl, MSG_E_SHUTDOWN, &w, NULL, 0);
}

void
keeperlink_log_to(struct keeperlink *kl, unsigned slot, int level)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	mw_u32(&w, slot);
	mw_u8(&w, (uint8_t)level);
	keeperlink_send(kl, MSG_E_LOG_TO, &w, NULL, 0);
}

/* --- the copy of the store --------------------------------------------------
 */

static unsigned *
held_bucket(const struct keeperlink *kl, const char *name)
{
	return &kl->buckets[str_hash(name) & (kl->nbuckets - 1)];
}

static void
held_link(struct keeperlink *kl, unsigned slot)
{
	unsigned *first = held_bucket(kl, kl->held[slot].name);

	kl->held[slot].next = *first;
	*first = slot;
}

static void
held_unlink(struct keeperlink *kl, unsigned slot)
{
	unsigned *at = held_bucket(kl, kl->held[slot].name);

	while (*at != slot)
		at = &kl->held[*at].next;
	*at = kl->held[slot].next;
}

static void
held_grow(struct keeperlink *kl, unsigned slot)
{
	unsigned n = slot + slot / 4 + 64, k = 64;

	kl->held = xreallocarray(kl->held, n, sizeof *kl->held);
	memset(kl->held + kl->nheld, 0, (n - kl->nheld) * sizeof *kl->held);
	kl->nheld = n;
	while (k < n / 2)
		k *= 2;
	if (k == kl->nbuckets)
		return;
	free(kl->buckets);
	kl->buckets = xcalloc(k, sizeof *kl->buckets);
	kl->nbuckets = k;
	for (unsigned i = 1; i < n; i++)
		if (kl->held[i].name != NULL)
			held_link(kl, i);
}

/* Takes fd. */
static void
keeperlink_hold(struct keeperlink *kl, unsigned slot, const char *name, int fd)
{
	struct held *h;

	if (slot >= kl->nheld)
		held_grow(kl, slot);
	h = &kl->held[slot];
	BUG_ON(h->name != NULL);
	kl->nused++;
	h->fd = fd;
	h->name = xstrdup(name);
	held_link(kl, slot);
}

/* n of them at once. */
static void
keeperlink_send_put(struct keeperlink *kl, const unsigned *slots,
    const char *const *names, const int *fds, size_t n)
{
	struct mw w;

	mw_init(&w, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		mw_u32(&w, slots[i]);
		mw_str(&w, names[i]);
	}
	keeperlink_send(kl, MSG_E_FD_PUT, &w, fds, n);
}

static unsigned
keeperlink_hold_new(struct keeperlink *kl, const char *name, int fd)
{
	unsigned slot = kl->free_hint;

	while (slot < kl->nheld && kl->held[slot].name != NULL)
		slot++;
	kl->free_hint = slot + 1;
	keeperlink_hold(kl, slot, name, fd);
	return slot;
}

unsigned
keeperlink_put(struct keeperlink *kl, const char *name, int fd)
{
	unsigned slot = keeperlink_hold_new(kl, name, fd);

	keeperlink_send_put(kl, &slot, &name, &fd, 1);
	return slot;
}

void
keeperlink_put_pipe(struct keeperlink *kl, const char *const names[2],
    const int fds[2], unsigned slots[2])
{
	for (int i = 0; i < 2; i++)
		slots[i] = keeperlink_hold_new(kl, names[i], fds[i]);
	keeperlink_send_put(kl, slots, names, fds, 2);
}

unsigned
keeperlink_replace(struct keeperlink *kl, const char *name, int fd)
{
	unsigned slot = keeperlink_find(kl, name);

	if (slot == 0)
		return keeperlink_put(kl, name, fd);
	keeperlink_send_put(kl, &slot, &name, &fd, 1);
	fd_closep(&kl->held[slot].fd);
	kl->held[slot].fd = fd;
	return slot;
}

unsigned
keeperlink_find(const struct keeperlink *kl, const char *name)
{
	unsigned slot = kl->nbuckets != 0 ? *held_bucket(kl, name) : 0;

	while (slot != 0 && strcmp(kl->held[slot].name, name) != 0)
		slot = kl->held[slot].next;
	return slot;
}

int
keeperlink_fd(const struct keeperlink *kl, unsigned slot)
{
	return slot < kl->nheld && kl->held[slot].name != NULL
		   ? kl->held[slot].fd
		   : -1;
}

const char *
keeperlink_name(const struct keeperlink *kl, unsigned slot)
{
	return slot < kl->nheld ? kl->held[slot].name : NULL;
}

size_t
keeperlink_fds(const struct keeperlink *kl)
{
	return kl->nused + kl->waiting_fds;
}

unsigned
keeperlink_top(const struct keeperlink *kl)
{
	return kl->nheld;
}

static void
keeperlink_release(struct keeperlink *kl, unsigned slot)
{
	struct held *h = &kl->held[slot];

	if (h->name == NULL)
		return;
	held_unlink(kl, slot);
	kl->nused--;
	fd_closep(&h->fd);
	freep(&h->name);
	if (slot < kl->free_hint)
		kl->free_hint = slot;
}

void
keeperlink_drop(struct keeperlink *kl, unsigned *slot)
{
	struct mw w;

	if (*slot == 0)
		return;
	if (*slot < kl->nheld && kl->held[*slot].name != NULL) {
		mw_init(&w, NULL, 0);
		mw_u32(&w, *slot);
		keeperlink_send(kl, MSG_E_FD_DROP, &w, NULL, 0);
		keeperlink_release(kl, *slot);
	}
	*slot = 0;
}

/* --- receiving --------------------------------------------------------------
 */

/* What can't be asked any more when it is gone. */
static void
keeperlink_know(struct keeperlink *kl)
{
	struct keeper_welcome *w = &kl->welcome;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)w->pid);
	kl->program = open(path, O_PATH | O_CLOEXEC);
	if (w->origin != 0)
		return;
	w->origin = w->pid;
	w->origin_start = tree_start_of(w->pid);
}

static int
keeperlink_got_welcome(struct keeperlink *kl, struct mr *r)
{
	uint32_t version = mr_u32(r);

	kl->welcome.incarnation = mr_u32(r);
	kl->welcome.pid = (pid_t)mr_u32(r);
	kl->welcome.started_ms = mr_i64(r);
	kl->welcome.soft_nofile = mr_u64(r);
	kl->welcome.has_notify = mr_u8(r) != 0;
	free(kl->welcome.program);
	kl->welcome.program = xstrdup(mr_str(r));
	kl->welcome.tables = (int)mr_u32(r);
	kl->welcome.origin = (pid_t)mr_u32(r);
	kl->welcome.origin_start = mr_u64(r);
	if (version == MSG_VERSION)
		keeperlink_know(kl);
	if (version != MSG_VERSION)
		fatalx("this keeper speaks version %u, not %d", version,
		    MSG_VERSION);
	return mr_end(r);
}

static int
keeperlink_got_fd(struct keeperlink *kl, struct mr *r, int *fds, size_t nfds)
{
	uint32_t slot = mr_u32(r);
	const char *name = mr_str(r);

	if (mr_end(r) == -1 || nfds != 1 || slot == 0)
		return -1;
	keeperlink_hold(kl, slot, name, fds[0]);
	fds[0] = -1;
	return 0;
}

static int
keeperlink_got_child(struct keeperlink *kl, struct mr *r)
{
	uint64_t id = mr_u64(r);
	uint32_t pid = mr_u32(r);
	mono_ms started_ms = mr_i64(r);
	const char *label = mr_str(r);
	bool kill_group = mr_u8(r) != 0;

	if (mr_end(r) == -1)
		return -1;
	kids_add(&kl->kids, id, label)->kill_group = kill_group;
	kids_started(&kl->kids, id, (pid_t)pid, started_ms);
	kl->ops->child(kl->arg, id, (pid_t)pid, started_ms, label);
	return 0;
}

/* Those that an engine before this one asked for are none of ours. */
static void
keeperlink_answered(struct keeperlink *kl)
{
	if (kl->starting == 0 || --kl->starting != 0)
		return;
	if (kl->starting_most > TRIM_ABOVE)
		malloc_trim(0);
	kl->starting_most = 0;
}

static void
keeperlink_spawned(
    struct keeperlink *kl, uint64_t id, pid_t pid, mono_ms started_ms)
{
	kids_started(&kl->kids, id, pid, started_ms);
	kl->ops->spawned(kl->arg, id, pid, started_ms);
	keeperlink_answered(kl);
}

static int
keeperlink_got_spawned(struct keeperlink *kl, struct mr *r)
{
	uint64_t id = mr_u64(r);
	uint32_t pid = mr_u32(r);
	mono_ms started_ms = mr_i64(r);

	if (mr_end(r) == -1)
		return -1;
	keeperlink_spawned(kl, id, (pid_t)pid, started_ms);
	return 0;
}

static int
keeperlink_got_failed(struct keeperlink *kl, struct mr *r)
{
	uint64_t id = mr_u64(r);
	int stage = mr_u16(r);
	int errnum = (int)mr_u32(r);

	if (mr_end(r) == -1)
		return -1;
	kids_over(&kl->kids, id, NULL, stage, errnum);
	kl->ops->spawn_failed(kl->arg, id, stage, errnum);
	keeperlink_answered(kl);
	return 0;
}

static int
keeperlink_got_exited(struct keeperlink *kl, struct mr *r)
{
	struct keeper_exit ex;
	uint64_t id = mr_u64(r);
	uint32_t pid = mr_u32(r);
	mono_ms started_ms = mr_i64(r);

	ex.code = mr_u8(r);
	ex.signo = mr_u8(r);
	ex.core = mr_u8(r) != 0;
	ex.died_ms = mr_i64(r);
	ex.max_rss_kb = mr_i64(r);
	if (mr_end(r) == -1)
		return -1;
	if (started_ms != -1)
		keeperlink_spawned(kl, id, (pid_t)pid, started_ms);
	kids_over(&kl->kids, id, &ex, 0, 0);
	kl->ops->exited(kl->arg, id, &ex);
	return 0;
}

/* Acknowledged after the handler has noted down what it means to do. */
static int
keeperlink_got_signal(struct keeperlink *kl, struct mr *r)
{
	uint32_t serial = mr_u32(r);
	int signo = (int)mr_u32(r);
	struct mw w;

	if (mr_end(r) == -1)
		return -1;
	if (serial > kl->serial)
		kl->serial = serial;
	kl->ops->signalled(kl->arg, signo, serial);
	mw_init(&w, NULL, 0);
	mw_u32(&w, serial);
	keeperlink_send(kl, MSG_E_SIGNAL_DONE, &w, NULL, 0);
	return 0;
}

static int
keeperlink_got_upgraded(struct keeperlink *kl, struct mr *r)
{
	int code = mr_u8(r);
	const char *text = mr_str(r);

	if (mr_end(r) == -1)
		return -1;
	kl->ops->upgraded(kl->arg, code, text);
	return 0;
}

static int
keeperlink_got_signal_failed(struct keeperlink *kl, struct mr *r)
{
	uint64_t id = mr_u64(r);
	int signo = (int)mr_u32(r);
	int errnum = (int)mr_u32(r);

	if (mr_end(r) == -1)
		return -1;
	kl->ops->signal_failed(kl->arg, id, signo, errnum);
	return 0;
}

static int
keeperlink_got(
    void *arg, enum msg_type type, struct mr *r, int *fds, size_t nfds)
{
	struct keeperlink *kl = arg;
	struct mw w;

	kl->heard_ms = clock_boot_ms();
	switch (type) {
	case MSG_K_WELCOME:
		return keeperlink_got_welcome(kl, r);
	case MSG_K_FD:
		return keeperlink_got_fd(kl, r, fds, nfds);
	case MSG_K_CHILD:
		return keeperlink_got_child(kl, r);
	case MSG_K_SYNCED:
		kl->ops->synced(kl->arg);
		return mr_end(r);
	case MSG_K_SPAWNED:
		return keeperlink_got_spawned(kl, r);
	case MSG_K_SPAWN_FAILED:
		return keeperlink_got_failed(kl, r);
	case MSG_K_EXITED:
		return keeperlink_got_exited(kl, r);
	case MSG_K_SIGNALLED:
		return keeperlink_got_signal(kl, r);
	case MSG_K_SIGNAL_FAILED:
		return keeperlink_got_signal_failed(kl, r);
	case MSG_K_UPGRADED:
		return keeperlink_got_upgraded(kl, r);
	case MSG_K_PING:
		mw_init(&w, NULL, 0);
		keeperlink_send(kl, MSG_E_PONG, &w, NULL, 0);
		return 0;
	case MSG_E_HELLO:
	case MSG_E_SPAWN:
	case MSG_E_SIGNAL:
	case MSG_E_FORGET:
	case MSG_E_FD_PUT:
	case MSG_E_FD_DROP:
	case MSG_E_READY:
	case MSG_E_NOTIFY:
	case MSG_E_SHUTDOWN:
	case MSG_E_LOG_TO:
	case MSG_E_SIGNAL_DONE:
	case MSG_E_PONG:
	case MSG_E_UPGRADE:
		break;
	}
	return -1;
}

static void
keeperlink_closed(void *arg, const char *why)
{
	struct keeperlink *kl = arg;

	kl->ops->orphaned(kl->arg, why);
}

static const struct chan_ops keeperlink_chan_ops = {
	.msg = keeperlink_got,
	.closed = keeperlink_closed,
	.room = keeperlink_room,
};

struct keeperlink *
keeperlink_new(
    struct loop *lp, int fd, const struct keeperlink_ops *ops, void *arg)
{
	struct keeperlink *kl = xcalloc(1, sizeof *kl);
	struct mw w;

	buf_init(&kl->queue);
	kl->free_hint = 1;
	kl->program = -1;
	kl->ops = ops;
	kl->arg = arg;
	kl->ch = chan_new(lp, fd, &keeperlink_chan_ops, kl);
	if (kl->ch == NULL)
		fatal("open the channel to the keeper");
	mw_init(&w, NULL, 0);
	mw_u32(&w, MSG_VERSION);
	keeperlink_send(kl, MSG_E_HELLO, &w, NULL, 0);
	return kl;
}

void
keeperlink_free(struct keeperlink *kl)
{
	if (kl == NULL)
		return;
	keeperlink_room(kl);
	buf_fini(&kl->queue);
	for (unsigned i = 0; i < kl->nheld; i++)
		if (kl->held[i].name != NULL)
			keeperlink_release(kl, i);
	free(kl->held);
	free(kl->buckets);
	kids_fini(&kl->kids);
	fd_closep(&kl->program);
	chan_free(kl->ch);
	free(kl->welcome.program);
	free(kl);
}

const struct keeper_welcome *
keeperlink_welcome(const struct keeperlink *kl)
{
	return &kl->welcome;
}

const struct keeper_kid *
keeperlink_kids(const struct keeperlink *kl, size_t *n)
{
	*n = kl->kids.n;
	return kl->kids.v;
}

int64_t
keeperlink_heard(const struct keeperlink *kl)
{
	return kl->heard_ms;
}

uint32_t
keeperlink_serial(const struct keeperlink *kl)
{
	return kl->serial;
}

int
keeperlink_program(const struct keeperlink *kl)
{
	return kl->program;
}
