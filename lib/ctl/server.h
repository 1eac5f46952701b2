/*
 * server - the control socket: who may connect, and how much of it.
 *
 * Runs in the engine, on its loop; never blocks.  Nothing that a client sends
 * or leaves unread stops it, ends it or makes it grow past the limits below.
 * The language: cmd.def and reeve-protocol(7); one connection: session.c.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "base/err.h"
#include "engine/engine.h"
#include "loop/loop.h"

#define CTL_PROTOCOL    1
#define CTL_CLIENTS_MAX 256
/* Of those that are neither root nor reeved's own user: in all, of one uid. */
#define CTL_CLIENTS_OTHERS 192
#define CTL_CLIENTS_UID    64
#define CTL_LINE_MAX       (1024 * 1024)     /* bytes of a request */
#define CTL_OUT_MAX        (4 * 1024 * 1024) /* waiting for a client */
#define CTL_REQUESTS_MAX   64                /* under way on one connection */

struct ctl_server;

struct ctl_server *ctl_server_new(
    struct loop *lp, struct engine *en, struct err *err);
/*
 * Accepts from listen_fd (borrowed: the keeper's, it outlives this engine)
 * until ctl_server_free.  Makes it non-blocking.
 */
int ctl_server_listen(struct ctl_server *srv, int listen_fd, struct err *err);
/* Serves a connected socket as if it had been accepted.  Takes fd. */
void ctl_server_adopt(struct ctl_server *srv, int fd);
/*
 * Detaches every order, tries once to send what is waiting, closes the
 * connections.  Not from inside a callback of the engine's orders.
 */
void ctl_server_free(struct ctl_server *srv);

#endif
