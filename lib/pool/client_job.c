/*
 * client_job - a request, as the message it is sent in.
 */
#include <fcntl.h>
#include <string.h>

#include "pool/client_priv.h"

size_t
client_request_size(const struct reeve_pool_request *rq, unsigned *nargs)
{
	size_t n = sizeof(struct pool_msg) + sizeof(struct pool_submit);

	n += strlen(rq->kind) + 1;
	n += (rq->in_name != NULL ? strlen(rq->in_name) : 0) + 1;
	n += (rq->out_name != NULL ? strlen(rq->out_name) : 0) + 1;
	*nargs = 0;
	for (; rq->args != NULL && rq->args[*nargs] != NULL; ++*nargs)
		n += strlen(rq->args[*nargs]) + 1;
	return (n + 7) / 8 * 8;
}

static char *
put_string(char *to, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	if (n > 0)
		memcpy(to, s, n);
	to[n] = '\0';
	return to + n + 1;
}

void
client_request_write(
    const struct reeve_pool_request *rq, struct pool_msg *m, unsigned nargs)
{
	struct pool_submit *s = (struct pool_submit *)(m + 1);
	char *to = (char *)(s + 1);

	*s = (struct pool_submit){
		.flags = (uint16_t)((rq->in_fd != -1 ? PS_IN : 0) |
				    (rq->out_fd != -1 ? PS_OUT : 0) |
				    (rq->retry ? PS_RETRY : 0) |
				    (rq->progress ? PS_PROGRESS : 0)),
		.priority = (uint8_t)rq->priority,
		.nargs = (uint8_t)nargs,
		.queue_timeout_ms = rq->queue_timeout_ms,
		.run_timeout_ms = rq->run_timeout_ms,
		.in_buffer = (uint32_t)(rq->in_buffer + 1),
		.out_buffer = (uint32_t)(rq->out_buffer + 1),
		.in_off = rq->in_off,
		.in_len = rq->in_len,
		.out_off = rq->out_off,
		.out_len = rq->out_len,
	};
	to = put_string(to, rq->kind);
	to = put_string(to, rq->in_name);
	to = put_string(to, rq->out_name);
	for (unsigned i = 0; i < nargs; i++)
		to = put_string(to, rq->args[i]);
	memset(to, 0, (size_t)((char *)m + m->len - to));
}

int
client_slot_fds(struct slot *s, const struct reeve_pool_request *rq)
{
	const int from[POOL_MSG_FDS] = { rq->in_fd, rq->out_fd };
	uint16_t n = 0;

	for (unsigned i = 0; i < POOL_MSG_FDS; i++) {
		if (from[i] == -1)
			continue;
		s->fds[n] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (s->fds[n] == -1) {
			while (n > 0)
				client_close_fd(&s->fds[--n]);
			return -1;
		}
		n++;
	}
	s->msg->nfds = n;
	return 0;
}
