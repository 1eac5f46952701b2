/*
 * sockets - the listeners of a program, in the keeper's store.
 *
 * Names there: "lock:tcp 127.0.0.1:8080" the lock of an address,
 * "listen:web:http" a shared listener, "listen:web:http:3" slot 3's own.
 * What is found under its name is used as it is: after a restart of the
 * engine nothing is bound again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cluster/listener.h"
#include "engine/engine_priv.h"

static bool
sockets_per_slot(const struct program *pg, const struct config_socket *s)
{
	return pg->conf->socket_mode == SOCKMODE_REUSEPORT &&
	    s->family != FAMILY_UNIX;
}

static void
sockets_name(const struct program *pg, const struct config_socket *s, int slot,
    char *out, size_t size)
{
	if (slot < 0)
		snprintf(out, size, "listen:%.60s:%.40s", pg->conf->name,
		    s->name);
	else
		snprintf(out, size, "listen:%.60s:%.40s:%d", pg->conf->name,
		    s->name, slot);
}

static int
sockets_lock(struct program *pg, struct listener *l,
    const struct config_socket *s, struct err *err)
{
	char name[FDNAME_MAX], addr[100];
	int fd;

	listener_name(s, addr, sizeof addr);
	snprintf(name, sizeof name, "lock:%s", addr);
	l->lock_slot = keeperlink_find(pg->en->kl, name);
	if (l->lock_slot != 0)
		return 0;
	fd = listener_lock(s, err);
	if (fd == -1)
		return -1;
	l->lock_slot = keeperlink_put(pg->en->kl, name, fd);
	return 0;
}

/* The socket goes to the keeper before it listens. */
static int
sockets_open_one(struct program *pg, struct listener *l,
    const struct config_socket *s, int slot, struct err *err)
{
	char name[FDNAME_MAX];
	unsigned st;
	int fd;

	sockets_name(pg, s, slot, name, sizeof name);
	st = keeperlink_find(pg->en->kl, name);
	if (st == 0) {
		fd = listener_bind(s, slot >= 0, l->n == 0, err);
		if (fd == -1)
			return -1;
		st = keeperlink_put(pg->en->kl, name, fd);
		if (listener_listen(fd, s, err) == -1) {
			keeperlink_drop(pg->en->kl, &st);
			return -1;
		}
	}
	l->slots = xreallocarray(l->slots, (size_t)l->n + 1, sizeof *l->slots);
	l->slots[l->n++] = st;
	return 0;
}

static int
sockets_open_listener(struct program *pg, struct listener *l,
    const struct config_socket *s, int n, struct err *err)
{
	l->per_slot = sockets_per_slot(pg, s);
	if (sockets_lock(pg, l, s, err) == -1)
		return -1;
	if (!l->per_slot)
		return l->n != 0 ? 0 : sockets_open_one(pg, l, s, -1, err);
	while (l->n < (n != 0 ? n : 1))
		if (sockets_open_one(pg, l, s, l->n, err) == -1)
			return -1;
	return 0;
}

int
sockets_open(struct program *pg, int n, struct err *err)
{
	const struct config_sockets *cs = &pg->conf->sockets;
	bool fresh = pg->listeners == NULL;

	if (fresh && cs->n != 0) {
		pg->listeners = xcalloc(cs->n, sizeof *pg->listeners);
		pg->nlisteners = cs->n;
	}
	for (size_t i = 0; i < pg->nlisteners; i++) {
		if (sockets_open_listener(pg, &pg->listeners[i], &cs->v[i], n,
			err) == 0)
			continue;
		if (fresh)
			sockets_close(pg);
		return -1;
	}
	return 0;
}

void
sockets_close(struct program *pg)
{
	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];
		const struct config_socket *s = &pg->conf->sockets.v[i];

		if (s->family == FAMILY_UNIX && l->n != 0)
			unlink(s->path);
		for (int k = 0; k < l->n; k++)
			keeperlink_drop(pg->en->kl, &l->slots[k]);
		keeperlink_drop(pg->en->kl, &l->lock_slot);
		free(l->slots);
	}
	freep(&pg->listeners);
	pg->nlisteners = 0;
}

/* --- fewer slots of a SO_REUSEPORT group ------------------------------------- */

static void
sockets_steer(struct program *pg, int keep, int n)
{
	struct err err = { .text = "" };

	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];

		if (!l->per_slot || l->n == 0 || keep <= 0)
			continue;
		if (listener_steer(keeperlink_fd(pg->en->kl, l->slots[0]),
			keep, n < l->n ? n : l->n, &err) == -1)
			log_warnx("%s: %s", pg->conf->name, err.text);
	}
}

void
sockets_shrink_begin(struct program *pg, int keep, int n)
{
	sockets_steer(pg, keep, n);
}

int
sockets_waiting(const struct program *pg, int slot)
{
	int waiting = 0;

	for (size_t i = 0; i < pg->nlisteners; i++) {
		const struct listener *l = &pg->listeners[i];
		int q;

		if (!l->per_slot || slot >= l->n)
			continue;
		q = listener_queued(keeperlink_fd(pg->en->kl, l->slots[slot]));
		waiting += q > 0 ? q : 0;
	}
	return waiting;
}

static void
sockets_drop_slot(struct program *pg, struct listener *l, int slot)
{
	int fd = keeperlink_fd(pg->en->kl, l->slots[slot]);
	int waiting = listener_queued(fd);

	if (waiting > 0 && !listener_migrate(fd))
		log_warnx("%s: %d connections waiting for slot %d are lost, "
		    "the kernel can't move them (tcp_migrate_req)",
		    pg->conf->name, waiting, slot);
	keeperlink_drop(pg->en->kl, &l->slots[slot]);
}

void
sockets_shrink_end(struct program *pg, int n)
{
	for (size_t i = 0; i < pg->nlisteners; i++) {
		struct listener *l = &pg->listeners[i];

		while (l->per_slot && l->n > n && l->n > 1)
			sockets_drop_slot(pg, l, --l->n);
	}
	sockets_steer(pg, n, n);
}
