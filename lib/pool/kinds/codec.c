/*
 * codec - compress and decompress, for all formats.
 *
 *	compress    format=zstd|gzip|xz	zstd when not given
 *		    level=N		zstd 1-19, gzip 1-9, xz 0-9
 *	decompress			the format is found by its first bytes
 *
 * Whole files after one another are one file, as the tools have it.  Threads
 * of the libraries are not used: what is parallel is the jobs.
 */
#include "pool/kinds/codec.h"

#include <string.h>

#include "pool/kinds/kind.h"
#include "pool/kinds/kinds.h"

static const struct codec *const codecs[] = { &codec_zstd, &codec_gzip,
	&codec_xz };

#define CODECS_N (sizeof codecs / sizeof *codecs)

/* --- input and output
 * ------------------------------------------------------------ */

static int
codec_init(struct codec_io *io, struct reeve_job *job)
{
	memset(io, 0, sizeof *io);
	io->job = job;
	io->in = job->api->alloc(job, CODEC_BUFFER);
	io->out = job->api->alloc(job, CODEC_BUFFER);
	return io->in == NULL || io->out == NULL ? -1 : 0;
}

int
codec_fill(struct codec_io *io)
{
	ptrdiff_t n;

	if (io->in_pos < io->in_len || io->in_end)
		return 0;
	if (io->job->api->cancelled(io->job))
		return -1;
	n = io->job->api->read(io->job, io->in, CODEC_BUFFER);
	if (n == -1)
		return -1;
	io->in_end = n == 0;
	io->in_pos = 0;
	io->in_len = (size_t)n;
	return 0;
}

int
codec_flush(struct codec_io *io, size_t n)
{
	if (n == 0)
		return 0;
	/* A small input may become very much: asked here as well. */
	if (io->job->api->cancelled(io->job))
		return -1;
	return io->job->api->write(io->job, io->out, n);
}

int
codec_truncated(struct codec_io *io, const struct codec *c)
{
	return reeve_job_fail(io->job, "%s: truncated: its %s data has no end",
	    io->job->input_name, c->name);
}

int
codec_corrupt(struct codec_io *io, const struct codec *c, const char *why)
{
	return reeve_job_fail(
	    io->job, "%s: corrupt: %s: %s", io->job->input_name, c->name, why);
}

/* --- compress
 * --------------------------------------------------------------------- */

static const struct codec *
codec_by_name(struct reeve_job *job)
{
	const char *name = job->api->arg(job, "format");
	size_t i;

	if (name == NULL)
		return codecs[0];
	for (i = 0; i < CODECS_N; i++) {
		if (strcmp(codecs[i]->name, name) != 0)
			continue;
		if (codecs[i]->missing == NULL)
			return codecs[i];
		reeve_job_fail(job, "format=%s: %s", name, codecs[i]->missing);
		return NULL;
	}
	reeve_job_fail(
	    job, "format=%.40s is not known: zstd, gzip or xz", name);
	return NULL;
}

static int
compress_run(struct reeve_job *job)
{
	static const char *const args[] = { "format", "level", NULL };
	const struct codec *c;
	struct codec_io io;
	long level;

	if (job->api->known_args(job, args) == -1 ||
	    (c = codec_by_name(job)) == NULL)
		return -1;
	level = c->level;
	if (kind_number(job, "level", c->level_min, c->level_max, &level) ==
		-1 ||
	    codec_init(&io, job) == -1)
		return -1;
	return c->compress(&io, level);
}

/* --- decompress
 * ------------------------------------------------------------------- */

static const struct codec *
codec_by_magic(struct codec_io *io)
{
	struct reeve_job *job = io->job;
	size_t i;

	for (i = 0; i < CODECS_N; i++) {
		if (io->in_len < codecs[i]->magic_len ||
		    memcmp(io->in, codecs[i]->magic, codecs[i]->magic_len) != 0)
			continue;
		if (codecs[i]->missing == NULL)
			return codecs[i];
		reeve_job_fail(job, "%s: %s: %s", job->input_name,
		    codecs[i]->name, codecs[i]->missing);
		return NULL;
	}
	reeve_job_fail(job, "%s: %s", job->input_name,
	    io->in_len == 0 ? "it is empty"
			    : "it is neither zstd nor gzip nor xz");
	return NULL;
}

static int
decompress_run(struct reeve_job *job)
{
	static const char *const args[] = { NULL };
	const struct codec *c;
	struct codec_io io;
	ptrdiff_t n;

	if (job->api->known_args(job, args) == -1 || codec_init(&io, job) == -1)
		return -1;
	n = kind_read_full(job, io.in, CODEC_MAGIC);
	if (n == -1)
		return -1;
	io.in_len = (size_t)n;
	c = codec_by_magic(&io);
	return c == NULL ? -1 : c->decompress(&io);
}

#ifdef HAVE_LZMA
#define FORMATS "zstd, gzip, xz"
#else
#define FORMATS "zstd, gzip (built without xz)"
#endif

const struct reeve_job_plugin job_kind_compress = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_compress,
	.name = "compress",
	.summary = "format= " FORMATS "; level=N",
	.run = compress_run,
};

const struct reeve_job_plugin job_kind_decompress = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_decompress,
	.name = "decompress",
	.summary = FORMATS ", found by the first bytes",
	.run = decompress_run,
};
