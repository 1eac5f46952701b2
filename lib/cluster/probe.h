/*
 * probe - one look whether somebody answers: connect, or GET and a status.
 *
 * Never blocks: the target holds addresses, no names.  Nothing of an answer
 * beyond its first line is looked at, and no more than a few KiB of it are
 * read.  Whoever answers is believed: that it is the right one is the
 * config's business.
 */
#ifndef CLUSTER_PROBE_H
#define CLUSTER_PROBE_H

#include <stdint.h>

#include "config/config.h"
#include "loop/loop.h"

#define PROBE_ERROR_MAX 160

struct probe;

/*
 * error: NULL when the answer was a good one, else what was wrong, "connect
 * 127.0.0.1:8080: Connection refused"; borrowed.  The probe is gone.
 */
typedef void probe_cb(void *arg, const char *error);

/*
 * Borrows target until the callback, which comes from the loop, exactly once,
 * timeout_ms from now at the latest.  timeout_ms > 0.
 */
struct probe *probe_start(struct loop *lp, const struct config_probe *target,
    int64_t timeout_ms, probe_cb *cb, void *arg);
/* No callback after this. */
void probe_cancel(struct probe **pp);

#endif
