/* errors - what is wrong with a config, one line each. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

void
config_errors_init(struct config_errors *errs)
{
	strv_init(&errs->errors);
	strv_init(&errs->warnings);
}

void
config_errors_fini(struct config_errors *errs)
{
	strv_fini(&errs->errors);
	strv_fini(&errs->warnings);
}

static void __attribute__((format(printf, 4, 0))) errors_add(
    struct strv *to, const char *file, int line, const char *fmt, va_list ap)
{
	struct buf b;

	buf_init(&b);
	/* An option of a command line has no lines. */
	if (*file == '-')
		buf_addf(&b, "%s: ", file);
	else
		buf_addf(&b, "%s:%d: ", file, line);
	buf_addv(&b, fmt, ap);
	/* One error is one line, whatever value it quotes. */
	for (size_t i = 0; i < b.len; i++)
		if ((unsigned char)b.data[i] < ' ' || b.data[i] == 0x7f)
			b.data[i] = ' ';
	strv_take(to, buf_steal(&b));
}

void
config_error(struct config_errors *errs, const char *file, int line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errors_add(&errs->errors, file, line, fmt, ap);
	va_end(ap);
}

void
config_warning(struct config_errors *errs, const char *file, int line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errors_add(&errs->warnings, file, line, fmt, ap);
	va_end(ap);
}

/* Length of FILE in "FILE:LINE: text". */
static size_t
errors_place(const char *s, long *line)
{
	const char *colon = strstr(s, ": ");

	if (colon == NULL)
		return 0;
	while (colon > s && colon[-1] != ':')
		colon--;
	*line = strtol(colon, NULL, 10);
	return (size_t)(colon - s);
}

static bool
errors_before(const char *a, const char *b)
{
	long aline = 0, bline = 0;
	size_t alen = errors_place(a, &aline), blen = errors_place(b, &bline);

	return alen == blen && strncmp(a, b, alen) == 0 && aline < bline;
}

/* Insertion sort: stable, and the list is short and nearly in order. */
static void
errors_sort(struct strv *sv)
{
	for (size_t i = 1; i < sv->n; i++)
		for (size_t j = i; j > 0; j--) {
			char *tmp = sv->v[j];

			if (!errors_before(tmp, sv->v[j - 1]))
				break;
			sv->v[j] = sv->v[j - 1];
			sv->v[j - 1] = tmp;
		}
}

void
config_errors_sort(struct config_errors *errs)
{
	errors_sort(&errs->errors);
	errors_sort(&errs->warnings);
}
