/*
 * thumb - a job plugin: a JPEG made smaller, with libjpeg (libjpeg-turbo).
 *
 *	width=N height=N	at most so large, 1 to 4096; 256 when not given
 *	quality=N		1 to 100; 80 when not given
 *
 *	cc -shared -fPIC -O2 -o thumb.so thumb.c -ljpeg
 *
 * The proportions stay, and nothing is made larger.  Bounded: a picture of
 * more than 100 million pixels is refused before it is decoded, one that
 * refines itself without end is given up, and memory is that of two lines
 * and of what libjpeg needs, which is told its limit.
 */
#include <reeve/job.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#define PIXELS_MAX     100000000ul
#define SCANS_MAX      500
#define LIBJPEG_MEMORY (256l << 20)

struct thumb {
	struct reeve_job *job;
	struct jpeg_error_mgr err; /* of both */
	struct jpeg_progress_mgr watch;
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct out;
	jmp_buf failed;
	unsigned char *jpeg; /* what is made; of malloc, by libjpeg */
	unsigned long jpeg_len;
	long width, height, quality;
};

/* --- libjpeg's way to say no ------------------------------------------------
 */

static void
thumb_error(j_common_ptr any)
{
	struct thumb *t = any->client_data;
	char text[JMSG_LENGTH_MAX];

	any->err->format_message(any, text);
	reeve_job_fail(t->job, "%s: %s", t->job->input_name, text);
	longjmp(t->failed, 1);
}

static void
thumb_warning(j_common_ptr any, int level)
{
	/* Data that end too early become grey: not what was asked for. */
	if (level < 0)
		thumb_error(any);
}

/* Called every few lines, also while all of a progressive one is read. */
static void
thumb_watch(j_common_ptr any)
{
	struct thumb *t = any->client_data;

	if (t->job->api->cancelled(t->job))
		longjmp(t->failed, 1);
	if (any->is_decompressor && t->in.input_scan_number > SCANS_MAX) {
		reeve_job_fail(t->job, "%s: more than %d scans",
		    t->job->input_name, SCANS_MAX);
		longjmp(t->failed, 1);
	}
}

static void
thumb_init(struct thumb *t, struct reeve_job *job)
{
	t->job = job;
	t->in.err = t->out.err = jpeg_std_error(&t->err);
	t->err.error_exit = thumb_error;
	t->err.emit_message = thumb_warning;
	t->watch.progress_monitor = thumb_watch;
	t->in.client_data = t->out.client_data = t;
}

/* --- the picture -------------------------------------------------------------
 */

static int
thumb_number(struct reeve_job *job, const char *name, long max, long *out)
{
	const char *s = job->api->arg(job, name);
	char *end;

	if (s == NULL)
		return 0;
	*out = strtol(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || *out < 1 || *out > max)
		return reeve_job_fail(
		    job, "%s=%s is not a number from 1 to %ld", name, s, max);
	return 0;
}

/* The size it gets; libjpeg does what it can of it while it decodes. */
static int
thumb_size(struct thumb *t)
{
	unsigned long w = t->in.image_width, h = t->in.image_height;

	if (w * h > PIXELS_MAX)
		return reeve_job_fail(t->job,
		    "%s: %lux%lu is more than %lu "
		    "pixels",
		    t->job->input_name, w, h, PIXELS_MAX);
	if (w <= (unsigned long)t->width && h <= (unsigned long)t->height) {
		t->width = (long)w;
		t->height = (long)h;
	} else if (w * (unsigned long)t->height > h * (unsigned long)t->width)
		t->height = ((long)h * t->width + (long)w - 1) / (long)w;
	else
		t->width = ((long)w * t->height + (long)h - 1) / (long)h;
	t->in.scale_denom = 8;
	t->in.scale_num = 1;
	while (t->in.scale_num < 8 &&
	       (w * t->in.scale_num / 8 < (unsigned long)t->width ||
		   h * t->in.scale_num / 8 < (unsigned long)t->height))
		t->in.scale_num++;
	return 0;
}

static void
thumb_begin_output(struct thumb *t)
{
	jpeg_create_compress(&t->out);
	t->out.progress = &t->watch;
	jpeg_mem_dest(&t->out, &t->jpeg, &t->jpeg_len);
	t->out.image_width = (JDIMENSION)t->width;
	t->out.image_height = (JDIMENSION)t->height;
	t->out.input_components = t->in.output_components;
	t->out.in_color_space = t->in.out_color_space;
	jpeg_set_defaults(&t->out);
	jpeg_set_quality(&t->out, (int)t->quality, TRUE);
	jpeg_start_compress(&t->out, TRUE);
}

