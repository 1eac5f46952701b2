/* kind - what several kinds need. */
#ifndef POOL_KINDS_KIND_H
#define POOL_KINDS_KIND_H

#include <stdbool.h>

#include "reeve/job.h"

/* A whole number within [min, max]; *out stays when it was not given. */
int kind_number(
    struct reeve_job *job, const char *name, long min, long max, long *out);
/* read() until buf is full or the input ends. */
ptrdiff_t kind_read_full(struct reeve_job *job, void *buf, size_t n);

#endif
