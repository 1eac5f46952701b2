/*
 * pump - drains the pipes that programs write to, into files that rotate.
 *
 * One thread of the engine, so that a slow disk never delays supervision.  A
 * stream is one pipe's read end and where its bytes go.  The pipe is always
 * drained: when the sink cannot take bytes (ENOSPC, EIO, the folder is gone)
 * they are dropped and counted, the sink is tried again, nobody is blocked.
 * Bytes go through raw and in order.
 *
 * All functions are called from the engine's loop thread and never wait for
 * the pump thread; callbacks come on the loop.  An idle pump does not wake.
 * Pipes belong to the keeper's fd store: bytes left in one when the engine
 * dies are read by the next engine's pump.  At its end of file a stream is
 * idle, and goes on when somebody opens the pipe again.
 *
 * "Drains": reads what was in the pipe at that moment, so that a writer that
 * never stops cannot hold it up.  A stream that has not seen a byte costs a
 * descriptor and less than 300 bytes.
 */
#ifndef LOGS_PUMP_H
#define LOGS_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

#define PUMP_TAIL_MAX 2048 /* bytes kept of the end of each stream */

struct pump;
struct pump_stream;

/*
 * A file is created 0640 in a folder that is there.  One that is not a plain
 * file (a device, a FIFO, a symbolic link) is never rotated; a FIFO or a
 * terminal that takes no more loses bytes, which count as dropped.
 */
struct pump_sink {
	const char *path; /* NULL: nowhere; opened with the first byte */
	int64_t maxbytes; /* 0: never rotated */
	int64_t backups;
	bool copy_stderr; /* also to fd 2 (reeved's own log with -n) */
};

struct pump_stats {
	uint64_t bytes;   /* read from the pipe */
	uint64_t dropped; /* of them, not written */
	uint64_t rotations;
	int last_errno; /* of the sink, 0 when it works */
};

/*
 * tail: the last bytes that came through the pipe since the flush before
 * (at most PUMP_TAIL_MAX, whole lines where possible); borrowed.
 */
typedef void pump_flush_cb(void *arg, const char *tail, size_t len);
/* New bytes of a stream; dropped: bytes that this tap missed before them
 * (then len may be 0). */
typedef void pump_tap_cb(
    void *arg, const char *data, size_t len, uint64_t dropped);
/* A sink began to fail or works again (errnum 0): for one log line.
 * dropped: bytes of the stream lost up to now.  A file that could not be
 * rotated fails, too, though no byte is lost: it grows on. */
typedef void pump_sink_cb(void *arg, const char *name, const char *path,
    int errnum, uint64_t dropped);

struct pump *pump_new(
    struct loop *lp, pump_sink_cb *cb, void *arg, struct err *err);
/*
 * Drains what is in the pipes, closes the sinks, joins the thread.  Frees the
 * streams and taps that are left; nothing calls back any more, not even a
 * flush.
 */
void pump_free(struct pump *pm);
/*
 * The same, but waits ms at most for a disk; -1: the thread still writes, and
 * nothing was freed: the process can only exit.
 */
int pump_end(struct pump *pm, int64_t ms);

/*
 * Nothing is read between the two: so that an engine that takes over can say
 * what is to be done with bytes that wait in the pipes.
 */
void pump_hold(struct pump *pm);
void pump_go_on(struct pump *pm);

/*
 * Borrows name and sink (copied); makes a duplicate of fd, a pipe's read end,
 * which becomes O_NONBLOCK.  NULL and errno when the kernel refuses.
 */
struct pump_stream *pump_add(
    struct pump *pm, const char *name, int fd, const struct pump_sink *sink);
/*
 * The same of a plain file that others append to: its bytes are read from fd's
 * place on, which the duplicate shares, whenever pump_feed is called, and by
 * pump_flush up to the length that it has then.  Tap and scan it like a pipe.
 */
struct pump_stream *pump_add_file(
    struct pump *pm, const char *name, int fd, const struct pump_sink *sink);
/* More has been appended. */
void pump_feed(struct pump_stream *st);
/* How far it has been read; whoever frees its disk leaves what is behind. */
int64_t pump_file_place(const struct pump_stream *st);
void pump_set_sink(struct pump_stream *st, const struct pump_sink *sink);
/* Drains what is in the pipe, closes the sink.  No callback after this. */
void pump_remove(struct pump_stream **stp);
/* Reads the pipe until it is empty, then calls back, once. */
void pump_flush(struct pump_stream *st, pump_flush_cb *cb, void *arg);
void pump_stats(struct pump_stream *st, struct pump_stats *out);
/* Opens every file again by its name (SIGUSR1, logrotate). */
void pump_reopen(struct pump *pm);

/*
 * Looks for a line that the POSIX extended regular expression matches, in
 * what comes from now on (all: also in what waits in the pipe), until it is
 * found: then 1 is written into fd, an eventfd (borrowed), and it is over.
 * Of a line the first PUMP_SCAN_LINE bytes count.  id: the caller's, to stop
 * it.  -1: errno, or EINVAL when the expression is none.  It may wait for one
 * read of the pump's, to be exact.
 */
#define PUMP_SCAN_LINE 4096
int pump_scan(
    struct pump_stream *st, uint64_t id, const char *regex, int fd, bool all);
void pump_scan_stop(struct pump_stream *st, uint64_t id);

struct pump_tap;
/* Bounded (256 KiB waiting): a tap that lags loses bytes and is told. */
struct pump_tap *pump_tap(struct pump_stream *st, pump_tap_cb *cb, void *arg);
void pump_untap(struct pump_tap **tp);

#endif
