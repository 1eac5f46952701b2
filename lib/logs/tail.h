/*
 * tail - the last lines of a log file, across its rotated parts.
 */
#ifndef LOGS_TAIL_H
#define LOGS_TAIL_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Appends the last nlines lines of path to out, going on with path.1, path.2
 * ... while they exist and lines are missing; at most max bytes (whole lines
 * where possible).  A file that is not there is empty, not an error.
 */
int tail_read(const char *path, unsigned nlines, size_t max, struct buf *out,
    struct err *err);

#endif
