/*
 * sockets - the listeners of a program, held by the keeper under their names.
 *
 *	lock:ADDRESS		 the lock of an address
 *	listen:PROGRAM:NAME	 the one socket of all slots (shared)
 *	listen:PROGRAM:NAME:SLOT a slot's own, of a SO_REUSEPORT group
 *
 * What is in the store already is used as it is and never bound again.  A new
 * socket goes to the keeper before it listens, so that no connection can be
 * queued in a socket that would be gone with this process.
 *
 * A program that leaves an address (it was removed, as in a renaming) gives its
 * sockets to the one that comes with it: both have descriptors of the same, and
 * the last one to close them is the one that clears away.
 *
 * A group grows and shrinks at its end only: its sockets stand in the
 * kernel's array in the order of their slots, which is what steering counts.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "cluster/listener.h"
#include "engine/engine_priv.h"

/* A name that is too long for the store is told apart by its hash. */
static void
sockets_fit_name(char *out, size_t size, const char *name)
{
	if (strlen(name) < size)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%.60s#%016llx", name,
		    (unsigned long long)str_hash(name));
}

static void
sockets_lock_name(const struct listener *l, char *out, size_t size)
{
	char *name = xasprintf("lock:%s", l->name);

	sockets_fit_name(out, size, name);
	free(name);
}

static void
sockets_name(const struct listener *l, int k, char *out, size_t size)
{
	char *name =
	    l->per_slot
		? xasprintf("listen:%s:%s:%d", l->conf->name, l->spec->name, k)
		: xasprintf("listen:%s:%s", l->conf->name, l->spec->name);

	sockets_fit_name(out, size, name);
	free(name);
}

/* --- handing over --------------------------------------------------- */

static bool
sockets_has(const struct config_program *conf, const struct config_socket *s)
{
	for (size_t i = 0; i < conf->sockets.n; i++)
		if (strcmp(conf->sockets.v[i].text, s->text) == 0)
			return true;
	return false;
}

/* Is it removed, or will the config that is tried leave it without this? */
static bool
sockets_leaves(const struct program *pg, const struct listener *l)
{
	const struct config *cf = pg->en->coming;
	const struct config_program *to;

	if (pg->removed || cf == NULL)
		return pg->removed;
	to = config_program_find(cf, pg->conf->name);
	return to == NULL || !sockets_has(to, l->spec);
}

/* Another program's listener of the same address; NULL: there is none. */
static struct listener *
sockets_other(const struct program *pg, const struct listener *l, bool leaving)
{
	struct engine *en = pg->en;

	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *p = en->programs[i];

		if (p == pg || (leaving && !sockets_leaves(p, l)))
			continue;
		for (size_t k = 0; k < p->nlisteners; k++)
			if (strcmp(p->listeners[k].name, l->name) == 0)
				return &p->listeners[k];
	}
	return NULL;
}

static bool
sockets_same_owner(const struct config_owner *a, const struct config_owner *b)
{
	return a->set == b->set &&
	       (!a->set || (a->uid == b->uid && a->gid == b->gid));
}

/* A duplicate of socket k of who leaves this address; -1: there is none. */
static int
sockets_take(const struct program *pg, const struct listener *l, int k)
{
	const struct listener *from = sockets_other(pg, l, true);

	if (from == NULL || from->per_slot != l->per_slot || k >= from->n)
		return -1;
	/* Not to be changed for who is still connected by it. */
	if (l->spec->family == FAMILY_UNIX &&
	    (from->spec->mode != l->spec->mode ||
		!sockets_same_owner(&from->spec->owner, &l->spec->owner)))
		return -1;
	log_info(
	    "%s goes from %s to %s", l->name, from->conf->name, l->conf->name);
	return fcntl(
	    keeperlink_fd(pg->en->kl, from->slots[k]), F_DUPFD_CLOEXEC, 3);
}

/* --- opening -------------------------------------------------------- */

static int
sockets_lock(struct keeperlink *kl, struct listener *l, struct err *err)
{
	char name[FDNAME_MAX];
	int fd;

	if (l->lock_slot != 0)
		return 0;
	sockets_lock_name(l, name, sizeof name);
	l->lock_slot = keeperlink_find(kl, name);
	if (l->lock_slot != 0)
		return 0;
	fd = listener_lock(l->spec, err);
	if (fd == -1)
		return -1;
	l->lock_slot = keeperlink_put(kl, name, fd);
	return 0;
}

/* An engine may have died between the bind and the listen. */
static int
sockets_listen(struct keeperlink *kl, const struct listener *l, unsigned slot,
    struct err *err)
{
	int fd = keeperlink_fd(kl, slot), on = 0;
	socklen_t len = sizeof on;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on)
		return 0;
	return listener_listen(fd, l->spec, err);
}

