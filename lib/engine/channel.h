/*
 * channel - the message channel of a child: JSON texts, one a line, as Node's
 * child_process.fork() speaks (NODE_CHANNEL_FD).
 *
 * What the child sends goes into the log of messages (msglog.h), each text as
 * it came and once, whatever becomes of an engine.  What it is sent waits in
 * its box (cluster/ipcbox.h), up to a bound, and is written once.  A child
 * that sends more than its rate, or more than readers take, is not read for a
 * while; one that speaks no JSON loses its channel, and lives.
 *
 * The socket and the box are in the keeper's store, as "ipc:" and "box:",
 * from before the child is started until it is dead and was heard.
 */
#ifndef ENGINE_CHANNEL_H
#define ENGINE_CHANNEL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "engine/engine.h"
#include "state/msglog.h"

struct channel;

struct channel_limits {
	int64_t max;   /* bytes of a message, either way */
	int64_t queue; /* messages that wait for the child */
	struct config_rate rate;
};

struct channel_who {
	const char *name; /* "web.0" */
	uint32_t generation;
	uint64_t id; /* keeper's */
};

/* It has said that it is ready; may come twice. */
typedef void channel_ready(void *arg);

void channel_limits_of(
    struct channel_limits *out, const struct config_program *conf);
/*
 * For a child about to be started: *child_fd is the caller's.  ready may be
 * NULL.  NULL and err.
 */
struct channel *channel_new(struct engine *en, const struct channel_who *who,
    const struct channel_limits *limits, int *child_fd, channel_ready *ready,
    void *arg, struct err *err);
/* That of a child that an engine before this one started. */
struct channel *channel_adopt(struct engine *en, const struct channel_who *who,
    const struct channel_limits *limits, channel_ready *ready, void *arg);
void channel_limit(struct channel *ch, const struct channel_limits *limits);
/* The child is there: from now on it is heard. */
void channel_start(struct channel *ch, pid_t pid);
/* It is dead: what it said before is heard now, and no more. */
void channel_finish(struct channel *ch);
void channel_free(struct channel *ch);
struct channel *channel_find(const struct engine *en, const char *name);
/* Is that slot of the keeper's store some channel's? */
bool channel_owns(const struct engine *en, unsigned slot);

/* A JSON text for the child; key: see ipcbox_put.  -1: why it did not go. */
int channel_send(struct channel *ch, const char *text, size_t n, uint64_t key,
    struct err *err);
/* Closes it when all that waits has been written. */
int channel_end(struct channel *ch, struct err *err);
bool channel_is_open(const struct channel *ch);
size_t channel_waiting(const struct channel *ch); /* messages for the child */

/* --- for the control server -------------------------------------------------
 */

/* error NULL: it is in the channel. */
typedef void engine_sent_cb(void *arg, const char *name, const char *error);
/*
 * To each slot of those names that has an instance, and to commands that are
 * run with a channel ("run:NAME"); text NULL: its channel is
 * to be closed.  -1: a name that fits nothing.
 */
int engine_send(struct engine *en, char *const *names, size_t n,
    const char *text, size_t len, uint64_t key, engine_sent_cb *cb, void *arg,
    struct err *err);
/* Made when it is first asked for; NULL and err. */
struct msglog *engine_messages(struct engine *en, struct err *err);
uint64_t engine_last_message(struct engine *en); /* its number; 0: none */
/* A reader has read on: who was not read for its sake may be read. */
void engine_messages_moved(struct engine *en);

#endif
