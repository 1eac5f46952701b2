/*
 * ipcbox - what has come on a message channel and what is to go out on it,
 * kept where the engine's death does no harm.
 *
 * Two rings of bytes in a memfd that the keeper holds as well: in, what the
 * child wrote and nobody has dealt with yet; out, what it has not been
 * written yet.  Lines (JSON texts) go in and out whole.
 *
 * What is promised, at whatever instruction the engine is killed: each byte
 * that the child wrote is found in the ring once, in order, and each byte of
 * the out ring is written to the child once, in order.  For the kernel moves
 * the bytes and tells how many in one system call (recvmmsg, sendmmsg), and
 * tells it into the memfd: there is no instruction in between.  All else that
 * changes, changes with one store (ipcbox.c).
 *
 * Memory: that of a memfd, touched when used and given back when idle; at
 * most some 8 times the longest message.
 */
#ifndef CLUSTER_IPCBOX_H
#define CLUSTER_IPCBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IPCBOX_MAX_LEAST 1024
#define IPCBOX_MAX_MOST  (1024 * 1024)
/* Orders to write that are known again (ipcbox_put's key). */
#define IPCBOX_KEYS 64

struct ipcbox;

/* A new one, for messages of at most max bytes. */
struct ipcbox *ipcbox_new(size_t max, struct err *err);
/* That of an engine before this one; borrows fd. */
struct ipcbox *ipcbox_open(int fd, struct err *err);
void ipcbox_free(struct ipcbox *b);
int ipcbox_fd(const struct ipcbox *b); /* borrowed */
size_t ipcbox_max(const struct ipcbox *b);

/* --- what comes ------------------------------------------------------------
 */

enum ipcbox_result {
	IPCBOX_OK,     /* some bytes were moved */
	IPCBOX_AGAIN,  /* the socket has none, or takes none */
	IPCBOX_FULL,   /* lines wait in the ring: deal with them first */
	IPCBOX_CLOSED, /* by the other side */
};

/* A line, without its end; valid until the next call. */
struct ipcbox_line {
	const char *text;
	size_t len;
	uint64_t at; /* grows from line to line, is never used again */
};

/* Reads from the socket, once; *moved: bytes.  Descriptors that come along are
 * closed. */
enum ipcbox_result ipcbox_read(struct ipcbox *b, int sock, size_t *moved);
/* The oldest line that is there; it stays until ipcbox_done. */
bool ipcbox_line(struct ipcbox *b, struct ipcbox_line *out);
void ipcbox_done(struct ipcbox *b, const struct ipcbox_line *line);
/* What is there is more than the longest message and has no end. */
bool ipcbox_too_long(const struct ipcbox *b);

/* --- what goes -------------------------------------------------------------
 */

/*
 * A line to be written.  key, if not 0: once it is in, so are further ones
 * with that key (of the last IPCBOX_KEYS).  false: there is no room.
 */
bool ipcbox_put(struct ipcbox *b, const char *text, size_t n, uint64_t key);
bool ipcbox_has_key(const struct ipcbox *b, uint64_t key);
/*
 * An answer to that line that came, from a reserve: it is in once, however
 * often it is given.  false: the child has not read hundreds of them.
 */
bool ipcbox_answer(
    struct ipcbox *b, const struct ipcbox_line *to, const char *text, size_t n);
/* Writes to the socket, once. */
enum ipcbox_result ipcbox_write(struct ipcbox *b, int sock);
size_t ipcbox_bytes(const struct ipcbox *b);    /* not written yet */
size_t ipcbox_messages(const struct ipcbox *b); /* with the one begun */
/* Nothing more is put in; when the ring is empty the channel is closed. */
void ipcbox_end(struct ipcbox *b);
bool ipcbox_is_ended(const struct ipcbox *b);

#endif
