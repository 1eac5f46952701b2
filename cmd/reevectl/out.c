/*
 * out - stdout, every write of it checked.
 *
 * A full disk or a closed descriptor is an error of the command: exit 1 and
 * the reason on stderr.  A pipe whose reader has left ends reevectl by
 * SIGPIPE, as it does any filter; where that is ignored, as an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reevectl.h"

#define OUT_CHUNK (64 * 1024)

static struct {
	struct buf waiting;
	int errnum; /* of the first failed write */
} out;

void
out_init(void)
{
	int fd;

	/* Read only: what is written there fails as it would have. */
	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
	buf_init(&out.waiting);
}

static void
out_put(const char *p, size_t left)
{
	ssize_t n;

	while (left > 0 && out.errnum == 0) {
		n = write(STDOUT_FILENO, p, left);
		if (n == -1 && errno != EINTR)
			out.errnum = errno;
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
}

void
out_flush(void)
{
	out_put(out.waiting.data, out.waiting.len);
	buf_clear(&out.waiting);
}

void
out_write(const char *p, size_t n)
{
	if (n >= OUT_CHUNK) {
		out_flush();
		out_put(p, n);
		return;
	}
	buf_add(&out.waiting, p, n);
	if (out.waiting.len >= OUT_CHUNK)
		out_flush();
}

void
out_puts(const char *s)
{
	out_write(s, strlen(s));
}

void
out_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&out.waiting, fmt, ap);
	va_end(ap);
	out_write("", 0);
}

void
out_json(const json_t *v)
{
	char *text = json_dumps(
	    v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10) |
		   (isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT));

	out_puts(text != NULL ? text : "null");
	out_puts("\n");
	free(text);
}

void
out_json_line(const json_t *v)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	out_puts(text != NULL ? text : "null");
	out_puts("\n");
	free(text);
}

bool
out_failed(void)
{
	return out.errnum != 0;
}

int
out_end(void)
{
	out_flush();
	buf_fini(&out.waiting);
	if (out.errnum == 0)
		return 0;
	warn_user("write to stdout: %s", strerror(out.errnum));
	return -1;
}

void
warn_user(const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	out_flush();
	fprintf(stderr, "reevectl: %s\n", line);
}
