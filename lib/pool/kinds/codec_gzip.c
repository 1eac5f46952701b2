/* codec_gzip - RFC 1952: members after one another are one file. */
#include <string.h>
#include <zlib.h>

#include "pool/kinds/codec.h"

#define GZIP_WINDOW (15 + 16) /* 32 KiB; with gzip's head and sum */

static void
gzip_in(struct codec_io *io, z_stream *z)
{
	z->next_in = io->in + io->in_pos;
	z->avail_in = (uInt)(io->in_len - io->in_pos);
	z->next_out = io->out;
	z->avail_out = (uInt)CODEC_BUFFER;
}

static int
gzip_out(struct codec_io *io, const z_stream *z)
{
	io->in_pos = io->in_len - z->avail_in;
	return codec_flush(io, CODEC_BUFFER - z->avail_out);
}

static int
gzip_compress(struct codec_io *io, long level)
{
	z_stream z = { 0 };
	int rc = -1, ret;

	if (deflateInit2(&z, (int)level, Z_DEFLATED, GZIP_WINDOW, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return reeve_job_fail(io->job, "gzip: no memory");
	do {
		if (codec_fill(io) == -1)
			goto out;
		gzip_in(io, &z);
		ret = deflate(&z, io->in_end ? Z_FINISH : Z_NO_FLUSH);
		if (gzip_out(io, &z) == -1)
			goto out;
	} while (ret != Z_STREAM_END);
	rc = 0;
out:
	deflateEnd(&z);
	return rc;
}

/*
 * Between two members.  1: another begins, 0: that was all, -1: it failed.
 * Zeros at the end are what a tape left there; the tool takes them too.
 */
static int
gzip_next_member(struct codec_io *io, z_stream *z)
{
	bool zeros = false;

	for (;;) {
		if (codec_fill(io) == -1)
			return -1;
		if (io->in_end)
			return 0;
		if (io->in[io->in_pos] != 0)
			break;
		zeros = true;
		io->in_pos++;
	}
	if (zeros || io->in[io->in_pos] != 0x1f)
		return codec_corrupt(
		    io, &codec_gzip, "something else follows its end");
	return inflateReset(z) == Z_OK ? 1 : -1;
}

static int
gzip_inflate(struct codec_io *io, z_stream *z)
{
	int ret;

	for (;;) {
		if (codec_fill(io) == -1)
			return -1;
		gzip_in(io, z);
		ret = inflate(z, Z_NO_FLUSH);
		if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
			return codec_corrupt(io, &codec_gzip,
			    z->msg != NULL ? z->msg : zError(ret));
		if (ret == Z_BUF_ERROR && io->in_end)
			return codec_truncated(io, &codec_gzip);
		if (gzip_out(io, z) == -1)
			return -1;
		if (ret != Z_STREAM_END)
			continue;
		ret = gzip_next_member(io, z);
		if (ret <= 0)
			return ret;
	}
}

static int
gzip_decompress(struct codec_io *io)
{
	z_stream z = { 0 };
	int rc;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return reeve_job_fail(io->job, "gzip: no memory");
	rc = gzip_inflate(io, &z);
	inflateEnd(&z);
	return rc;
}

static const unsigned char gzip_magic[] = { 0x1f, 0x8b };

const struct codec codec_gzip = { "gzip", NULL, 1, 9, 6, gzip_magic,
	sizeof gzip_magic, gzip_compress, gzip_decompress };
