/* codec_xz - the .xz format, where liblzma was there when it was built. */
#include "pool/kinds/codec.h"

static const unsigned char xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

#ifdef HAVE_LZMA
#include <lzma.h>

/* What xz -9 makes needs 65 MiB; a file cannot make us use more than this. */
#define XZ_MEMORY_MAX ((uint64_t)256 << 20)

static const char *
xz_why(lzma_ret ret)
{
	switch ((int)ret) {
	case LZMA_MEM_ERROR:
		return "no memory";
	case LZMA_MEMLIMIT_ERROR:
		return "it needs more than 256 MiB of memory";
	case LZMA_FORMAT_ERROR:
		return "something else follows its end";
	case LZMA_OPTIONS_ERROR:
		return "it uses what this liblzma does not know";
	default:
		return "its data are damaged";
	}
}

static int
xz_code(struct codec_io *io, lzma_stream *z, bool reading)
{
	lzma_ret ret;

	do {
		if (codec_fill(io) == -1)
			return -1;
		z->next_in = io->in + io->in_pos;
		z->avail_in = io->in_len - io->in_pos;
		z->next_out = io->out;
		z->avail_out = CODEC_BUFFER;
		ret = lzma_code(z, io->in_end ? LZMA_FINISH : LZMA_RUN);
		if (ret == LZMA_BUF_ERROR && io->in_end)
			return codec_truncated(io, &codec_xz);
		if (ret != LZMA_OK && ret != LZMA_STREAM_END &&
		    ret != LZMA_BUF_ERROR)
			return reading
				   ? codec_corrupt(io, &codec_xz, xz_why(ret))
				   : reeve_job_fail(
					 io->job, "xz: %s", xz_why(ret));
		io->in_pos = io->in_len - z->avail_in;
		if (codec_flush(io, CODEC_BUFFER - z->avail_out) == -1)
			return -1;
	} while (ret != LZMA_STREAM_END);
	return 0;
}

static int
xz_compress(struct codec_io *io, long level)
{
	lzma_stream z = LZMA_STREAM_INIT;
	int rc;

	if (lzma_easy_encoder(&z, (uint32_t)level, LZMA_CHECK_CRC64) != LZMA_OK)
		rc = reeve_job_fail(io->job, "xz: no memory");
	else
		rc = xz_code(io, &z, false);
	lzma_end(&z);
	return rc;
}

static int
xz_decompress(struct codec_io *io)
{
	lzma_stream z = LZMA_STREAM_INIT;
	int rc;

	if (lzma_stream_decoder(&z, XZ_MEMORY_MAX, LZMA_CONCATENATED) !=
	    LZMA_OK)
		rc = reeve_job_fail(io->job, "xz: no memory");
	else
		rc = xz_code(io, &z, true);
	lzma_end(&z);
	return rc;
}

const struct codec codec_xz = { "xz", NULL, 0, 9, 6, xz_magic, sizeof xz_magic,
	xz_compress, xz_decompress };
#else
const struct codec codec_xz = { "xz", "this reeve was built without liblzma", 0,
	9, 6, xz_magic, sizeof xz_magic, NULL, NULL };
#endif
