/*
 * ipc - the message channel of a child that is a Node process, or speaks as
 * one: JSON texts, one a line, on a stream socket (NODE_CHANNEL_FD).
 *
 * What comes is from outside: a line has a bound, and all that is understood
 * is that the child is ready: the message "ready" (process.send('ready')), or
 * what Node's cluster says of itself, {"cmd":"NODE_...","act":"listening"}.
 */
#ifndef CLUSTER_IPC_H
#define CLUSTER_IPC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define IPC_LINE_MAX (64 * 1024)

/* Zeroed: nothing of a line has come yet. */
struct ipc {
	char *line; /* what came of a line that has no end yet */
	size_t len;
	size_t seen; /* was looked at, and not taken */
};

enum ipc_result {
	IPC_NOTHING,  /* there is nothing more for now */
	IPC_MORE,     /* something was read, there may be more */
	IPC_READY,    /* so it said; the same */
	IPC_CLOSED,   /* by the child */
	IPC_TOO_LONG, /* a line beyond IPC_LINE_MAX */
};

/* fds[0] is ours (O_NONBLOCK), fds[1] the child's; both O_CLOEXEC. */
int ipc_open(int fds[2], struct err *err);
void ipc_fini(struct ipc *ipc);
/*
 * Looks at what is there, never blocks.  With IPC_READY it is not taken out
 * of the socket yet: note it down, then call ipc_take.
 */
enum ipc_result ipc_look(struct ipc *ipc, int fd);
/* Takes what was looked at. */
void ipc_take(struct ipc *ipc, int fd);
/* Does this text say that the child is ready? */
bool ipc_is_ready(const char *text, size_t n);

#endif
