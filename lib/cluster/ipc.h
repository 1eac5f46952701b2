/*
 * ipc - what stands in a line of a message channel, by Node's rules.
 *
 * A line is a JSON text.  An object whose cmd is a string that begins with
 * NODE_ and is longer than that is Node's own talk, everything else is a
 * message.  Pure but for ipc_open; nothing is allocated for a line.
 */
#ifndef CLUSTER_IPC_H
#define CLUSTER_IPC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum ipc_question {
	IPC_NONE,
	IPC_HANDLE,   /* did the descriptor arrive? */
	IPC_ALL_GONE, /* are all sockets of that key closed? */
	IPC_HOW_MANY, /* how many of them are there? */
};

/* All borrowed from the line. */
struct ipc_news {
	const char *text; /* the message as it was written; NULL: none */
	size_t len;
	bool ready; /* says that the child is ready */
	enum ipc_question question;
	const char *key; /* of the sockets: JSON */
	size_t key_len;
	size_t wrong_at; /* if it is no JSON text: from here */
};

/* fds[0] is ours (O_NONBLOCK), fds[1] the child's; both O_CLOEXEC. */
int ipc_open(int fds[2], struct err *err);
/* false: it is no JSON text.  A blank line is, and is nothing. */
bool ipc_understand(struct ipc_news *out, const char *line, size_t n);
/*
 * What Node waits for after such a line, without its end; nothing: it does
 * not wait.  Descriptors that children send are closed, so what it asks about
 * them has simple answers.
 */
void ipc_answer(struct buf *out, const struct ipc_news *news);

#endif
