/*
 * chan - messages with descriptors over a SOCK_SEQPACKET socket pair.
 *
 * One packet is one message: never half of one, never two.  A payload over
 * CHAN_INLINE_MAX travels in a memfd, unseen by both ends.  Neither end waits:
 * chan_send says CHAN_FULL and the owner asks to be told when there is room;
 * what it keeps until then is its own affair (the keeper keeps nothing: its
 * tables say what is still to be told).
 *
 * A peer that breaks the protocol is closed, never obeyed in part.
 */
#ifndef IPC_CHAN_H
#define IPC_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/codec.h"
#include "loop/loop.h"

#define MSG_VERSION     5
#define CHAN_INLINE_MAX 65536
#define CHAN_MAX        (16u << 20) /* of a payload */
#define CHAN_FDS_MAX    32

enum msg_type {
#define MSG(name, number, payload) MSG_##name = number,
#include "ipc/msg.def"
#undef MSG
};

enum chan_result {
	CHAN_SENT,
	CHAN_FULL,
	CHAN_BROKEN
};

struct chan;

/*
 * fds: nfds of them, closed after the callback unless set to -1 (taken).
 * -1: the message was malformed; the channel is closed.
 */
typedef int chan_msg_cb(
    void *arg, enum msg_type type, struct mr *r, int *fds, size_t nfds);
/* The other end is gone or was refused (why); called once. */
typedef void chan_closed_cb(void *arg, const char *why);
typedef void chan_room_cb(void *arg);

struct chan_ops {
	chan_msg_cb *msg;
	chan_closed_cb *closed;
	chan_room_cb *room; /* after CHAN_FULL: try again */
};

/* Takes fd.  NULL when there is no memory (fd is closed). */
struct chan *chan_new(
    struct loop *lp, int fd, const struct chan_ops *ops, void *arg);
void chan_free(struct chan *ch);
/* Borrowed; -1: closed. */
int chan_fd(const struct chan *ch);
/* w: NULL for an empty payload.  Borrows the descriptors. */
enum chan_result chan_send(struct chan *ch, enum msg_type type,
    const struct mw *w, const int *fds, size_t nfds);
/* Reads what has arrived already, to the end: the peer is known to be dead. */
void chan_drain(struct chan *ch);
const char *msg_name(enum msg_type type);

#endif
