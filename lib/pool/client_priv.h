/*
 * What the files of the client share.  It is a library of its own (libc and
 * proto.c): it must not abort its caller, so it does without base/.
 */
#ifndef POOL_CLIENT_PRIV_H
#define POOL_CLIENT_PRIV_H

#include <sys/un.h>

#include <stdbool.h>

#include "pool/proto.h"
#include "reeve/pool.h"

#define FDS_ENOUGH 48 /* the kernel takes 253 with one message */
#define SLOT_BITS  20

/* Bytes that grow; the library must not abort its caller. */
struct bytes {
	char *p;
	size_t len, cap;
};

struct conn {
	int fd; /* -1: not connected */
	struct bytes out, in;
	size_t in_at; /* read up to there */
	int fds[FDS_ENOUGH + POOL_MSG_FDS];
	size_t nfds;
	size_t jobs; /* not answered, that were sent here */
};

struct slot {
	uint64_t id; /* 0: free */
	struct pool_msg *msg;
	struct conn *conn; /* NULL: to be sent again, unless it is answered */
	bool answered;     /* late has it */
	size_t room;
	int fds[POOL_MSG_FDS];
	uint32_t next_free;
};

struct shared {
	int fd; /* -1: none */
	void *addr;
	size_t size;
};

struct reeve_pool {
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	uint8_t session[POOL_SESSION];
	/* The one that is used, and the one of a pool that is being replaced:
	 * what runs there is still answered. */
	struct conn conn[2];
	unsigned now;
	struct slot *slots;
	uint32_t nslots, free_slot;
	uint64_t count; /* of submits */
	size_t in_flight, resend, queries;
	struct shared buffers[REEVE_POOL_BUFFERS_MAX];
	/* Results that came on a connection before it broke. */
	struct bytes late;
	size_t late_at; /* read up to there */
	struct bytes text;
	char error[256];
};

/* -1, with errno and the reason. */
int client_fail(struct reeve_pool *p, int e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The connection that is used. */
struct conn *client_conn(struct reeve_pool *p);
/* It broke: another is made, and what was not answered is sent again. */
int client_conn_lost(struct reeve_pool *p, struct conn *c);

/* client_conn.c */
void client_close_fd(int *fd);
/* NULL or -1: no memory. */
char *client_bytes_room(struct bytes *b, size_t n);
int client_bytes_add(struct bytes *b, const void *p, size_t n);
void client_bytes_fini(struct bytes *b);
void client_conn_close(struct conn *c);
/* -1: the connection is broken. */
int client_conn_flush(struct conn *c);
/* fds are borrowed until the next flush. */
int client_conn_add(struct conn *c, const struct pool_msg *m, const int *fds);
int client_conn_add_bare(
    struct conn *c, uint16_t type, uint64_t id, const void *body, size_t n);
/* 1: something came; 0: nothing; -1: the end. */
int client_conn_fill(struct conn *c);
/* The next message that is whole; NULL: none; *bad: it talks rubbish. */
const struct pool_msg *client_conn_next(struct conn *c, const char **bad);

/* client_job.c: a request as the message it is sent in */
size_t client_request_size(
    const struct reeve_pool_request *rq, unsigned *nargs);
void client_request_write(
    const struct reeve_pool_request *rq, struct pool_msg *m, unsigned nargs);
/* Duplicates its descriptors; -1 with errno. */
int client_slot_fds(struct slot *s, const struct reeve_pool_request *rq);

/* client_buffer.c */
int client_send_buffer(struct reeve_pool *p, struct conn *c, unsigned i);

#endif
