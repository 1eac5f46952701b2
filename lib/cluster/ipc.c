/*
 * ipc - what stands in a line of a message channel, by Node's rules.
 */
#include "cluster/ipc.h"

#include <sys/socket.h>

#include <string.h>

#include "base/fd.h"
#include "base/jtext.h"

int
ipc_open(int fds[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
		fds[0] = fds[1] = -1;
		return err_sys(err, "socketpair for a message channel");
	}
	if (fd_nonblock(fds[0]) == 0)
		return 0;
	err_sys(err, "socketpair for a message channel");
	fd_closep(&fds[0]);
	fd_closep(&fds[1]);
	return -1;
}

/* Of {"cmd":"NODE_x"}: NODE_x and its length; false: it is not Node's. */
static bool
ipc_is_internal(const char *p, size_t n, const char **cmd, size_t *len)
{
	if (!jtext_member(p, n, "cmd", cmd, len))
		return false;
	return *len > 7 && memcmp(*cmd, "\"NODE_", 6) == 0;
}

static void
ipc_internal(
    struct ipc_news *out, const char *p, size_t n, const char *cmd, size_t len)
{
	const char *act, *msg, *inner;
	size_t act_len, msg_len, inner_len;

	if (jtext_member(p, n, "act", &act, &act_len))
		out->ready = jtext_is_string(act, act_len, "listening");
	if (jtext_is_string(cmd, len, "NODE_HANDLE")) {
		out->question = IPC_HANDLE;
		/* The message is in there. */
		if (jtext_member(p, n, "msg", &msg, &msg_len) &&
		    !ipc_is_internal(msg, msg_len, &inner, &inner_len)) {
			out->text = msg;
			out->len = msg_len;
		}
		return;
	}
	if (!jtext_member(p, n, "key", &out->key, &out->key_len))
		return;
	if (jtext_is_string(cmd, len, "NODE_SOCKET_NOTIFY_CLOSE"))
		out->question = IPC_ALL_GONE;
	else if (jtext_is_string(cmd, len, "NODE_SOCKET_GET_COUNT"))
		out->question = IPC_HOW_MANY;
}

bool
ipc_understand(struct ipc_news *out, const char *line, size_t n)
{
	const char *cmd;
	size_t len;

	memset(out, 0, sizeof *out);
	while (n > 0 && strchr(" \t\r", line[n - 1]) != NULL &&
	       line[n - 1] != '\0')
		n--;
	while (n > 0 && (*line == ' ' || *line == '\t'))
		line++, n--;
	if (n == 0)
		return true;
	if (!jtext_valid(line, n, &out->wrong_at))
		return false;
	if (ipc_is_internal(line, n, &cmd, &len)) {
		ipc_internal(out, line, n, cmd, len);
		return true;
	}
	out->text = line;
	out->len = n;
	out->ready = jtext_is_string(line, n, "ready");
	return true;
}

void
ipc_answer(struct buf *out, const struct ipc_news *news)
{
	switch (news->question) {
	case IPC_NONE:
		return;
	case IPC_HANDLE:
		buf_adds(out, "{\"cmd\":\"NODE_HANDLE_ACK\"}");
		return;
	case IPC_ALL_GONE:
	case IPC_HOW_MANY:
		/* A key is some "4:null:8080"; what is longer is no key. */
		if (news->key_len > 1000)
			return;
		buf_addf(out, "{\"cmd\":\"%s\",\"key\":",
		    news->question == IPC_HOW_MANY ? "NODE_SOCKET_COUNT"
						   : "NODE_SOCKET_ALL_CLOSED");
		buf_add(out, news->key, news->key_len);
		buf_adds(out,
		    news->question == IPC_HOW_MANY ? ",\"count\":0}" : "}");
		return;
	}
}
