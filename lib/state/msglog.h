/*
 * msglog - the messages that children sent, numbered, the newest 4 MiB.
 *
 * A ring in a memfd that the keeper holds: numbers go on over a restart of
 * the engine, and so do readers, who remember the last that they saw.  What a
 * reader has not come to is overwritten in the end; it is told of the gap.
 * But who adds asks first how much of his readers have not seen yet, and
 * waits for those that read on.
 */
#ifndef STATE_MSGLOG_H
#define STATE_MSGLOG_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

#define MSGLOG_NAME_MAX 80
#define MSGLOG_CHANNELS 4096 /* counted apart */
#define MSGLOG_STALL_MS 10000

struct msglog;

/* As it lies in the ring; the text follows it. */
struct msglog_head {
	uint32_t size; /* with text, to the next one */
	uint32_t len;  /* of the text */
	uint64_t seq;  /* from 1 */
	wall_ms at_ms;
	uint64_t id; /* keeper's, of the child */
	uint64_t at; /* struct ipcbox_line */
	int32_t pid;
	uint32_t counter; /* where it is counted, of MSGLOG_CHANNELS */
	char name[MSGLOG_NAME_MAX];
};

struct msglog_message {
	const struct msglog_head *head;
	const char *text;
};

/* fd -1: a new one; else (borrowed) that of an engine before. */
struct msglog *msglog_open(int fd, struct err *err);
void msglog_free(struct msglog *ml);
int msglog_fd(const struct msglog *ml); /* borrowed */

/*
 * Adds one; h: all but size, seq.  Once: if it is the newest already (by id
 * and at) it was added before an engine died, and nothing is done.
 */
void msglog_add(struct msglog *ml, const struct msglog_head *h,
    const char *text, mono_ms now);
uint64_t msglog_last(const struct msglog *ml); /* 0: none yet */
/* Number of the newest that was overwritten; 0: none was. */
uint64_t msglog_before(const struct msglog *ml);

/* Embedded; called when there is more. */
struct msglog_reader {
	struct msglog_reader *next;
	uint64_t pos;  /* in the ring */
	uint64_t seen; /* number of the last */
	mono_ms moved_ms;
	void (*news)(void *arg);
	void *arg;
};
/* Begins after the message of that number, or with the oldest. */
void msglog_read_from(
    struct msglog *ml, struct msglog_reader *rd, uint64_t seen);
/* Calls news from now on; msglog_add waits for it, see msglog_unread. */
void msglog_follow(struct msglog *ml, struct msglog_reader *rd, mono_ms now);
void msglog_unfollow(struct msglog *ml, struct msglog_reader *rd);
/*
 * The next, valid until something is added.  *lost: so many were overwritten
 * before it.  false: there is none.
 */
bool msglog_next(struct msglog *ml, struct msglog_reader *rd,
    struct msglog_message *out, uint64_t *lost);
void msglog_took(struct msglog *ml, struct msglog_reader *rd, mono_ms now);

/*
 * Bytes counted there that some follower has yet to read; one that has not
 * read on for MSGLOG_STALL_MS does not count.
 */
size_t msglog_unread(struct msglog *ml, uint32_t counter, mono_ms now);
/* Of all of them. */
size_t msglog_unread_all(struct msglog *ml, mono_ms now);

#endif