/* Adds a line to the sums of the line it becomes a part of. */
static void
thumb_add(struct thumb *t, const JSAMPLE *line, unsigned *sum, unsigned *n)
{
	unsigned w = t->in.output_width, c = (unsigned)t->in.output_components;
	unsigned x, k, to;

	for (x = 0; x < w; x++) {
		to = (unsigned)((unsigned long)x * (unsigned)t->width / w);
		n[to]++;
		for (k = 0; k < c; k++)
			sum[to * c + k] += line[x * c + k];
	}
}

static void
thumb_put(struct thumb *t, JSAMPLE *line, unsigned *sum, unsigned *n)
{
	unsigned w = (unsigned)t->width, c = (unsigned)t->in.output_components;
	unsigned i;

	for (i = 0; i < w * c; i++)
		line[i] = (JSAMPLE)((sum[i] + n[i / c] / 2) / n[i / c]);
	memset(sum, 0, w * c * sizeof *sum);
	memset(n, 0, w * sizeof *n);
	jpeg_write_scanlines(&t->out, &line, 1);
}

/* Each pixel is the mean of those it stands for. */
static int
thumb_shrink(struct thumb *t)
{
	struct reeve_job *job = t->job;
	unsigned h = t->in.output_height, c = (unsigned)t->in.output_components;
	size_t w = t->in.output_width > (unsigned)t->width ? t->in.output_width
							   : (size_t)t->width;
	JSAMPLE *line = job->api->alloc(job, w * c);
	unsigned *sum = job->api->alloc(job, w * c * sizeof *sum);
	unsigned *n = job->api->alloc(job, w * sizeof *n), y, to, next;

	if (line == NULL || sum == NULL || n == NULL)
		return -1;
	for (y = 0; y < h; y++) {
		jpeg_read_scanlines(&t->in, &line, 1);
		thumb_add(t, line, sum, n);
		to = (unsigned)((unsigned long)y * (unsigned)t->height / h);
		next = (unsigned)((y + 1ul) * (unsigned)t->height / h);
		if (next != to)
			thumb_put(t, line, sum, n);
		job->api->progress(job, (int)(y * 100ul / h), NULL);
	}
	return 0;
}

static int
thumb_make(struct thumb *t)
{
	size_t len;
	const unsigned char *bytes = t->job->api->map(t->job, &len);

	if (bytes == NULL)
		return -1;
	if (setjmp(t->failed) != 0)
		return -1;
	jpeg_create_decompress(&t->in);
	t->in.mem->max_memory_to_use = LIBJPEG_MEMORY;
	t->in.progress = &t->watch;
	jpeg_mem_src(&t->in, bytes, len);
	jpeg_read_header(&t->in, TRUE);
	if (thumb_size(t) == -1)
		return -1;
	if (t->in.num_components != 1)
		t->in.out_color_space =
		    t->in.num_components == 4 ? JCS_CMYK : JCS_RGB;
	jpeg_start_decompress(&t->in);
	thumb_begin_output(t);
	if (thumb_shrink(t) == -1)
		return -1;
	jpeg_finish_compress(&t->out);
	jpeg_finish_decompress(&t->in);
	return t->job->api->write(t->job, t->jpeg, t->jpeg_len);
}

static int
thumb_run(struct reeve_job *job)
{
	static const char *const args[] = { "width", "height", "quality",
		NULL };
	struct thumb *t = job->api->alloc(job, sizeof *t);
	int rc;

	if (t == NULL || job->api->known_args(job, args) == -1)
		return -1;
	t->width = t->height = 256;
	t->quality = 80;
	if (thumb_number(job, "width", 4096, &t->width) == -1 ||
	    thumb_number(job, "height", 4096, &t->height) == -1 ||
	    thumb_number(job, "quality", 100, &t->quality) == -1)
		return -1;
	thumb_init(t, job);
	rc = thumb_make(t);
	jpeg_destroy_decompress(&t->in);
	jpeg_destroy_compress(&t->out);
	free(t->jpeg);
	return rc;
}

REEVE_JOB_PLUGIN(
    "thumb", "a JPEG made smaller: width= height= quality=", thumb_run);