/* The next socket of a listener. */
static int
sockets_add(struct program *pg, struct listener *l, struct err *err)
{
	struct keeperlink *kl = pg->en->kl;
	char name[FDNAME_MAX];
	unsigned slot;
	int fd;

	sockets_name(l, l->n, name, sizeof name);
	slot = keeperlink_find(kl, name);
	if (slot == 0) {
		fd = sockets_take(pg, l, l->n);
		if (fd == -1)
			fd =
			    listener_bind(l->spec, l->per_slot, l->n == 0, err);
		if (fd == -1)
			return -1;
		slot = keeperlink_put(kl, name, fd);
	}
	l->slots = xreallocarray(l->slots, (size_t)l->n + 1, sizeof *l->slots);
	l->slots[l->n++] = slot;
	return sockets_listen(kl, l, slot, err);
}

static void
sockets_drop_last(const struct program *pg, struct listener *l)
{
	l->n--;
	keeperlink_drop(pg->en->kl, &l->slots[l->n]);
	if (l->spec->family == FAMILY_UNIX &&
	    sockets_other(pg, l, false) == NULL)
		unlink(l->spec->path);
}

static void
sockets_listener_fini(struct listener *l)
{
	free(l->slots);
	config_program_unref(l->conf);
}

/* What the store holds for it is the listener's from the start. */
static void
sockets_listener_init(struct program *pg, struct listener *l, size_t i)
{
	char name[FDNAME_MAX];
	unsigned slot;

	memset(l, 0, sizeof *l);
	l->conf = config_program_ref(pg->conf);
	l->spec = &l->conf->sockets.v[i];
	l->per_slot = pg->conf->socket_mode == SOCKMODE_REUSEPORT &&
		      l->spec->family != FAMILY_UNIX;
	listener_name(l->spec, l->name, sizeof l->name);
	for (;;) {
		sockets_name(l, l->n, name, sizeof name);
		slot = keeperlink_find(pg->en->kl, name);
		if (slot == 0 || (l->n == 1 && !l->per_slot))
			return;
		l->slots =
		    xreallocarray(l->slots, (size_t)l->n + 1, sizeof *l->slots);
		l->slots[l->n++] = slot;
	}
}

static void
sockets_init(struct program *pg)
{
	if (pg->listeners != NULL || pg->conf->sockets.n == 0)
		return;
	pg->nlisteners = pg->conf->sockets.n;
	pg->listeners = xcalloc(pg->nlisteners, sizeof *pg->listeners);
	for (size_t i = 0; i < pg->nlisteners; i++)
		sockets_listener_init(pg, &pg->listeners[i], i);
}

static void
sockets_fini(struct program *pg)
{
	for (size_t i = 0; i < pg->nlisteners; i++)
		sockets_listener_fini(&pg->listeners[i]);
	freep(&pg->listeners);
	pg->nlisteners = 0;
}

static int
sockets_open_one(struct program *pg, struct listener *l, int n, struct err *err)
{
	struct keeperlink *kl = pg->en->kl;
	int had = l->n, want = l->per_slot && n > 1 ? n : 1;

	if (sockets_lock(kl, l, err) == -1)
		return -1;
	for (int k = 0; k < had; k++)
		if (sockets_listen(kl, l, l->slots[k], err) == -1)
			return -1;
	while (l->n < want)
		if (sockets_add(pg, l, err) == -1)
			return -1;
	return 0;
}

/*
 * Those of slots that are gone; what is queued there goes to the others.  A
 * socket leaves its group by shutdown, at once: the keeper closes its own
 * descriptor later, and until then the kernel would go on choosing it.
 */
static void
sockets_cut(const struct program *pg, struct listener *l, int n)
{
	int fd, queued;

	while (l->n > n) {
		fd = keeperlink_fd(pg->en->kl, l->slots[l->n - 1]);
		queued = listener_queued(fd);
		if (!listener_migrate(fd)) {
			if (queued > 0)
				log_warnx("%s: %d connections that nobody "
					  "accepted are lost with slot %d",
				    l->name, queued, l->n - 1);
			shutdown(fd, SHUT_RDWR);
		}
		sockets_drop_last(pg, l);
	}
}

/* As it was: had sockets, and the lock if it was there before. */
static void
sockets_undo(const struct program *pg, struct listener *l, int had, bool locked)
{
	if (l->per_slot && had > 0)
		sockets_cut(pg, l, had);
	while (l->n > had)
		sockets_drop_last(pg, l);
	if (!locked)
		keeperlink_drop(pg->en->kl, &l->lock_slot);
}

