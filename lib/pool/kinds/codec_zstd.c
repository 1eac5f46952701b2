/* codec_zstd - RFC 8878, with a checksum as the tool writes it. */
#include <zstd.h>

#include "pool/kinds/codec.h"
#include "pool/kinds/kind.h"

/* The directive tells whether the input has ended; *left: not yet written. */
static int
zstd_turn(
    struct codec_io *io, ZSTD_CCtx *ctx, ZSTD_EndDirective how, size_t *left)
{
	ZSTD_inBuffer in = { io->in, io->in_len, io->in_pos };
	ZSTD_outBuffer out = { io->out, CODEC_BUFFER, 0 };

	*left = ZSTD_compressStream2(ctx, &out, &in, how);
	if (ZSTD_isError(*left))
		return reeve_job_fail(
		    io->job, "zstd: %s", ZSTD_getErrorName(*left));
	io->in_pos = in.pos;
	return codec_flush(io, out.pos);
}

static int
zstd_compress_all(struct codec_io *io, ZSTD_CCtx *ctx)
{
	size_t left;

	do {
		if (codec_fill(io) == -1 ||
		    zstd_turn(io, ctx,
			io->in_end ? ZSTD_e_end : ZSTD_e_continue, &left) == -1)
			return -1;
	} while (!io->in_end || left != 0);
	return 0;
}

static int
zstd_compress(struct codec_io *io, long level)
{
	ZSTD_CCtx *ctx;
	ptrdiff_t n;
	int rc;

	/* What is all there at the first call needs less memory. */
	n = kind_read_full(io->job, io->in, CODEC_BUFFER);
	if (n == -1)
		return -1;
	io->in_len = (size_t)n;
	io->in_end = io->in_len < CODEC_BUFFER;
	ctx = ZSTD_createCCtx();
	if (ctx == NULL)
		return reeve_job_fail(io->job, "zstd: no memory");
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, (int)level);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	rc = zstd_compress_all(io, ctx);
	ZSTD_freeCCtx(ctx);
	return rc;
}

static int
zstd_decompress_all(struct codec_io *io, ZSTD_DCtx *ctx)
{
	size_t hint = 1;

	for (;;) {
		ZSTD_inBuffer in;
		ZSTD_outBuffer out = { io->out, CODEC_BUFFER, 0 };

		if (codec_fill(io) == -1)
			return -1;
		/* A frame that is whole ends with 0, and may be the last. */
		if (io->in_end && hint == 0)
			return 0;
		in = (ZSTD_inBuffer){ io->in, io->in_len, io->in_pos };
		hint = ZSTD_decompressStream(ctx, &out, &in);
		if (ZSTD_isError(hint))
			return codec_corrupt(
			    io, &codec_zstd, ZSTD_getErrorName(hint));
		io->in_pos = in.pos;
		if (codec_flush(io, out.pos) == -1)
			return -1;
		if (io->in_end && out.pos == 0 && hint != 0)
			return codec_truncated(io, &codec_zstd);
	}
}

static int
zstd_decompress(struct codec_io *io)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	int rc;

	if (ctx == NULL)
		return reeve_job_fail(io->job, "zstd: no memory");
	rc = zstd_decompress_all(io, ctx);
	ZSTD_freeDCtx(ctx);
	return rc;
}

static const unsigned char zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

const struct codec codec_zstd = { "zstd", NULL, 1, 19, 3, zstd_magic,
	sizeof zstd_magic, zstd_compress, zstd_decompress };
