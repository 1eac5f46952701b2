/*
 * ipc - the message channel of a child that is a Node process.
 *
 * Bytes are looked at (MSG_PEEK), acted on, and only then taken, so that an
 * engine that dies in between leaves them to the next one.  What came of a
 * line without its end is kept here; who loses it loses that line.
 */
#include "cluster/ipc.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define IPC_CHUNK 16384

int
ipc_open(int fds[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
		fds[0] = fds[1] = -1;
		return err_sys(err, "socketpair for ready=ipc");
	}
	if (fd_nonblock(fds[0]) == 0)
		return 0;
	err_sys(err, "socketpair for ready=ipc");
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
	return -1;
}

void
ipc_fini(struct ipc *ipc)
{
	freep(&ipc->line);
	ipc->len = 0;
}

bool
ipc_is_ready(const char *text, size_t n)
{
	json_t *msg = json_loadb(text, n, JSON_DECODE_ANY, NULL);
	const char *s = json_string_value(msg);
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));
	const char *act = json_string_value(json_object_get(msg, "act"));
	bool ready;

	ready = (s != NULL && strcmp(s, "ready") == 0) ||
		(cmd != NULL && strncmp(cmd, "NODE_", 5) == 0 && act != NULL &&
		    strcmp(act, "listening") == 0);
	json_decref(msg);
	return ready;
}

/* The line that ends with these n bytes. */
static bool
ipc_line_is_ready(const struct ipc *ipc, bool first, const char *p, size_t n)
{
	char *whole;
	bool ready;

	if (!first || ipc->len == 0)
		return ipc_is_ready(p, n);
	whole = xmalloc(ipc->len + n);
	memcpy(whole, ipc->line, ipc->len);
	memcpy(whole + ipc->len, p, n);
	ready = ipc_is_ready(whole, ipc->len + n);
	free(whole);
	return ready;
}

static ssize_t
ipc_recv(int fd, char *data, size_t n, int flags)
{
	ssize_t rc;

	/* Descriptors that come along are closed by the kernel. */
	do {
		rc = recv(fd, data, n, MSG_DONTWAIT | flags);
	} while (rc == -1 && errno == EINTR);
	return rc;
}

enum ipc_result
ipc_look(struct ipc *ipc, int fd)
{
	char data[IPC_CHUNK];
	const char *p = data, *nl;
	bool first = true, ready = false;
	ssize_t n = ipc_recv(fd, data, sizeof data, MSG_PEEK);
	size_t left;

	if (n == -1 && errno == EAGAIN)
		return IPC_NOTHING;
	if (n <= 0)
		return IPC_CLOSED;
	left = ipc->seen = (size_t)n;
	while ((nl = memchr(p, '\n', left)) != NULL) {
		ready =
		    ready || ipc_line_is_ready(ipc, first, p, (size_t)(nl - p));
		first = false;
		left -= (size_t)(nl + 1 - p);
		p = nl + 1;
	}
	if (left + (first ? ipc->len : 0) > IPC_LINE_MAX)
		return IPC_TOO_LONG;
	return ready ? IPC_READY : IPC_MORE;
}

void
ipc_take(struct ipc *ipc, int fd)
{
	char data[IPC_CHUNK];
	/* No more than that: what came since has not been looked at. */
	ssize_t n = ipc_recv(fd, data, ipc->seen, 0);
	const char *nl, *rest = data;
	size_t left;

	if (n <= 0)
		return;
	nl = memrchr(data, '\n', (size_t)n);
	if (nl != NULL) {
		ipc_fini(ipc);
		rest = nl + 1;
	}
	left = (size_t)(data + n - rest);
	if (left == 0)
		return;
	ipc->line = xreallocarray(ipc->line, ipc->len + left, 1);
	memcpy(ipc->line + ipc->len, rest, left);
	ipc->len += left;
}
