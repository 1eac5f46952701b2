/*
 * pump_priv - what the two threads of the pump share: pump.c tells how.
 */
#ifndef LOGS_PUMP_PRIV_H
#define LOGS_PUMP_PRIV_H

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "logs/pump.h"
#include "logs/rotate.h"

struct pump_tail;

enum pump_order_kind {
	PO_SINK,
	PO_REMOVE,
	PO_FLUSH,
	PO_FEED,
	PO_REOPEN,
	PO_TAP,
	PO_UNTAP,
	PO_SCAN,
	PO_UNSCAN,
	PO_STOP
};
enum pump_news_kind {
	PN_FLUSHED,
	PN_SINK,
	PN_TAP,
	PN_UNTAPPED,
	PN_GONE
};

struct pump_stream {
	/* the loop's */
	struct pump *pm;
	struct pump_stream *prev;
	struct pump_stream *next;
	bool removed;

	bool plain; /* a file, no pipe: pump_add_file */

	/* the pumper's, from pump_add on */
	bool at_eof;
	bool big_pipe;
	uint8_t fulls;
	struct pump_stream *next_hungry;
	int64_t until; /* of a plain file: to be read; 0: nothing */
	int fd;
	uint32_t due; /* bytes to read in this turn */
	bool copy_stderr;
	int32_t shown_errno; /* what the sink callback was last told */
	int64_t maxbytes;
	int64_t backups;
	char *path;
	struct rotate_file *file; /* from the first byte on, as is the tail */
	struct pump_tail *tail;
	struct pump_tap *taps;
	struct pump_scan *scans;

	/* Changed under the mutex, together with the read. */
	atomic_uint_least64_t bytes;
	atomic_uint_least64_t dropped;
	atomic_uint_least32_t rotations;
	atomic_int last_errno;
	char name[];
};

struct pump_tap {
	/* the loop's */
	struct pump *pm;
	struct pump_stream
	    *st; /* maybe gone: only the pumper looks, if linked */
	pump_tap_cb *cb;
	void *arg;
	struct pump_tap *prev;
	struct pump_tap *next;
	bool closed;
	/* the pumper's */
	bool linked;
	struct pump_tap *sibling;
	/* under the mutex */
	struct buf data;
	uint64_t lost; /* after data */
	bool posted;   /* news of it is in the queue */
};

/* The pumper's, from the order on. */
struct pump_scan {
	struct pump_scan *next;
	uint64_t id;
	uint64_t from; /* bytes of the stream before it do not count */
	regex_t re;
	int fd;
	size_t len; /* of the line so far */
	char line[PUMP_SCAN_LINE + 1];
};

/* An order, or news: one struct, because both are few and short-lived. */
struct pump_msg {
	struct pump_msg *next;
	enum pump_order_kind order;
	enum pump_news_kind news;
	struct pump_stream *st;
	struct pump_tap *tap;
	struct pump_scan *scan;
	uint64_t id; /* of a scan */
	pump_flush_cb *cb;
	void *arg;
	struct pump_sink sink; /* its path is text */
	int64_t until;         /* length of a plain file */
	char *text;            /* or the tail of a flush */
	size_t len;
	int errnum;
	uint64_t dropped;
};

struct pump_queue {
	int efd;
	struct pump_msg *first;
	struct pump_msg **last;
};

struct pump {
	unsigned magic;
	/* the loop's */
	pump_sink_cb *cb;
	void *arg;
	struct loop_io io;
	struct pump_stream *streams;
	struct pump_tap *taps;
	struct pump_msg *taken; /* news being told */
	bool telling;           /* inside pump_on_news */
	bool dead;              /* pump_free was called there */
	pthread_t thread;
	/* the pumper's */
	int epfd;
	bool stopping;
	struct pump_stream *hungry; /* plain files with bytes to read */
	struct pump_msg *gone;      /* news of this turn's removed streams */
	char *chunk;
	struct rotate_file stderr_copy;

	pthread_mutex_t gate; /* the loop's while the pump is held */
	pthread_mutex_t mutex;
	struct pump_queue orders;
	struct pump_queue news;
};

void pump_msg_free(struct pump_msg *m);
void pump_scan_free(struct pump_scan *sc);

/* --- scan.c: of the pumper --------------------------------------------------
 */

/* n bytes that begin at the stream's position at. */
void pumper_scan(
    struct pump_stream *st, const char *data, size_t n, uint64_t at);
void pumper_unscan(struct pump_stream *st, uint64_t id);
void pumper_unscan_all(struct pump_stream *st);

/* Takes m; wakes who reads that queue. */
void pump_post(struct pump *pm, struct pump_queue *q, struct pump_msg *m);
/* Before pump_take, when the queue's descriptor was readable. */
void pump_hush(struct pump_queue *q);
struct pump_msg *pump_take(struct pump *pm, struct pump_queue *q);

/* The thread: arg is the pump; ends with PO_STOP. */
void *pumper_main(void *arg);

#endif
