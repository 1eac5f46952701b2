/*
 * codec - one compressed format, streamed: memory does not grow with the
 * input.
 */
#ifndef POOL_KINDS_CODEC_H
#define POOL_KINDS_CODEC_H

#include <stdbool.h>

#include "reeve/job.h"

#define CODEC_BUFFER ((size_t)128 << 10)
#define CODEC_MAGIC  6 /* bytes that tell the formats apart */

/* Input and output of one run; buffers are of the job's memory. */
struct codec_io {
	struct reeve_job *job;
	unsigned char *in, *out;
	size_t in_len, in_pos;
	bool in_end;
};

struct codec {
	const char *name;
	const char *missing;              /* NULL, or why it cannot be used */
	long level_min, level_max, level; /* the last: when none is given */
	const unsigned char *magic;
	size_t magic_len;
	int (*compress)(struct codec_io *io, long level);
	int (*decompress)(struct codec_io *io);
};

extern const struct codec codec_zstd, codec_gzip, codec_xz;

/* More input when all was taken; in_end: there is none.  -1: stop. */
int codec_fill(struct codec_io *io);
/* Appends n bytes of io->out to the output. */
int codec_flush(struct codec_io *io, size_t n);
/* Always -1. */
int codec_truncated(struct codec_io *io, const struct codec *c);
int codec_corrupt(struct codec_io *io, const struct codec *c, const char *why);

#endif
