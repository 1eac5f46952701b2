/*
 * listener - addresses bound once, locked, and passed to instances.
 *
 * Before an address is bound an abstract Unix socket named after it is, as a
 * lock (unix(7); scoped by network namespace, as ports are, and gone with
 * its last descriptor): SO_REUSEPORT can so not hide a second daemon.  A
 * foreign listener is found as well: the first socket of an address is bound
 * without SO_REUSEPORT, which the others of its group then get.
 *
 * Runs in the engine, which hands every descriptor to the keeper before the
 * socket listens.  Nothing is ever bound again during a roll.
 */
#ifndef CLUSTER_LISTENER_H
#define CLUSTER_LISTENER_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"

/* "tcp 127.0.0.1:8080", "unix /run/x": names an address in locks, messages. */
void listener_name(const struct config_socket *s, char *out, size_t size);
/* Returns the lock's descriptor, or -1: "... is served by another reeved". */
int listener_lock(const struct config_socket *s, struct err *err);
/*
 * Returns a bound socket (O_CLOEXEC, O_NONBLOCK), not yet listening.  group:
 * it is to be one of a SO_REUSEPORT group; first: the first of that group (or
 * the only one): then a stale Unix socket file is removed, and an address in
 * use by somebody else is found and named (pid and program where /proc shows
 * them).  Unix: mode and owner are set before anybody can connect; a Unix
 * socket has no group.  tcp6 is IPv6 only, so that tcp may have the same port.
 */
int listener_bind(
    const struct config_socket *s, bool group, bool first, struct err *err);
/*
 * Could somebody bind it now, with SO_REUSEADDR as servers do?  What fails for
 * another reason than that it is in use is free: that is theirs to find out.
 * false: err, which may be NULL, tells who has it.  Nothing listens meanwhile.
 */
bool listener_is_free(const struct config_socket *s, struct err *err);
/* Sockets of a group are told to listen in the order of their slots. */
int listener_listen(int fd, const struct config_socket *s, struct err *err);
/* Connections waiting in a listener's accept queue; -1 when unknown. */
int listener_queued(int fd);
/*
 * Scale-down of a SO_REUSEPORT group: from now on the kernel gives new
 * connections to the first keep of the group's n sockets only (classic BPF,
 * SO_ATTACH_REUSEPORT_CBPF); fd is any of the group.  keep == n: as before.
 * Sockets are numbered in the order in which they began to listen.
 */
int listener_steer(int fd, int keep, int n, struct err *err);
/*
 * A socket of a group that is about to be closed, but still has connections
 * queued: stops it from listening, for all who hold it, and the kernel moves
 * what was queued to the others of the group (net.ipv4.tcp_migrate_req, which
 * is turned on for the moment where it is off and we may).  false: that is not
 * possible, nothing was done, and its queue would be reset by a close.
 */
bool listener_migrate(int fd);

#endif