static void
sockets_unsteer(struct keeperlink *kl, struct listener *l)
{
	struct err err;

	if (listener_steer(keeperlink_fd(kl, l->slots[0]), l->n, l->n, &err) ==
	    -1)
		log_warnx("%s: %s", l->name, err.text);
}

/* Of a group that was scaled to nothing and back, or asked back half-way. */
static void
sockets_settle(const struct program *pg, struct listener *l, int n)
{
	if (!l->per_slot)
		return;
	if (n < 1)
		n = 1;
	if (l->n > n)
		sockets_cut(pg, l, n);
	if (l->keep != 0)
		sockets_unsteer(pg->en->kl, l);
	l->keep = 0;
}

int
sockets_open(struct program *pg, int n, struct err *err)
{
	struct keeperlink *kl = pg->en->kl;
	bool is_new = pg->listeners == NULL, *locked;
	size_t i;
	int *had;

	sockets_init(pg);
	had = xcalloc(pg->nlisteners + 1, sizeof *had);
	locked = xcalloc(pg->nlisteners + 1, sizeof *locked);
	for (i = 0; i < pg->nlisteners; i++) {
		char name[FDNAME_MAX];

		sockets_lock_name(&pg->listeners[i], name, sizeof name);
		had[i] = pg->listeners[i].n;
		locked[i] = keeperlink_find(kl, name) != 0;
		if (sockets_open_one(pg, &pg->listeners[i], n, err) == -1)
			break;
	}
	bool failed = i < pg->nlisteners;
	if (failed)
		for (size_t k = i + 1; k-- > 0;)
			sockets_undo(pg, &pg->listeners[k], had[k], locked[k]);
	for (size_t k = 0; !failed && k < pg->nlisteners; k++)
		sockets_settle(pg, &pg->listeners[k], n);
	if (failed && is_new)
		sockets_fini(pg);
	free(had);
	free(locked);
	return failed ? -1 : 0;
}

void
sockets_close(struct program *pg)
{
	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];
		const struct listener *other = sockets_other(pg, l, false);

		/* What waits in sockets that the other one does not have. */
		if (other != NULL && l->per_slot && other->per_slot)
			sockets_cut(pg, l, other->n);
		while (l->n > 0)
			sockets_drop_last(pg, l);
		if (other == NULL)
			keeperlink_drop(pg->en->kl, &l->lock_slot);
	}
	sockets_fini(pg);
}

/* Its sockets are another's by now, who is the one to shrink them. */
static bool
sockets_given(const struct program *pg, const struct listener *l)
{
	return pg->removed && sockets_other(pg, l, false) != NULL;
}

/* --- a group that shrinks ---------------------------------------------------
 */

void
sockets_shrink_begin(struct program *pg, int keep, int n)
{
	struct err err;

	(void)n;
	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];

		/* With nobody left it is all the same where they wait. */
		if (!l->per_slot || keep < 1 || keep >= l->n ||
		    sockets_given(pg, l))
			continue;
		if (listener_steer(keeperlink_fd(pg->en->kl, l->slots[0]), keep,
			l->n, &err) == -1)
			log_warnx("%s: %s", l->name, err.text);
		else
			l->keep = keep;
	}
}

int
sockets_waiting(const struct program *pg, int slot)
{
	int sum = 0, queued;

	for (size_t i = 0; i < pg->nlisteners; i++) {
		const struct listener *l = &pg->listeners[i];

		if (!l->per_slot || slot >= l->n || sockets_given(pg, l))
			continue;
		queued =
		    listener_queued(keeperlink_fd(pg->en->kl, l->slots[slot]));
		if (queued > 0)
			sum += queued;
	}
	return sum;
}

void
sockets_shrink_end(struct program *pg, int n)
{
	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];

		if (!l->per_slot || sockets_given(pg, l))
			continue;
		sockets_cut(pg, l, n > 1 ? n : 1);
		/* More of them may still be leaving. */
		if (l->keep != 0 && l->keep < l->n)
			continue;
		sockets_unsteer(pg->en->kl, l);
		l->keep = 0;
	}
}

/* --- before a reload ------------------------------------------------ */

int
sockets_probe(const struct config_program *from,
    const struct config_program *to, struct err *err)
{
	for (size_t i = 0; i < to->sockets.n; i++) {
		const struct config_socket *s = &to->sockets.v[i];
		int lock, fd = -1;

		if (sockets_has(from, s))
			continue;
		lock = listener_lock(s, err);
		if (lock != -1)
			fd = listener_bind(s, false, true, err);
		if (fd != -1 && s->family == FAMILY_UNIX)
			unlink(s->path);
		if (fd == -1) {
			fd_closep(&lock);
			return -1;
		}
		fd_closep(&fd);
		fd_closep(&lock);
	}
	return 0;
}
