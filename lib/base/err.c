/* err - an error that a person will read. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void
err_vfill(struct err *err, int errnum, const char *fmt, va_list ap)
{
	int n;

	err->errnum = errnum;
	n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	if (n < 0 || (size_t)n >= sizeof err->text || errnum == 0)
		return;
	snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s",
	    strerror(errnum));
}

int
err_set(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	err_vfill(err, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int
err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	err_vfill(err, saved, fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int
err_prefix(struct err *err, const char *fmt, ...)
{
	char old[sizeof err->text];
	va_list ap;
	int n;

	if (err == NULL)
		return -1;
	memcpy(old, err->text, sizeof old);
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->text)
		snprintf(
		    err->text + n, sizeof err->text - (size_t)n, "%s", old);
	return -1;
}
